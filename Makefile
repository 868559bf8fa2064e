# Targets document themselves: `make` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := build/demo
PEERS  := build/peers
RUNS   := $(VENV)/.runs
STAMP  := $(VENV)/.installed
# The AWS CLI pins a botocore that is not the one boto3 wants: it lives in an environment of its own.
AWSCLI := build/awscli/bin/aws

.DEFAULT_GOAL := help
.PHONY: help install setup demo test lint types templates golden bench bench-emit bench-ingest bench-ingest-long late-delivery bench-lake bench-detection bench-organization default-pools bench-behaviour bench-validate bench-paint bench-report bench-scale bench-scaleout agreement test-spark test-browser screenshots fuzz mutate supply-chain notebooks docs wheel first-ten-minutes chaos clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

install: $(RUNS) ## Make .venv with the ctanalytics command in it, and no more

$(RUNS): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

setup: $(STAMP) ## Add what tests and lint need

# Compiled by two processes at once, not by pip's one; files that no Python can compile are some
# package's templates.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $(RUNS) $@

demo: install ## Ingest sample_logs, detect, report: leaves build/demo/report.html
	@$(BIN)/python pipelines/demo.py $(DEMO)

test: setup ## Run the tests
	$(BIN)/python -m pytest -n 3 --dist worksteal

lint: setup ## ruff, mypy, the import contract, cfn-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory --jobs 2 types templates

types: # half of the time of `make lint`
	$(BIN)/mypy

templates: # the other half
	$(BIN)/python -m tests.deploy.lint

golden: setup ## Rewrite the golden files; read the diff before you commit it
	CTANALYTICS_TEST_GOLDEN=write $(BIN)/python -m pytest -n 2 -k golden

bench: setup $(AWSCLI) ## Run every benchmark at its default size
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[benchmarks]'
	@for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# Peers that bring pandas along, which our users don't have and which slows our start.
$(PEERS)/.installed: constraints.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt chdb pyod
	@touch $@

bench-ingest: setup $(PEERS)/.installed ## Run the ingest benchmark alone: peers, shapes, steps, S3
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[benchmarks]'
	$(BIN)/python benchmarks/ingest.py

bench-ingest-long: setup $(PEERS)/.installed ## The same with 50,000 small files, and up to 10 M events (8 GB of disk)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[benchmarks]'
	$(BIN)/python benchmarks/ingest.py --long

$(AWSCLI):
	$(PYTHON) -m venv build/awscli
	build/awscli/bin/python -m pip install --quiet --disable-pip-version-check awscli==1.46.3

agreement: setup $(AWSCLI) ## Compare validate with `aws cloudtrail validate-logs`
	$(BIN)/python -m pytest tests/integrity/agreement.py

bench-lake: setup ## Run the benchmark of compaction: sizes, questions, memory, bytes written again
	$(BIN)/python benchmarks/lake_care.py

bench-validate: setup $(AWSCLI) ## Run the validate benchmark alone
	$(BIN)/python benchmarks/validate.py

bench-detection: setup ## Compare rate detectors on simulated calls with labelled incidents
	$(BIN)/python -m benchmarks.detection.rates

bench-organization: setup ## Pages and recall by budget on a simulated organization of 400 accounts, incidents merged
	$(BIN)/python -m benchmarks.detection.organization

default-pools: setup ## Remake the calibration pools that the package ships, from simulated organizations
	$(BIN)/python benchmarks/default_pools.py --write

bench-report: setup ## Report a day of 5 M events and 200 anomalies, in English and Japanese
	$(BIN)/python benchmarks/report.py

bench-emit: setup ## Send 10,000 alerts to a busy topic while the sender is killed twice
	$(BIN)/python benchmarks/emit.py

bench-behaviour: setup $(PEERS)/.installed ## Compare scores of principal-days on simulated events with labelled attacks
	$(BIN)/python -m benchmarks.detection.behaviour

bench-paint: setup demo ## Measure how soon a report and the pages of serve are seen in headless Chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	$(BIN)/python -m benchmarks.browser.first_paint

late-delivery: setup ## Follow a bucket for 3 simulated days of late, doubled, reordered files
	$(BIN)/python benchmarks/late_delivery.py

test-spark: setup ## Views on Spark, ingest and detect on a cluster that loses workers (Java 17)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[spark]'
	$(BIN)/python -m pytest tests/spark/views.py tests/spark/on_cluster.py tests/spark/detect_on_cluster.py

fuzz: setup ## Fuzz every parser for six minutes each (an hour and more in all)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz.campaign

mutate: setup ## Mutate decode, ledger, digests, thresholds; the tests must notice (ARGS="NAME*")
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutation]'
	rm -rf build/mutation && mkdir -p build/mutation
	cp -r ctanalytics tests sample_logs pyproject.toml LICENSE build/mutation
	cd build/mutation && { ../../$(BIN)/mutmut run $(ARGS); ../../$(BIN)/python -m tests.mutation; }

bench-scale: setup ## What a driver holds for 10 M objects, 5,000 dates, 1 M series (5 GB of disk)
	$(BIN)/python benchmarks/scale_metadata.py --objects 10000000

bench-scaleout: setup ## Ingest on one and two Spark workers beside the local executor (Java 17)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[spark]'
	$(BIN)/python benchmarks/scaleout.py

test-browser: setup ## Reports and the pages of serve in headless Chromium (apt-get install chromium)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	$(BIN)/python -m pytest tests/browser/pages.py

screenshots: setup demo ## Draw the pictures of docs/images anew, from sample_logs, in headless Chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	$(BIN)/python -m docs.screenshots

supply-chain: setup ## A bill of materials in build/sbom.json; known weaknesses of what is pinned
	sh tests/supply_chain.sh $(BIN)/python

chaos: setup ## Kill, starve and cross commands for 15 minutes (ARGS="--seed 7 --minutes 5 --only kill")
	$(BIN)/python -m tests.chaos $(ARGS)

notebooks: setup ## Run the notebooks from top to bottom
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[notebooks]'
	$(BIN)/jupyter execute notebooks/*.ipynb

docs: setup ## Rewrite the generated pages of docs/, and build the site into build/site/
	$(BIN)/python docs/build.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

wheel: setup ## Build the wheel and try it in an empty environment
	sh tests/wheel.sh $(BIN)/python

first-ten-minutes: ## README and quick start in a fresh clone, without a network once it is set up; timed
	sh tests/first_ten_minutes.sh

clean: ## Remove what the targets made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
