# Each target makes the virtual environment first if there is none.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test slow search notebooks coverage lint format docs env clean

demo: env
	$(BIN)/phys-gan demo --out demo

# One thread for each worker: threads of several workers would wait for each other.
test: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

slow: env
	$(BIN)/python -m pytest -m slow

# New random examples for every property; `make test` tries the same ones each time.
search: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 -m 'hypothesis and not slow' --hypothesis-profile searching

notebooks: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --nbmake notebooks

coverage: env
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile --cov phys_gan --cov-report term-missing:skip-covered

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: env
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs

env: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet -e '.[dev]' -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) demo build dist
