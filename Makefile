# make demo: set up and run the main job.   make test: set up and run all tests.   make quick: the fast tests.
PYTHON ?= python3
# for example: make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test quick lint setup model readme ways pictures clean

demo: model
	$(BIN)/tuneaccord demo

test: model
	$(BIN)/python -m pytest -n 2 --dist loadfile

quick: setup
	$(BIN)/python -m pytest -m "not model and not slow and not browser and not postgres" -n 2 --dist loadfile

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

setup: $(INSTALLED)

model: $(INSTALLED)
	@$(BIN)/tuneaccord fetch-model > /dev/null

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("tuneaccord needs Python 3.11 or later, this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make virtual environments here. Try: apt-get install python3-venv"; exit 1; }
	@echo "installing tuneaccord and its pinned dependencies into $(VENV) ..."
	@PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet $(PIP_ARGS) --editable '.[llm,dev]'
	@touch $@

readme: demo
	$(BIN)/python tools/demo_table.py

# all ways to obtain the model on the demo's market (about half an hour), and their table in the docs
ways: model
	$(BIN)/tuneaccord compare examples/assistant/tune.yaml
	$(BIN)/python tools/ways_table.py

# the pictures of a session in README.md; needs Debian's chromium
pictures: setup
	$(BIN)/python tools/session_pictures.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
