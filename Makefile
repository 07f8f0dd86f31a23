# From nothing: needs python3 (3.11 or newer) with its venv module, and the package index.
#
#   make demo     the sample shop behind the gateway, with what to try
#   make test     static checks and all tests; ARGS="..." goes to pytest
#   make check    static checks only
#   make bench    against nginx, nginx + Lua, mitmproxy and aiohttp; ARGS=--quick for a short run;
#                 BENCH=curves, consent_lookup, page_rewriting, added_latency, large_bodies, overload or egress
#                 for what bench/README.md says of them

PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,\
	$(shell command -v $(name) >/dev/null && $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $(name))))
VENV ?= .venv
BENCH_VENV ?= bench/.venv
BENCH ?= run
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test check bench clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.installed
	$(BIN)/privacy-gateway demo $(ARGS)

test: check
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(BENCH_VENV)/.installed bench/.venv-mitmproxy/.tried
	$(BENCH_VENV)/bin/python bench/$(BENCH).py $(ARGS)

clean:
	rm -rf $(VENV) $(BENCH_VENV) bench/.venv-mitmproxy bench/results dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[test]'
	$(PIP) install --no-deps 'httpbin>=0.10.2'
	@touch $@ $(VENV)/.installed

# The fastest interpreter at hand, as the container image has it, and not the one that happens to be first.
$(BENCH_VENV)/.installed: pyproject.toml | $(BIN)/python
	"$$($(BIN)/python bench/interpreter.py)" -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip --disable-pip-version-check --quiet install --editable '.[egress]'
	@touch $@

# mitmproxy as a peer gets a room of its own, without the versions that we ask for. Where it cannot be
# installed the bench says so and goes on without it.
bench/.venv-mitmproxy/.tried: | $(BENCH_VENV)/.installed
	$(BENCH_VENV)/bin/python -m venv bench/.venv-mitmproxy
	-bench/.venv-mitmproxy/bin/python -m pip --disable-pip-version-check --quiet install mitmproxy
	@touch $@
