# make demo: install, then show every step on drawn faces.   make test: install, then run the tests.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Many containers set it. Without bytecode, each process that the tests start would compile TensorFlow
# anew, which takes longer than to import it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint types check dist runtime docs notebook requirements clean

demo: $(VENV)/.train
	$(BIN)/happysad demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses auto

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types test

$(VENV)/.train: requirements/train.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/train.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

# Without --no-compile, pip would compile all modules, of which most are never imported.
$(VENV)/.dev: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@ $(VENV)/.train

# Write docs/commands.md from the output of --help.
docs: $(VENV)/.dev
	$(BIN)/python docs/commands.py

# Run the course on drawn faces, and store its outputs in it.
notebook: $(VENV)/.dev
	$(BIN)/python notebooks/execute.py

# Fetch onnxruntime-web with npm, for happysad publish; the build of the wheel does so, too.
runtime:
	$(PYTHON) src/happysad/site/web_runtime.py

# Build the wheel and the source archive, check them, and try the wheel in an empty environment.
dist: $(VENV)/.dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*
	PYTHON=$(PYTHON) .ci/try-wheel

# Pin every dependency with its hashes, for Python 3.11 to 3.13 (needs uv). Pins that still fit stay;
# `make requirements UPGRADE=--upgrade` renews them.
PIN = uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header -q \
	$(UPGRADE)
requirements:
	$(PIN) -o requirements/predict.txt
	for extra in train web scale dev; do $(PIN) --extra $$extra -o requirements/$$extra.txt || exit; done

clean:
	rm -rf $(VENV) dist build
