# make demo, make test: work on a fresh machine with Python 3.10 or newer.
# Without an active environment (venv, or conda other than its base) they make their own, $(VENV), and install
# $(TORCH) there. In an active one its torch is kept, and only what is missing is installed.

TORCH ?= torch==2.13.0
PYTHON ?= python3
VENV ?= .venv
OUTPUT ?= demo_output

# conda's base environment is active without anyone's asking, so nothing is installed into it.
CONDA = $(if $(filter-out base,$(CONDA_DEFAULT_ENV)),$(CONDA_PREFIX))
ACTIVE = $(or $(VIRTUAL_ENV),$(CONDA))
ENVIRONMENT = $(or $(ACTIVE),$(VENV))
# Windows keeps the programs of an environment in Scripts, conda's python.exe beside them.
PYTHONS = "$(ENVIRONMENT)"/bin/python "$(ENVIRONMENT)"/Scripts/python.exe "$(ENVIRONMENT)"/python.exe
RUN = "$$(ls -d $(PYTHONS) 2>/dev/null | head -n 1)"
INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test lint clean environment test-environment

help:
	@echo "make demo   generate pictures with the built-in model, baseline and LADR side by side, into $(OUTPUT)/"
	@echo "make test   run the tests"
	@echo "make lint   run ruff and mypy"
	@echo "make clean  remove $(VENV) and $(OUTPUT)"

demo: environment
	@$(RUN) -m ladr_core demo --output_folder "$(OUTPUT)"

test: test-environment
	@$(RUN) -m pytest

lint: test-environment
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy

clean:
	rm -rf "$(VENV)" "$(OUTPUT)"

# torch comes first: what is installed after it finds it there and does not bring another one.
environment:
	@[ -e "$(ENVIRONMENT)/pyvenv.cfg" ] || [ -n "$(ACTIVE)" ] || { \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed; name one: make PYTHON=...")' \
		&& echo "making $(VENV) with $(TORCH); this takes some minutes, once" && $(PYTHON) -m venv "$(VENV)"; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(RUN) -m ensurepip
	@$(RUN) -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)" || $(INSTALL) $(TORCH)
	@$(INSTALL) -r requirements.txt

test-environment: environment
	@$(INSTALL) -r tests/requirements.txt
