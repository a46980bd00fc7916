# Each target makes its own virtual environment and installs what it needs; nothing else has to be there but Python 3.11+.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test check web docs bench example clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[picture]'
	touch $@

$(VENV)/.dev: $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/.base ## repair the damaged recording in examples/ and show what was done
	$(BIN)/python examples/demo.py

test: $(VENV)/.dev ## run every test; those of the studio in a browser need Chromium and Node.js
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web; else echo "npm is missing: the browser tests will be skipped"; fi
	$(BIN)/python -m pytest -q -n auto --dist loadgroup

PAGE := src/caesura/studio/static/index.html
web: $(PAGE) ## build the studio's page (needs Node.js 20.19 or newer)

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error

$(PAGE): web/node_modules/.package-lock.json web/openapi.json web/index.html web/vite.config.ts $(wildcard web/src/*.ts web/src/*.css web/test/*.ts)
	cd web && npm test --silent && npm run build --silent
	touch $@

check: $(VENV)/.dev ## ruff, mypy --strict, layering
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/ruff format --check src tests benchmarks examples docs
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

docs: $(VENV)/.dev ## write the generated parts of the documentation again
	$(BIN)/python docs/generate.py

DATA ?= ../shared/data
# Prepared data, where there is some: captions with the weights of phrase_classifier, and songs stem by stem.
CORPUS ?=
JUDGE ?= phrase-judge.safetensors
SONGS ?=
bench: $(VENV)/.dev ## measure again; DATA=folder with standard/, test/, music/ and notes/
	$(BIN)/python benchmarks/standard.py --data $(DATA)/standard
	$(BIN)/python benchmarks/detection.py --data $(DATA)/test --write docs/benchmarks/detection.md
	$(BIN)/python benchmarks/classical.py --standard $(DATA)/standard --test $(DATA)/test
	$(BIN)/python benchmarks/boxes.py --data $(DATA)
	$(BIN)/python benchmarks/graph.py --data $(DATA)
	$(BIN)/python benchmarks/stereo.py --data $(DATA) --gaps 4 --write docs/benchmarks/stereo.md
	$(BIN)/python benchmarks/declick.py --data $(DATA)/music --minutes 20 --write docs/benchmarks/declick.md
	$(BIN)/python benchmarks/confidence.py --data $(DATA) --write docs/benchmarks/confidence.md
	$(BIN)/python benchmarks/cqt.py --write
	$(BIN)/python benchmarks/image.py --data $(DATA) --write
	$(BIN)/python benchmarks/denoise.py --data $(DATA)/test --seconds 4 --write
	$(BIN)/python benchmarks/cqtdiff.py --test $(DATA)/test --write
	$(BIN)/python benchmarks/cqtdiff_settings.py --music $(DATA)/music/by-sa --write
	$(BIN)/python benchmarks/cqtdiff_settings.py --music $(DATA)/music/by-sa --sampler --write
	$(BIN)/python benchmarks/text.py --data $(DATA)/music/by-sa --clips 6 --models text_mini --text music --forget --write
	$(BIN)/python benchmarks/notono.py --data $(DATA)/notes --write
	$(BIN)/python benchmarks/studio.py --weights tiny --write docs/benchmarks/studio.md
	test -z "$(CORPUS)" || $(BIN)/python benchmarks/text_mini.py --data $(CORPUS) --judge $(JUDGE) --write
	test -z "$(SONGS)" || $(BIN)/python benchmarks/table1.py --data $(SONGS) --forget --write
	$(BIN)/python benchmarks/regression.py

example: $(VENV)/.base ## render examples/damaged.wav again (needs fluidsynth and the FluidR3 soundfont)
	$(BIN)/python examples/make_example.py

clean: ## remove the virtual environment and what the demo wrote
	rm -rf $(VENV) out
