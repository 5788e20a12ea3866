# One target a chore; CI runs exactly these.
#
#   make demo [ONCE=1]   build, then show the main job; with ONCE=1 exit 0 when all of it happened
#   make test            everything: format, lints, unit, doc, golden, property and system tests
#   make bench           measured figures, side by side (docs/benchmarks.md); QUICK=1, ONLY=json-32,stream, PROFILE=measure
#   make soak            minutes of mixed load with faults, every answer checked; MINUTES=10, JSON=FILE
#   make fuzz            what strangers send, changed at random; TARGET=sse SECONDS=3600 for one and for longer
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
MINUTES ?= 10
JSON ?=

.PHONY: test demo bench soak fuzz fuzz-program fmt lint build tools

test: tools lint build fuzz-program
	cargo test --workspace --locked --no-fail-fast
	"$(FUZZ)" --seconds 20

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

build:
	cargo build --workspace --bins --locked

tools:
	python3 .ci/tools.py terraform moto redis sdk chromium

demo:
	python3 .ci/tools.py terraform
	cargo build --workspace --bins --locked
	"$(CARGO_TARGET_DIR)/debug/moorline" demo $(if $(ONCE),--once)

bench:
	python3 .ci/tools.py nginx
	cargo build --profile $(PROFILE) --locked --workspace --bins
	"$(CARGO_TARGET_DIR)/$(PROFILE)/bench" $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

soak:
	cargo build --profile $(PROFILE) --locked -p moorline-gateway -p moorline-tests --bins
	"$(CARGO_TARGET_DIR)/$(PROFILE)/bench" soak --minutes $(MINUTES) $(if $(JSON),--json $(JSON))

# The compiler counts which branches an input reaches; stable Rust can do that for everything but the standard library.
# --target keeps the flags away from build scripts and macros.
FUZZ_TARGET = $(shell rustc -vV | sed -n 's/^host: //p')
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters
FUZZ := $(CARGO_TARGET_DIR)/$(FUZZ_TARGET)/fuzz/moorline-fuzz

fuzz-program:
	RUSTFLAGS="$(FUZZ_FLAGS)" cargo build --profile fuzz --locked -p moorline-fuzz --target $(FUZZ_TARGET)

fuzz: fuzz-program
	"$(FUZZ)" $(TARGET) --seconds $(or $(SECONDS),60) --found "$(CARGO_TARGET_DIR)/fuzz-found"

fmt:
	cargo fmt --all
