# make demo   sets up .venv and runs the quickstart in demo/
# make test   sets up .venv and passes the tests
# make check  linter, types, import contracts, formatting

PYTHON ?= python3
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
CONFIG := demo/textmill.yaml
QUICK := not needs_root and not needs_browser and not needs_postgres and not long
SITE = $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
GENERAL_SHA256 = $$(sed -n 's/.*--hash=sha256://p' infra/general_text.txt)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test check clean

demo: $(VENV)/.ready
	@test -e $(CONFIG) || $(BIN)/textmill init demo --preset cloud-security
	@$(BIN)/textmill run $(CONFIG) || test $$? -eq 3  # 3: a gate refused the model; that is a result, too

# Three workers on two cores: one of them often waits for a server. What failed is kept in build/ until make clean.
test: $(VENV)/.ready
	@mkdir -p build/pytest
	@folder=build/pytest/$$$$; $(BIN)/python -m pytest -n 3 -m "$(QUICK)" --basetemp=$$folder \
		&& rm -rf $$folder

check: $(VENV)/.ready
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

clean:
	@test ! -e $(CONFIG) || $(BIN)/textmill server stop --workspace demo
	rm -rf demo build/pytest

# One constraints file; torch alone may be another build (make demo TORCH=torch==2.13.0+cu130).
# Data and model wheels come second, by version and sha256 and without dependencies: no code of theirs is run. Of the
# general texts there is a source distribution only: pip checks its sha256, then runs its setup.py for the metadata.
# What an editable installation may do to other folders of that name (a warning of setuptools) is no news here.
$(VENV)/.ready: pyproject.toml infra/constraints.txt infra/data.txt infra/general_text.txt infra/general_text.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Textmill needs Python 3.11 or newer; say which: make PYTHON=python3.11 …")'
	@echo "setting up $(VENV) (once, about 4 minutes): packages, data and the base model"
	@$(PYTHON) -m venv $(VENV)
	@grep -v '^torch==' infra/constraints.txt > $(VENV)/constraints.txt
	@$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --upgrade pip
	@$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt $(TORCH)
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --editable '.[dev]'
	@$(BIN)/python -m pip install --quiet --no-deps --only-binary :all: --require-hashes --requirement infra/data.txt
	@$(BIN)/python -m pip download --quiet --no-deps --no-binary vaderSentiment --require-hashes \
		--requirement infra/general_text.txt --dest $(VENV)/download
	@$(BIN)/python infra/general_text.py $(VENV)/download/*.tar.gz $(SITE) $(GENERAL_SHA256)
	@touch $@
	@echo "$(VENV) is ready"
