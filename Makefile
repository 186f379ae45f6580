# Each target does its own set-up. The commands are in scripts/, which CI calls through `make test` (.ci/run).
.DEFAULT_GOAL := help
.PHONY: help run demo cluster install test test-postgresql test-cluster test-tools lint coverage prove bench screenshots docker-check manual lock audit
.PHONY: clean docs sbom

RUN := .venv/.run
DEV := .venv/.dev
PEERS := .venv/peers
ARGS ?=
# What runs a gateway end to end, on PostgreSQL too: in CI a part of it, in `make prove` all of it. PostgreSQL 18 gets
# that part, and the contracts of the store and of its jobs, which CI holds Debian's PostgreSQL to.
ON_POSTGRESQL_SHORT := tests/api/test_main_flow.py tests/api/test_webhooks.py tests/api/test_keys.py tests/api/test_nodes.py
CONTRACTS := tests/contract/store tests/contract/jobs
ON_POSTGRESQL := tests/api tests/security tests/resilience/test_kill.py tests/resilience/test_webhook_kills.py
ON_CLUSTER := tests/api/test_keys.py tests/api/test_webhooks.py tests/api/test_uploads.py tests/api/test_sessions.py tests/api/test_one_time_links.py

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: $(RUN) ## the gateway on 127.0.0.1:8000, its data in ./data (ARGS="--port 9000 …")
	.venv/bin/streamzip serve --data ./data $(ARGS)

demo: $(RUN) ## the main job by itself, in under a minute: an origin, a gateway, a download, a failure
	.venv/bin/python examples/demo.py

cluster: $(DEV) ## several gateways on PostgreSQL and S3 behind nginx, one killed in mid-download (scripts/test-tools)
	.venv/bin/python examples/cluster.py

install: $(DEV) ## .venv with the gateway and its tests' packages

test: $(if $(filter true,$(CI)),test-tools) $(DEV) ## everything that proves it: style, types, layers, tests (ARGS="-k name")
	scripts/lint
	scripts/test -n 3 --dist worksteal $(ARGS)
	$(if $(filter true,$(CI)),scripts/test -n 2 --postgresql $(ON_POSTGRESQL_SHORT))

test-postgresql: $(DEV) ## the tests that run a gateway, on PostgreSQL (ARGS="tests/api -k name"; scripts/test-tools installs it)
	scripts/test -n 2 --postgresql $(or $(ARGS),$(ON_POSTGRESQL))

test-cluster: $(DEV) ## the same, each gateway two nodes on PostgreSQL and S3 (ARGS as above)
	scripts/test -n 2 --cluster --timeout 300 $(or $(ARGS),$(ON_CLUSTER))

test-tools: ## the programs tests call beyond PyPI, on Debian (needs root)
	scripts/test-tools

lint: $(DEV) ## style, types and layers alone
	scripts/lint

coverage: $(DEV) ## the tests with every line and branch counted, child processes too; fails under the floor
	rm -rf .coverage
	.venv/bin/python -m coverage run -m pytest -n 2 --timeout 300 $(ARGS)
	.venv/bin/python -m coverage combine --quiet
	.venv/bin/python -m coverage report

prove: $(DEV) ## the slow proofs: gigabytes, minutes (they need scripts/test-tools --slow, for a browser)
	scripts/test -m slow --timeout 1800 $(ARGS)
	$(if $(ARGS),,scripts/test -n 2 --postgresql $(ON_POSTGRESQL))
	$(if $(ARGS),,scripts/test -n 2 --postgresql-version 18 $(CONTRACTS))
	$(if $(ARGS),,scripts/test -n 2 --postgresql-version 18 --postgresql $(ON_POSTGRESQL_SHORT))
	$(if $(ARGS),,scripts/test -n 2 --cluster --timeout 300 $(ON_CLUSTER))

bench: $(DEV) $(if $(shell command -v npm),$(PEERS)) ## the speed claims beside nginx and others (QUICK=1; ARGS="small far")
	STREAMZIP_BENCH_NODE=$${STREAMZIP_BENCH_NODE-$(if $(shell command -v npm),$(CURDIR)/$(PEERS))} \
		.venv/bin/python -m benchmarks $(if $(QUICK),--quick) $(ARGS)

screenshots: $(DEV) ## the README's pictures anew, of the running pages (needs scripts/test-tools --slow)
	.venv/bin/python -m tests.support.screenshots docs/images

docs: $(DEV) ## docs/http-api.md's table of operations anew
	.venv/bin/python -m tests.support.operations_table

sbom: $(DEV) ## sbom.cdx.json: what a gateway is made of, by the lock (CycloneDX); the image has its own, as installed
	.venv/bin/cyclonedx-py requirements requirements/run.lock --pyproject pyproject.toml \
		--short-PURLs --output-reproducible --output-file sbom.cdx.json

docker-check: ## builds and runs the Dockerfile without Docker or a registry (Debian, root)
	scripts/docker-check

manual: $(DEV) ## the manual page anew, of the commands as they are
	.venv/bin/python -m streamzip.cli.manual > docs/streamzip.1

lock: ## the lock files anew from pyproject.toml (ARGS=--upgrade takes the newest)
	scripts/lock $(ARGS)

audit: ## known holes in the locked packages; it says where it had no data (status 3)
	scripts/audit

$(PEERS): $(DEV)
	-npm install --silent --no-audit --no-fund --prefix $@ archiver@7.0.1

clean: ## away with caches and .venv; ./data stays
	rm -rf .venv dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find streamzip tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): requirements/run.lock requirements/build.lock pyproject.toml
	scripts/install run

$(DEV): requirements/run.lock requirements/build.lock requirements/sbom.lock requirements/dev.lock pyproject.toml
	scripts/install dev
