# Pilot Light. `make run`, `make demo` and `make test` are all the set-up there is: each installs what it lacks.

PROFILE ?= release
CARGO   ?= cargo
target   = target/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
display  = $(if $(DISPLAY)$(WAYLAND_DISPLAY),yes,$(if $(filter Darwin,$(shell uname -s)),yes))
ui_files = $(shell find ui/src icons -type f) ui/index.html ui/vite.config.ts ui/package.json

.PHONY: help run demo build build-cli test test-rust test-ui test-desktop test-openclaw test-runtimes test-conformance test-clients bench bench-gateway lint icons clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build, then start the tray application (without a display: `pilotlight serve`)
ifeq ($(display),yes)
	@scripts/setup desktop
	@$(MAKE) --no-print-directory build
	$(target)/pilotlight-desktop
else
	@echo "No display was found (neither DISPLAY nor WAYLAND_DISPLAY is set): starting the engine without a desktop."
	@scripts/setup engine
	@$(MAKE) --no-print-directory build-cli
	$(target)/pilotlight serve
endif

demo: ## The same with simulated servers in place of LM Studio and a hosted provider: no GPU, no key
ifeq ($(display),yes)
	@scripts/setup desktop
	@$(MAKE) --no-print-directory build
else
	@scripts/setup engine
	@$(MAKE) --no-print-directory build-cli
endif
	$(target)/pilotlight demo

build: ui/dist/index.html ## Both programs
	$(CARGO) build --profile $(PROFILE) -p pilotlight-cli -p pilotlight-desktop

build-cli: ui/dist/index.html ## `pilotlight` alone: no Tauri, no WebKit
	$(CARGO) build --profile $(PROFILE) -p pilotlight-cli

test: ## The whole suite, as CI runs it
	@scripts/setup test
	@$(MAKE) --no-print-directory lint test-rust test-ui test-desktop

test-runtimes: ## The keeper over real runtimes: llama-server, LiteLLM, and vLLM, Ollama or LM Studio where they are
	@scripts/test-runtimes

lint: ui/dist/index.html
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	cd ui && npm run --silent check

test-rust: ui/dist/index.html ## Every crate, the shell and the rules of the house
	$(CARGO) test --workspace

test-ui: ui/dist/index.html ## The window, in jsdom and in Chromium
	cd ui && npm test --silent && npm run --silent test:e2e

test-desktop: ui/dist/index.html ## The real tray, window and notifications under Xvfb
	$(CARGO) build -p pilotlight-cli -p pilotlight-desktop -p pilotlight-simulator
	REQUIRE_DESKTOP=1 scripts/desktop-tests

test-openclaw: ## OpenClaw itself, in both versions, on the files that we write (installs them from npm)
	PILOTLIGHT_TEST_OPENCLAW=1 $(CARGO) test -p pilotlight-config --test openclaw -- --nocapture

# One line a crate, each of which prints its own figures. Another crate's benchmarks go on a line of their own here.
bench: ## Times of what has to be quick, beside what it is built on
	$(CARGO) bench -p json5-edit --bench megabyte
	$(CARGO) bench -p pilotlight-config --bench megabyte
	@$(MAKE) --no-print-directory bench-gateway


# PEERS=1 also measures LiteLLM and the Portkey gateway, and installs them outside the repository first.
bench-gateway: ui/dist/index.html ## What the proxy adds to a request, beside a bare one and nginx
	$(CARGO) build --release -p pilotlight-cli -p pilotlight-bench
	target/release/pilotlight-bench $$(scripts/bench-peers $(PEERS)) $(BENCH)

test-conformance: ui/dist/index.html ## llmprobe's assertions, with each upstream API behind (installs it from npm)
	$(CARGO) build -p pilotlight-cli -p pilotlight-simulator
	scripts/test-conformance

test-clients: ui/dist/index.html ## Real clients, unmodified, with each upstream API behind (installs them from npm and PyPI)
	$(CARGO) build -p pilotlight-cli -p pilotlight-simulator
	scripts/test-clients

ui/node_modules/.package-lock.json: ui/package-lock.json
	cd ui && npm ci --no-fund --no-audit
	@touch $@

ui/dist/index.html: ui/node_modules/.package-lock.json $(ui_files)
	cd ui && npm run --silent build
	@touch $@

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf ui/dist ui/node_modules ui/test-results
