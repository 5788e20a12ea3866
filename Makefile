# One target a chore; CI runs exactly these.
#
#   make demo [ONCE=1]   build, then show the main job; with ONCE=1 exit 0 when all of it happened
#   make test            everything: format, lints, unit, doc, golden, property and system tests
#   make bench           measured figures, side by side (docs/benchmarks.md); QUICK=1, ONLY=json-32,stream, PROFILE=measure
#   make fmt             format

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := test

# Outside the checkout, so that a fresh clone builds only what changed.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/moorline/target
# Tools that are not on the machine are put here; see .ci/tools.py.
export MOORLINE_TOOLS := $(CURDIR)/.tools
export PATH := $(PATH):$(MOORLINE_TOOLS)/bin
# Terraform asks the network for news otherwise.
export CHECKPOINT_DISABLE := 1

ONCE ?=
QUICK ?=
ONLY ?=
PROFILE ?= release

.PHONY: test demo bench fmt lint build tools

test: tools lint build
	cargo test --workspace --locked --no-fail-fast

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

build:
	cargo build --workspace --bins --locked

tools:
	python3 .ci/tools.py terraform moto redis

demo:
	python3 .ci/tools.py terraform
	cargo build --workspace --bins --locked
	"$(CARGO_TARGET_DIR)/debug/moorline" demo $(if $(ONCE),--once)

bench:
	python3 .ci/tools.py nginx
	cargo build --profile $(PROFILE) --locked $(if $(QUICK)$(ONLY),-p moorline-gateway -p moorline-tests,--workspace) --bins
	"$(CARGO_TARGET_DIR)/$(PROFILE)/bench" $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

fmt:
	cargo fmt --all
