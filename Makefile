# The checks themselves live in .ci/run and the test command in README.md; this file gives them short names.

FUZZTIME ?= 30s
SOAK ?= 5m

.DEFAULT_GOAL := help
.PHONY: help test test-short lint fmt generate fuzz soak example bench bench-tree adopt-1m fleet-1k conformance mutants cover \
	ci tools clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

test: ## Run all tests with the race detector: the test command of README.md
	@.ci/run test

test-short: ## Run all tests once without the race detector
	go test -short ./...

lint: ## Run the linter, which is built first where it is missing
	@.ci/run lint

fmt: ## Format every Go file
	@.ci/run fmt

generate: ## Run all code generators: ent's, of the tests, the example and the benchmarks
	go generate ./...
	cd bench && go generate ./...

fuzz: ## Run each fuzz target for FUZZTIME (30s)
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file name; do \
		name=$${name#func }; dir=$$(dirname "$$file"); \
		echo "==> $$name in $$dir for $(FUZZTIME)"; \
		go test -C "$$dir" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) . </dev/null || exit 1; \
	done

soak: ## Run the storms of 48 goroutines with the race detector, each for SOAK (5m)
	STRATUM_SOAK=$(SOAK) go test -race -timeout 0 -count 1 -run '^TestStorm$$' ./gormstratum

example: ## Run the example of README.md
	@.ci/run example

bench: ## Compare with doing it by hand and with the usual techniques, about 8 minutes (see bench/README.md)
	@cd bench && go run . && go run ./places && go run ./config && go run ./fields

bench-tree: ## Measure the tree with a million tenants, about 3 minutes
	@cd bench && go run ./tree

adopt-1m: ## Adopt an application of ten tables with a million rows while it is written to, about 10 minutes
	go test ./gormstratum -run '^TestAdoptWhileWriting$$' -v -count 1 -timeout 60m -adopt.rows 100000

fleet-1k: ## Make and migrate 1,000 schemas of ten tables, beside bare statements, about 10 minutes
	go test ./core -run '^TestFleetCampaign$$' -v -count 1 -timeout 60m -fleet.schemas 1000
	go test ./internal/fleet -run '^TestCampaign$$' -v -count 1 -timeout 60m -fleet.schemas 1000

conformance: ## Take every path of both adapters in every mix of isolations, by every way to the server, about 5 minutes
	go test ./gormstratum ./entstratum -run '^TestConformanceOfMixes$$' -count 1 -timeout 60m -conformance.whole

mutants: ## Remove each refusal of the guard and the plugin, and see the tests named for it fail
	@go run ./internal/mutants/cmd

cover: ## Run all tests and show how much of the code they reach, by function
	go test -coverpkg ./... -coverprofile cover.out ./...
	go tool cover -func cover.out

ci: ## Run every check, as the project's CI does; installs what is missing
	.ci/run

tools: ## Install what tests and linter need: PostgreSQL, PgBouncer, a C compiler, golangci-lint
	.ci/run tools

clean: ## Remove what tests, profiles and coverage leave in the tree
	find . -name .git -prune -o -type f \( -name '*.test' -o -name '*.out' -o -name '*.prof' \) -print -exec rm -f {} +
