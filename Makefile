# `make help` lists what there is. Each target installs what it needs (scripts/setup) and may be run
# on a fresh clone.

PROFILE ?= dev
ARGS ?=
SERVERS_ARGS ?=
SYNC_US ?= 2000
PIN_THREADS ?= on
CARGO ?= cargo
PYTEST_ARGS ?=
FAULT_ROUNDS ?= 200
TEST_SECONDS_MAX ?= 1200
IMAGE ?= gamemesh:latest
RELEASE ?= gamemesh
NAMESPACE ?= gamemesh
HELM_ARGS ?=
FAULT_TESTS ?= crash fault several outbox model linearizable overload defects rolling

TARGET_DIR = $${CARGO_TARGET_DIR:-target}
# A test binary that hangs fails after its time, not after that of the whole run.
CARGO_TEST = $(CARGO) test --locked --workspace --config \
	"target.'cfg(all())'.runner = ['timeout', '--foreground', '--kill-after=10', '$(TEST_SECONDS_MAX)']"
# What is measured is what is shipped.
SHIPPED = $(TARGET_DIR)/laid-out/gamemesh
# The load generator, which starts the gamemesh that GAMEMESH_BIN names.
BENCH = $(TARGET_DIR)/release/gamemesh-bench

.DEFAULT_GOAL := help
.PHONY: help run run-full build build-bench laid-out test unit-test client-test shipped-test integration-test bench perf-test perf-combat perf-stats perf-memory perf-servers perf-slow-disk load-test \
	fault-test services-test helm-test format format-check lint lint-contracts lint-scripts lint-rust quality dependencies ci deploy docker-build docker-run docker-push docker-compose-up clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## build and serve everything on 127.0.0.1:8080 with an embedded store (PROFILE=release, ARGS=...)
	@scripts/setup build
	$(CARGO) run --locked --profile $(PROFILE) -p gamemesh -- serve $(ARGS)

run-full: ## the same with real PostgreSQL, Redis and Kafka (see scripts/services)
	@scripts/setup build services
	@urls=$$(scripts/services up postgres redis kafka) && eval "$$urls" && \
		$(CARGO) run --locked --profile $(PROFILE) -p gamemesh -- serve $(ARGS)

build: ## a release build: target/release/gamemesh
	@scripts/setup build
	$(CARGO) build --locked --release -p gamemesh --features jemalloc

build-bench: build ## the load generator beside it: target/release/gamemesh-bench
	$(CARGO) build --locked --release -p gamemesh-bench --features jemalloc

laid-out: build-bench ## the shipped binary, that build laid out by what it executes: target/laid-out/gamemesh
	@scripts/setup layout
	scripts/layout $(TARGET_DIR)/release/gamemesh $(SHIPPED) $(BENCH)

test: ## everything that must pass before a merge, except clippy
	@scripts/setup build test helm postgres redis kafka
	$(MAKE) --no-print-directory format-check lint-contracts lint-scripts helm-test unit-test client-test

unit-test: ## the tests in Rust
	@scripts/setup build
	# Binaries and tests in one build: built apart, they would choose different features and
	# compile the same crates twice.
	$(CARGO) build --locked --workspace --bins --tests
	$(CARGO_TEST)

client-test: ## real clients against the real server (PYTEST_ARGS=-k watch)
	@scripts/setup build test helm postgres redis kafka
	$(CARGO) build --locked --workspace --bins --tests
	GAMEMESH_BIN=$${GAMEMESH_BIN:-$(TARGET_DIR)/debug/gamemesh} .venv/bin/pytest tests/clients $(PYTEST_ARGS)

shipped-test: laid-out ## the same against the shipped binary
	GAMEMESH_BIN=$(SHIPPED) $(MAKE) --no-print-directory client-test

integration-test: ## only the tests that run whole servers
	@scripts/setup build test postgres redis kafka
	$(CARGO) build --locked --workspace --bins --tests
	$(CARGO_TEST) --test '*'
	$(MAKE) --no-print-directory client-test

bench: build-bench ## a quick look at throughput and latency, each against a baseline in the same run
	$(BENCH) state --pairs 1 --duration 2s $(ARGS)

perf-test: laid-out ## the figures of docs/benchmarks.md
	GAMEMESH_BIN=$(SHIPPED) PIN_THREADS=$(PIN_THREADS) $(BENCH) state $(ARGS)
	$(MAKE) --no-print-directory perf-combat perf-stats perf-memory perf-servers ARGS=

perf-combat: laid-out ## the part of it on combat: connections, damage, positions, requests, processor (ARGS='--only damage')
	GAMEMESH_BIN=$(SHIPPED) PIN_THREADS=$(PIN_THREADS) $(BENCH) combat $(ARGS)

perf-stats: laid-out ## the part of it on stats: events, reads, both together, memory, ranks; beside Redis, which it starts and ends
	@scripts/setup services
	@urls=$$(scripts/services up redis) && eval "$$urls" && trap 'scripts/services down' EXIT && \
		GAMEMESH_BIN=$(SHIPPED) PIN_THREADS=$(PIN_THREADS) $(BENCH) stats $(ARGS)

perf-memory: laid-out ## the part of it on memory: mixed load, histories, recall beside pgvector, which it starts and ends
	@scripts/setup services
	@urls=$$(scripts/services up pgvector) && eval "$$urls" && trap 'scripts/services down' EXIT && \
		GAMEMESH_BIN=$(SHIPPED) PIN_THREADS=$(PIN_THREADS) $(BENCH) memory $(ARGS)

perf-servers: laid-out ## the part of it on real PostgreSQL, Redis and Kafka; it starts them and ends them
	@scripts/setup services
	@urls=$$(scripts/services up postgres redis kafka) && eval "$$urls" && trap 'scripts/services down' EXIT && \
		GAMEMESH_BIN=$(SHIPPED) PIN_THREADS=$(PIN_THREADS) $(BENCH) servers $(SERVERS_ARGS)

perf-slow-disk: laid-out ## durable writes on a disk that takes SYNC_US=2000 microseconds longer for each sync
	$(CARGO) build --locked --release --manifest-path bench/slow-sync/Cargo.toml --target-dir bench/slow-sync/target
	SLOW_SYNC_US=$(SYNC_US) LD_PRELOAD=$(CURDIR)/bench/slow-sync/target/release/libslow_sync.so \
		GAMEMESH_BIN=$(SHIPPED) $(BENCH) state --only updates,batch,stream,latency $(ARGS)

load-test: laid-out ## a minute of sustained load each of single, batched and streamed writes
	GAMEMESH_BIN=$(SHIPPED) $(BENCH) state --pairs 1 --duration 60s --only updates,batch,stream,latency $(ARGS)

fault-test: ## crashes, faults, histories and seeded defects at length (FAULT_ROUNDS=200)
	@scripts/setup build postgres redis kafka
	GAMEMESH_FAULT_ROUNDS=$(FAULT_ROUNDS) $(CARGO) test --locked --workspace -- $(FAULT_TESTS)

services-test: ## that scripts/services starts, breaks and ends real servers as it says
	@scripts/setup test services
	.venv/bin/pytest tests/services $(PYTEST_ARGS)

helm-test: ## the chart: lint, golden renderings, schemas of Kubernetes and Istio (UPDATE_GOLDEN=1 accepts)
	@scripts/setup helm
	.venv/bin/pytest tests/helm $(PYTEST_ARGS)

format: ## rewrite the sources in the project's format
	$(CARGO) fmt --all
	@scripts/setup test
	.venv/bin/ruff format --quiet --config tests/ruff.toml tests helm
	.venv/bin/buf format --write --path proto/gamemesh

format-check:
	$(CARGO) fmt --all --check
	.venv/bin/ruff format --check --quiet --config tests/ruff.toml tests helm
	.venv/bin/buf format --diff --exit-code --path proto/gamemesh

lint: lint-contracts lint-scripts lint-rust ## contracts and sources, warnings are errors

lint-contracts:
	@scripts/setup test
	.venv/bin/buf lint
	@tag=$$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null) || \
		{ echo 'no release yet: nothing that the contracts could break'; exit 0; }; \
		echo "buf breaking --against $$tag"; .venv/bin/buf breaking --against ".git#tag=$$tag"

lint-scripts:
	@scripts/setup test
	.venv/bin/shellcheck --external-sources scripts/setup scripts/services scripts/layout .ci/run
	.venv/bin/ruff check --quiet --config tests/ruff.toml helm
	.venv/bin/ruff check --quiet tests

lint-rust:
	@scripts/setup build
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

quality: format-check lint dependencies test ## all checks

dependencies: ## licences, sources and advisories of what we build on, and its bill of materials (needs the network)
	@scripts/setup dependencies
	.tools/bin/cargo-deny deny --all-features check
	.tools/bin/cargo-audit audit
	.tools/bin/cargo-cyclonedx cyclonedx --manifest-path services/gamemesh/Cargo.toml --format json --override-filename gamemesh.cdx
	@mkdir -p $(TARGET_DIR)/sbom && mv services/gamemesh/gamemesh.cdx.json $(TARGET_DIR)/sbom/ && find . -name gamemesh.cdx.json -not -path './target/*' -delete

ci: ## what continuous integration runs
	bash .ci/run

deploy: ## install or upgrade the chart in the cluster of kubectl (HELM_ARGS='--values mine.yaml')
	@scripts/setup helm
	.tools/helm upgrade --install $(RELEASE) helm/gamemesh --namespace $(NAMESPACE) --create-namespace $(HELM_ARGS)

docker-build: ## the container image, IMAGE=gamemesh:latest
	docker build -t $(IMAGE) .

docker-run: ## run the image on 127.0.0.1:8080 with an embedded store in the volume gamemesh-data (JWT_SECRET=...)
	docker run --rm -p 127.0.0.1:8080:8080 -v gamemesh-data:/data -e JWT_SECRET $(IMAGE)

docker-push: ## push the image: IMAGE=registry.example/gamemesh:1.2.3
	docker push $(IMAGE)

docker-compose-up: ## gamemesh with PostgreSQL, Redis and Kafka in containers
	docker compose up --build

clean: ## remove what builds and tests leave behind; running test servers are ended
	scripts/services down
	rm -rf .venv .tools
	$(CARGO) clean
