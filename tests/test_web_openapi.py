"""The OpenAPI description is correct: valid and invalid requests get the answers it describes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings, strategies as st
from schemathesis import checks

from happysad.web.app import create_app
from happysad.web.http.settings import Settings
from tests.pictures import encoded, photo, portrait

PICTURES = st.sampled_from([encoded(photo(1)), encoded(photo(2, 9, 5), "gif"), portrait()])

for kind in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(kind, PICTURES)

# Teach's folder does not exist: its routes are tested in test_web_teach.py.
schema = schemathesis.openapi.from_asgi(
    "/openapi.json", create_app(Settings(folder=Path("nowhere"), hosts=("testserver",)))
).exclude(path_regex="^/v1/teach")


@schema.parametrize()
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: Any) -> None:
    # OpenAPI cannot describe that a picture must show a face, or a second one, nor the classes of
    # the classifier in use, which may change.
    unsaid = case.path == "/v1/explain" or "answers" in (case.query or {})
    excluded = [checks.positive_data_acceptance] if unsaid else []
    case.call_and_validate(excluded_checks=excluded)
