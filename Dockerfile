# The server, with the dependencies of prediction but without TensorFlow. Clients need the token.
#
#     docker build -t happysad .
#     docker run --read-only -p 127.0.0.1:8000:8000 -e HAPPYSAD_TOKEN=... happysad
#
# Then open http://127.0.0.1:8000/?token=... The port inside the container is always 8000. If clients
# use another host name, add --allow-host NAME at the end. tests/test_container.py runs these steps.

# The tag and the digest of its index change together:
# `docker buildx imagetools inspect python:3.13-slim-trixie` prints the newest digest.
FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS base

FROM base AS build
WORKDIR /build
COPY requirements/web.txt ./requirements/
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --require-hashes -r requirements/web.txt
COPY src/happysad /venv/app/happysad
# Compile now: the user below may not write __pycache__ into this folder.
RUN /venv/bin/python -m compileall -q /venv/app

FROM base
COPY --from=build /venv /venv
RUN useradd --system --uid 10001 --no-create-home happysad
USER 10001
WORKDIR /tmp
ENV PYTHONPATH=/venv/app \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["/venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["/venv/bin/python", "-m", "happysad", "serve", "--host", "0.0.0.0", "--port", "8000", "--no-open"]
