# `make run` and `make test` work on a fresh Debian or Ubuntu machine: each installs what it needs and is missing.
# make run ARGS="--listen 0.0.0.0:8000" passes flags on to `basalt serve`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export PATH := $(HOME)/.cargo/bin:$(HOME)/.cache/basalt/node/node_modules/.bin:$(PATH)
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

# As root PostgreSQL runs as another user, who cannot reach what lies below /root.
DATA_DIR ?= $(if $(filter 0,$(shell id -u)),/var/lib/basalt,basalt-data)

# Tests and the binary under test share one profile, so that every dependency is compiled once.
PROFILE := ci
JS := tests/clients/js

.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

# On a first visit nobody has a mail server: development mode confirms sign-ups by itself.
.PHONY: run
run: ARGS ?= --dev
run: build ## build and serve from DATA_DIR in development mode; ARGS="..." are flags instead of --dev
	@exec $(TARGET)/release/basalt serve --data-dir $(DATA_DIR) $(ARGS)

.PHONY: status
status: ## print address and keys of DATA_DIR; ARGS="-o env" for a file of settings
	@$(TARGET)/release/basalt status --data-dir $(DATA_DIR) $(ARGS)

.PHONY: build
build: setup ## build the release binary
	cargo build --release --locked

.PHONY: test
test: setup-test fmt-check test-rust test-clients lint ## check everything: format, Rust tests, client tests, lints

.PHONY: test-rust
test-rust: ## run the Rust tests
	cargo build --profile $(PROFILE) --workspace --all-targets --locked
	if cargo nextest --version >/dev/null 2>&1; \
	then cargo nextest run --cargo-profile $(PROFILE) --workspace --all-targets --locked --no-fail-fast; \
	else cargo test --profile $(PROFILE) --workspace --all-targets --locked; fi

# A test that fails may leave a socket open: its file ends all the same, and none takes longer than ten minutes.
.PHONY: test-clients
test-clients: $(JS)/node_modules/.package-lock.json ## run supabase-js against the built binary; ROUNDS=20 kills it more often
	cargo build --profile $(PROFILE) --workspace --all-targets --locked
	BASALT_BIN=$(TARGET)/$(PROFILE)/basalt node --test --test-force-exit --test-timeout=600000 $(JS)/*.test.mjs tests/apps/*/*.test.mjs

$(JS)/node_modules/.package-lock.json: $(JS)/package-lock.json
	npm ci --no-fund --no-audit --prefix $(JS)
	@touch $@

.PHONY: bench-auth
bench-auth: setup-test build ## measure sign-ins, refreshes and what others notice of them; ARGS="--seconds 5 --hash bcrypt"
	cargo build --release --locked -p tests --bin bench-auth
	BASALT_BIN=$(TARGET)/release/basalt $(TARGET)/release/bench-auth $(ARGS)

.PHONY: bench-realtime
bench-realtime: setup-test build ## measure sockets, broadcasts, presence and row changes; ARGS="--seconds 10 --only fan-out"
	cargo build --release --locked -p tests --bin bench-realtime
	BASALT_BIN=$(TARGET)/release/basalt $(TARGET)/release/bench-realtime $(ARGS)

.PHONY: bench-rest
bench-rest: setup-test build ## measure the data API beside pgbench; ARGS="--seconds 5 --only embed --peer URL"
	cargo build --release --locked -p tests --bin bench-rest
	BASALT_BIN=$(TARGET)/release/basalt $(TARGET)/release/bench-rest $(ARGS)

.PHONY: bench-schema
bench-schema: setup-test build ## measure how soon a change of a schema of 10,000 tables is seen; ARGS="500" for another number
	cargo build --release --locked -p tests --bin bench-schema
	BASALT_BIN=$(TARGET)/release/basalt $(TARGET)/release/bench-schema $(ARGS)

.PHONY: bench-soak
bench-soak: setup-test build ## watch the memory of the server under ten minutes of mixed load; ARGS="--seconds 60"
	cargo build --release --locked -p tests --bin bench-soak
	BASALT_BIN=$(TARGET)/release/basalt $(TARGET)/release/bench-soak $(ARGS)

.PHONY: bench-storage
bench-storage: setup-test build ## measure files: small and large, ranges, lists, signing; ARGS="--only list --peer URL --peer-key JWT"
	cargo build --release --locked -p tests --bin bench-storage
	BASALT_BIN=$(TARGET)/release/basalt $(TARGET)/release/bench-storage $(ARGS)

.PHONY: fuzz
fuzz: setup ## feed what the data API and sockets read with anything at all, ten minutes each; ARGS="60" for seconds
	cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	for crate in rest realtime; do cd $(CURDIR)/crates/$$crate/fuzz && for target in $$(cargo fuzz list); do \
	mkdir -p corpus/$$target; \
	RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target corpus/$$target seeds/$$target -- \
	-max_total_time=$(or $(ARGS),600) -rss_limit_mb=2048 -max_len=4096 -timeout=5; done; done

.PHONY: fmt
fmt: ## format the Rust code
	cargo fmt --all

.PHONY: fmt-check
fmt-check: ## check the format of the Rust code
	cargo fmt --all --check

.PHONY: lint
lint: ## run clippy; warnings are errors
	cargo clippy --profile $(PROFILE) --workspace --all-targets --locked -- --deny warnings

.PHONY: image
image: ## build the container image with docker
	docker build --tag basalt .

.PHONY: clean
clean: ## remove what was built
	cargo clean
	rm -rf $(JS)/node_modules

.PHONY: setup
setup:
	@.ci/setup.sh run

.PHONY: setup-test
setup-test:
	@.ci/setup.sh test
