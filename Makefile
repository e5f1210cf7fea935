# Tributary. `make` prints what there is to do.
TOOL = go tool -modfile=tools/go.mod
GOSTYLE ?=
export CGO_ENABLED = 0

.PHONY: help
help: ## print this help
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## start a living network with everything embedded
	go run ./cmd/tributary demo

.PHONY: build
build: ## build the binary into bin/
	go build -trimpath -ldflags='-s -w' -o bin/tributary ./cmd/tributary

.PHONY: test
test: ## run every test on the real engines
	go test ./...

.PHONY: test-race
test-race: ## the same under the race detector, or only RACE (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 20m -p 4 $(or $(RACE),./...)

# Who speaks to Kafka: the same tests hold for the original.
KAFKA_TESTS = ./test/kafkanode/apache ./internal/stream ./internal/position ./tracker/relay ./tracker/loader ./commission/engine ./cmd/tributary

.PHONY: test-kafka
test-kafka: ## run these tests, and 5 minutes of faults, on one Apache Kafka node behind TLS and SCRAM (needs java and mvn)
	go run ./test/kafkanode go test -count=1 -p 1 -timeout 20m $(KAFKA_TESTS)
	go run ./test/chaos run --for 5m --kafka apache

# The last input may be cut off by the end of the time, which go test calls a failure without an input: it is none.
.PHONY: fuzz
fuzz: ## run every fuzz target, or those of FUZZ, for FUZZTIME (20s), FUZZJOBS (2) at a time
	@go list -f '{{$$p := .}}{{range .TestGoFiles}}{{$$p.Dir}}/{{.}} {{$$p.ImportPath}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$$p.Dir}}/{{.}} {{$$p.ImportPath}}{{"\n"}}{{end}}' $(or $(FUZZ),./...) | \
	while read -r file package; do sed -n "s|^func \(Fuzz[A-Za-z0-9]*\)(.*|$$package \1|p" $$file; done | \
	xargs -P $(or $(FUZZJOBS),2) -n 2 sh -c 'out=$$(go test -vet=off $$0 -run "^$$" -fuzz "^$$1\$$" -fuzztime $(or $(FUZZTIME),20s) -fuzzminimizetime 10x -parallel 1 2>&1) || \
	case "$$out" in *"Failing input"*) false;; *"context deadline exceeded"*) ;; *) false;; esac || { echo "$$out"; echo "FAIL $$0 $$1"; exit 255; }; \
	echo "ok $$0 $$1 $$(echo "$$out" | sed -n "s/.*\(execs: [0-9]*\).*/\1/p" | tail -1)"'

# Each run tries other cases; the same seed tries the same.
.PHONY: properties
properties: ## try the properties of decisions, periods and books on CHECKS (100000) cases each, from SEED
	@seed=$(or $(SEED),$$(date +%s)); echo "SEED=$$seed"; go test ./commission/whatif -count=1 -timeout 3h -v -rapid.nofailfile -rapid.checks=$(or $(CHECKS),100000) \
	-rapid.seed=$$seed -run 'TestFactsInAnyOrder|TestBooksBalance|TestRefundingEverything|TestSharesSum'

.PHONY: simulation
simulation: ## simulate the engine on SEEDS (20000) seeds, from SEED (1) on
	TRIBUTARY_SEED=$(or $(SEED),1) TRIBUTARY_SEEDS=$(or $(SEEDS),20000) go test ./commission/engine -count=1 -timeout 3h -v -run '^TestSimulation$$'

.PHONY: mutation
mutation: ## hold that tests notice each change of test/mutation to how money is reckoned
	go run ./test/mutation

.PHONY: e2e
e2e: ## drive the demo in Chromium (Debian's chromium, playwright-core from npm)
	./test/e2e/run

.PHONY: bench
bench: ## measure everything beside what it is held against; BENCH='-quick -only redirect' for less
	go run ./test/bench $(BENCH)

.PHONY: lint
lint: ## run golangci-lint with every linter that has no written reason against it
	$(TOOL) golangci-lint run ./...

.PHONY: vuln
vuln: ## compare the program with Go's list of vulnerabilities, by what it calls, or by SCAN=package
	@list=$$(go mod download -json golang.org/x/vulndb@latest | sed -n 's/^.*"Dir": "\(.*\)",$$/\1/p') && \
	go build -modfile=tools/go.mod -o bin/tools/ golang.org/x/vuln/cmd/govulncheck && \
	echo "vulnerabilities as of $${list##*@}" && bin/tools/govulncheck -db "file://$$list/data/osv" -scan $(or $(SCAN),symbol) ./cmd/tributary

.PHONY: sbom
sbom: build ## list the modules in the binary, with hashes and licences, as CycloneDX: bin/tributary.cdx.json
	@go build -modfile=tools/go.mod -o bin/tools/ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
	bin/tools/cyclonedx-gomod bin -json -licenses -output bin/tributary.cdx.json bin/tributary

.PHONY: generate
generate: ## regenerate the generated code: protobuf, messages, templ and the tag
	go build -modfile=tools/go.mod -o bin/tools/ google.golang.org/protobuf/cmd/protoc-gen-go github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto
	PATH="$(CURDIR)/bin/tools:$$PATH" $(TOOL) buf generate
	go generate ./internal/text ./tracker/tag
	$(TOOL) templ generate -path dashboard

.PHONY: style
style: ## print the style figures, where GOSTYLE names a tool that measures them
	@command -v "$(GOSTYLE)" >/dev/null || { echo 'set GOSTYLE to the tool'; exit 1; }
	$(GOSTYLE) .

.PHONY: fault
fault: ## keep the whole pipeline under fire for FOR (10m), SEED and PLAN (mixed) as you like, and prove that nothing is lost
	go run ./test/chaos run --for $(or $(FOR),10m) --plan $(or $(PLAN),mixed) $(if $(SEED),--seed $(SEED)) $(if $(RATE),--rate $(RATE)) $(if $(SUMMARIES),--summaries $(SUMMARIES))

.PHONY: fault-long
fault-long: ## the same for FOR (3h)
	@$(MAKE) -s fault FOR=$(or $(FOR),3h)

.PHONY: fault-short
fault-short: ## the same for two minutes at a gentle rate, as CI runs it
	@$(MAKE) -s fault FOR=2m RATE=100

.PHONY: fault-outage
fault-outage: ## take Kafka, ClickHouse and PostgreSQL away for a fifth of FOR (25m) each, at RATE (2000)
	go run ./test/chaos run --plan outage --failpoints=false --for $(or $(FOR),25m) --rate $(or $(RATE),2000) --rest 15m

.PHONY: fault-disk
fault-disk: ## fill the volumes of the spool and of each server (needs root)
	go run ./test/chaos run --plan disk --failpoints=false --for $(or $(FOR),8m) --rate $(or $(RATE),300)

.PHONY: fault-fsync
fault-fsync: ## have the disk refuse what the tracker writes, by strace (needs root)
	go run ./test/chaos run --plan fsync --failpoints=false --for $(or $(FOR),3m) --rate $(or $(RATE),200)

.PHONY: fault-slow
fault-slow: ## have the tracker's disk take 50 to 500 ms for each fdatasync, by strace (needs root)
	go run ./test/chaos run --plan slow --failpoints=false --for $(or $(FOR),2m) --rate $(or $(RATE),200)

.PHONY: fault-overload
fault-overload: ## raise the load to ten times RATE (1000)
	go run ./test/chaos run --plan overload --failpoints=false --for $(or $(FOR),220s) --rate $(or $(RATE),1000) --rest 15m

.PHONY: drill
drill: ## back up, lose and restore PostgreSQL and ClickHouse under load
	go run ./test/chaos run --plan drill --failpoints=false --for $(or $(FOR),1m) --rate $(or $(RATE),200)
