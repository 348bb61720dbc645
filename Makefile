# Each target is what a user would type. All call `setup` first, which does nothing if .venv is up to date.
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)
TARGETS := table_a1 table_a2
FIGURES := figure_a3 gradient_analysis error_analysis

.PHONY: reproduce all claims smoke test test-all test-slurm test-gpu lint setup bench docs cli-reference schemas clean help

# Snakemake takes mini, so the verbs after it do, whatever the shell or `make all SEESAW_SCALE=` says.
reproduce all claims: override export SEESAW_SCALE := mini

reproduce: setup  ## Tables A1 and A2, Figure A3, gradients, errors, test-dev package, report; mini scale
	@snakemake --profile local $(TARGETS) $(FIGURES) submission; status=$$?; \
	seesaw report --partial || status=1; seesaw show $(TARGETS) || status=1; exit $$status

all: setup  ## all tables, figures, the test-dev package and the report; mini scale
	@snakemake --profile local all; status=$$?; seesaw show $(TARGETS) figure_a2 || status=1; exit $$status

claims: setup  ## the paper's claims over their seeds at mini scale
	@snakemake --profile local claims; status=$$?; seesaw claims || status=1; exit $$status

smoke: setup  ## the jobs of `make all` on a few images; the numbers are noise
	@snakemake --profile local --config scale=smoke -- all

test: setup  ## unit tests
	@pytest -n 2 -m "not slow"

test-all: setup  ## unit tests and the slow ones
	@pytest -n 2 -m "not slurm"

test-slurm: setup  ## fault injection on a real Slurm, started on this machine's loopback
	@pytest tests/slurm tests/docs -m slurm  # tests/docs: the guides' commands on what .ci/run has made

test-gpu: setup  ## operators, detectors and trainings on a CUDA device; skipped without one
	@pytest -n 4 tests/gpu

lint: setup  ## formatting, lint rules and types; changes no file
	@ruff check . && ruff format --check . && lint-imports && snakefmt --check Snakefile workflow && mypy && snakemake --lint

bench: setup  ## ratios against peers, minutes (SIZE=full: an hour) -> docs/benchmarks.md
	@python benchmarks/report.py $(if $(filter full,$(SIZE)),--full)

docs: setup  ## the docs site in site/; fails on a broken link
	@pip install -q --disable-pip-version-check --no-deps -r requirements-docs.lock
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict && echo site/index.html  # -q would hide the warnings from --strict

cli-reference: setup  ## docs/cli.md from the command line's own parser
	@python tools/cli_reference.py > docs/cli.md

schemas: setup  ## configs/schemas from the code that reads the YAML files
	@python tools/schemas.py

setup:  ## .venv with the locked dependencies; every other target runs it first
	@tools/setup.sh

help:  ## this list; `make` alone is `make reproduce`
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

clean:  ## removes results, work and logs of smoke and mini scale; data and .venv stay
	rm -rf $(foreach folder,results work logs,$(foreach scale,smoke mini,$(folder)/$(scale) $(folder)/$(scale)@*))
