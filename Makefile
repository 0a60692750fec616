# Foilbank's commands. `make demo` and `make test` do all of their own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The CPU binaries are inside onnxruntime-node's package; its install step would fetch CUDA files.
export ONNXRUNTIME_NODE_INSTALL ?= skip
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

INSTALLED := node_modules/.package-lock.json

-include training/rules.mk

.PHONY: help
help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | awk -F '\t' '{printf "  %-20s %s\n", $$1, $$2}'

.PHONY: demo
demo: models ## build a bank of 2,000 virtual faces and align real photos against it (under 3 minutes on two cores)
	@node dist/src/cli/main.js demo --out out/demo

.PHONY: test
test: models ## every check and test; ends with the count
	@bash scripts/test.sh

.PHONY: test-node24
test-node24: models ## the suite on Node 24
	@npm exec --yes --package=node@24 -- bash -c 'node --version && node node_modules/vitest/vitest.mjs run'

.PHONY: lint
lint: $(INSTALLED) ## format, lint, types, direction of the rooms, unused code, the contract
	@biome check . && tsc --noEmit && tsc -p web && depcruise --config .dependency-cruiser.cjs src workers bench web && knip && $(MAKE) --no-print-directory contract

.PHONY: contract
contract: $(INSTALLED) ## the .proto files: style, and nothing that breaks clients of the last release
	@npm run --silent contract

.PHONY: proto
proto: $(INSTALLED) ## write src/gen, docs/api.md and docs/openapi.json anew from the .proto files
	@npm run --silent proto

.PHONY: build
build: $(INSTALLED) ## compile to dist/
	@npm run --silent build

.PHONY: models
models: build ## prepare the default networks' weights (about ten seconds, once)
	@node dist/src/cli/main.js models prepare

.PHONY: bench
bench: models ## every benchmark, as ratios to a baseline in the same run
	@npm run --silent bench

.PHONY: evaluate
evaluate: models ## accuracy on identities never used for calibration: raw, a real cohort, virtual faces; needs ../shared/lfw-dev
	@test -e out/evaluate/banks/worn/CURRENT || node dist/src/cli/main.js --store out/evaluate/banks bank build worn --size 20000
	@test -e out/evaluate/banks/faces/CURRENT || node dist/src/cli/main.js --store out/evaluate/banks bank build faces --generator foilgan-64 --size 20000
	@npm run --silent bench -- evaluate

.PHONY: docs
docs: $(INSTALLED) ## write the generated pages of docs/ anew
	@vitest run test/unit/docs.test.ts --update

.PHONY: clean
clean: ## remove what was built, installed and prepared
	rm -rf node_modules dist out models/cache

$(INSTALLED): package.json package-lock.json
	@bash scripts/check-machine.sh
	npm ci --no-audit --no-fund
	@touch $@
