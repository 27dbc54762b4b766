# Two commands do everything on a machine with Python ≥ 3.11: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOXIPROXY := github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0
COMPOSE := github.com/docker/compose/v2
COMPOSE_VERSION := v2.40.3
CODE := model scenarios mocks faults reports harness

unexport PYTHONDONTWRITEBYTECODE # tests start hundreds of processes: each would compile the project anew

.PHONY: run test lint format lock strangers toxiproxy compose-v2 wheel-test containers-test bench clean

run: $(READY)  ## rehearse the cutover morning, print the verdict and where the report is
	$(BIN)/thongsuot run cutover-morning

test: $(READY)  ## run every test
	$(BIN)/python -m pytest --numprocesses 5 --dist worksteal

lint: $(READY)  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

toxiproxy:  ## build a real toxiproxy-server into .tools (needs a Go toolchain)
	@command -v go >/dev/null || { echo "make toxiproxy: no Go toolchain (\`go\`) on PATH; without it the embedded server is used" >&2; exit 1; }
	mkdir -p .tools
	GOBIN=$(CURDIR)/.tools go install $(TOXIPROXY)
	mv .tools/server .tools/toxiproxy-server

compose-v2:  ## build Compose v2, the docker plugin, into .tools/docker, for DOCKER_CONFIG (needs a Go toolchain and about 8 minutes)
	@command -v go >/dev/null || { echo "make compose-v2: no Go toolchain (\`go\`) on PATH; without it docker-compose is used" >&2; exit 1; }
	mkdir -p .tools/compose .tools/docker/cli-plugins
	cd .tools/compose && rm -f go.mod go.sum && go mod init compose && go get $(COMPOSE)/cmd@$(COMPOSE_VERSION) && CGO_ENABLED=0 go build -trimpath \
		-ldflags "-s -w -X $(COMPOSE)/internal.Version=$(COMPOSE_VERSION)" -o ../docker/cli-plugins/docker-compose $(COMPOSE)/cmd

wheel-test: $(READY)  ## build the wheel, install it into an empty environment, run a short campaign from it elsewhere
	sh scripts/wheel_test.sh $(BIN)/python

containers-test: $(READY)  ## the stack in containers, on a Docker engine that is there (scripts/engine.sh makes one)
	THONGSUOT_COMPOSE=required $(BIN)/python -m pytest -m slow -k cutover_morning tests/harness/test_compose.py
	THONGSUOT_COMPOSE=required $(BIN)/python -m pytest -m slow -k "not cutover_morning" --numprocesses 2 tests/harness/test_compose.py

bench: $(READY)  ## measure beside Locust, k6, vegeta and wrk: benchmarks/results (about 8 minutes, two quiet cores)
	$(BIN)/python -m benchmarks

strangers: .strangers/.ready  ## httpbin under granian, in an environment of its own: somebody else's system, for tests

.strangers/.ready: requirements-strangers.lock
	$(PYTHON) -m venv --clear .strangers
	.strangers/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

lock: $(READY)  ## pin the dependencies again, with hashes
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header pyproject.toml --group pyproject.toml:dev --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --constraint requirements.lock --group pyproject.toml:image --output-file requirements-image.lock
	printf 'granian>=2.6\nhttpbin>=0.10.4\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate - --output-file requirements-strangers.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11; give another with make PYTHON=python3.11 …" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

clean:  ## remove the environment and caches; records stay
	rm -rf $(VENV) .strangers dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
