VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# For a build without Git's folder, which else says it by itself.
COMMIT ?=
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
GOLANGCI_LINT := v2.15.0
GOVULNCHECK := v1.8.0
CYCLONEDX := v1.10.0
# The Go that releases are built with, and whose standard library is held
# against the known vulnerabilities; the go command gets it by itself.
RELEASE_GO := go1.26.11
NODE := cmd/countersign/e2e/node
FUZZTIME ?= 2m
BENCHTIME ?= 3s
# A server to measure beside: oidc-provider, or a JSON file that describes one.
PEER ?=
BENCH = .ci/with-postgres --durable go run ./cmd/countersign/bench -benchtime $(BENCHTIME) -out bench-results
# SQLite is C translated into Go, one connection to a goroutine: watching each
# of its memory accesses takes most of the time and finds nothing of ours.
RACE := -race -gcflags=modernc.org/...=-race=false

# Tests of the whole program wait for it and for browsers much of the time, so that
# half as many again run at once as there are processors.
AT_ONCE = $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n + (n + 1) / 2)))

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run the server with its defaults: SQLite in ./countersign-data, http://localhost:8080.
	go run ./cmd/countersign serve

.PHONY: build
build: ## Build the static binary ./countersign.
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o countersign ./cmd/countersign

.PHONY: test
test: ## Test everything: vet, -race, SQLite and PostgreSQL, Chromium, npm's openid-client.
	.ci/need go gcc postgresql chromium node curl openssl
	npm ci --prefix $(NODE) --no-audit --no-fund --loglevel=error
	go vet $(RACE) ./...
	failed=0; \
	GOGC=400 COUNTERSIGN_TEST_RACE=1 .ci/with-postgres go test -vet=off -timeout 60m -parallel $(AT_ONCE) ./cmd/countersign/e2e/... || failed=1; \
	GOGC=400 .ci/with-postgres go test $(RACE) -vet=off -timeout 60m $$(go list ./... | grep -v /e2e) || failed=1; \
	exit $$failed

.PHONY: quick
quick: ## Test all but the whole program, on SQLite and PostgreSQL, without -race.
	.ci/need go postgresql
	.ci/with-postgres go test $$(go list ./... | grep -v /e2e)

.PHONY: interop
interop: ## Test the whole program with Debian's clients of both protocols, nginx and Caddy.
	.ci/need go postgresql chromium apache oidc-agent authlib rdflib
	.ci/need requests-oauthlib ruby-oauth net-oauth-perl php-oauth nginx caddy curl
	go vet -tags interop ./cmd/countersign/e2e
	.ci/with-postgres go test -tags interop -count 1 -timeout 20m -run '^TestInterop' ./cmd/countersign/e2e

LAB ?= quick
LABFLAGS_quick :=
LABFLAGS_full := -for 20m -sqlite-kills 1000

.PHONY: faultlab
faultlab: ## Do harm to a running server and look whether it keeps its promises: 5 minutes, LAB=full 30 minutes.
	.ci/need go postgresql
	go run ./cmd/countersign/faultlab $(LABFLAGS_$(LAB)) $(LABFLAGS)

.PHONY: lint
lint: bin/golangci-lint-$(GOLANGCI_LINT) bin/govulncheck-$(GOVULNCHECK) ## Check the house rules, the floor plan, gosec's, known vulnerabilities and licences.
	bin/golangci-lint-$(GOLANGCI_LINT) run
	GOTOOLCHAIN=$(RELEASE_GO) .ci/vulnerabilities bin/govulncheck-$(GOVULNCHECK)
	.ci/licences >/dev/null

.PHONY: release
release: bin/cyclonedx-gomod-$(CYCLONEDX) bin/govulncheck-$(GOVULNCHECK) ## Build the binaries of PLATFORMS with checksums and bills of materials into ./release.
	GOTOOLCHAIN=$(RELEASE_GO) .ci/vulnerabilities bin/govulncheck-$(GOVULNCHECK)
	GOTOOLCHAIN=$(RELEASE_GO) .ci/release "$(VERSION)" bin/cyclonedx-gomod-$(CYCLONEDX)

.PHONY: format
format: bin/golangci-lint-$(GOLANGCI_LINT) ## Format the Go files.
	bin/golangci-lint-$(GOLANGCI_LINT) fmt

bin/golangci-lint-$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	mv bin/golangci-lint $@

bin/govulncheck-$(GOVULNCHECK):
	GOBIN=$(CURDIR)/bin go install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK)
	mv bin/govulncheck $@

bin/cyclonedx-gomod-$(CYCLONEDX):
	GOBIN=$(CURDIR)/bin go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX)
	mv bin/cyclonedx-gomod $@

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (2m) each.
	.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Measure the steps and the whole program, on SQLite and a durable PostgreSQL, beside a floor: see docs/performance.md.
	.ci/need go postgresql $(if $(filter oidc-provider,$(PEER)),node)
	mkdir -p bench-results
	.ci/with-postgres --durable go test -p 1 -run '^$$' -bench . -benchmem -benchtime 200ms ./... >bench-results/steps.txt || { cat bench-results/steps.txt; exit 1; }
	cat bench-results/steps.txt
	$(BENCH) -peer '$(PEER)'

.PHONY: growth
growth: ## Measure an empty database beside one with 10 million live grants.
	.ci/need go postgresql
	# PostgreSQL writes a page whole into its log the first time after a
	# checkpoint: a run is measured once most of an index was touched.
	$(BENCH)/growth -parts growth -warm 60s -c 16

.PHONY: purge
purge: ## Measure what it costs to delete a million expired rows while serving.
	.ci/need go postgresql
	$(BENCH)/purge -parts purge

.PHONY: screenshots
screenshots: ## Take the pictures in docs/images again.
	.ci/need go chromium node
	npm ci --prefix $(NODE) --no-audit --no-fund --loglevel=error
	COUNTERSIGN_SCREENSHOTS=$(CURDIR)/docs/images go test -count 1 -run 'Accessibility$$' ./cmd/countersign/e2e

.PHONY: clean
clean: ## Remove what was built.
	rm -rf countersign bin release bench-results $(NODE)/node_modules
