# Lunette.  `make help` lists the targets; `make demo` and `make test` need nothing but a clone.
BUILD   ?= build
CC      ?= gcc
PREFIX  ?= /usr/local
PKGS     = lua5.4 libuv libcurl libmicrohttpd gnutls sqlite3 expat libzip libcrypto libedit libseccomp zlib
CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2
HARDEN   = -fstack-protector-strong -fno-strict-aliasing -fPIE
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE $(WARN) $(HARDEN) -Iruntime -I. $(shell pkg-config --cflags $(PKGS)) $(CFLAGS) $(SANITIZE) -MMD -MP
LIBS     = $(shell pkg-config --libs $(PKGS)) -l:liblua5.4-cjson.a -lpthread -lm

SRC      = $(wildcard runtime/*/*.c modules/*.c)
CORE     = $(patsubst %.c,$(BUILD)/%.o,$(filter-out runtime/cli/main.c,$(SRC)))
BIN      = $(BUILD)/lunette
UNIT     = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*_test.c))
BENCHES  = $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))

# What a target makes first is made on all cores, unless whoever called says how many.
JOBS     = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
QUIETLY  = --no-print-directory -s $(JOBS)

all: $(BIN)                   ## builds build/lunette

$(BIN): $(BUILD)/runtime/cli/main.o $(CORE)
	$(CC) $(CFLAGS) $(SANITIZE) -pie -Wl,-z,relro,-z,now -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

# The console's files are put into the program.
$(BUILD)/runtime/server/api_console.o: $(wildcard runtime/server/console/*)

$(BUILD)/liblunette.a: $(CORE)
	@rm -f $@
	ar rcs $@ $^

# A unit test, and a measurement, is one program linked with the core.  Those of the engine share a rig, in which the
# process can die at any of the writer's jobs.
ENGINE_UNIT = $(filter $(BUILD)/tests/engine_%,$(UNIT))
$(ENGINE_UNIT): $(BUILD)/tests/unit/engine_rig.o
$(ENGINE_UNIT): TEST_LIBS = -Wl,--wrap=ln_writer_submit,--wrap=ln_writer_submit_unwaited,--wrap=ln_writer_run
$(BUILD)/tests/secret_test: TEST_LIBS = -Wl,--wrap=ln_buf_more
$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(BUILD)/liblunette.a
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS) -lcmocka $(TEST_LIBS)
# The simulation sees every job of the writer, and puts its breakages in the way of the product.
SIM_WRAP = ln_writer_submit ln_writer_submit_unwaited ln_writer_run ln_batch_commit ln_tx_log ln_tx_run_create ln_tx_run_change ln_tx_run_check ln_tx_run_own \
           ln_tx_approval_add ln_tx_approval_vote ln_tx_approval_set ln_tx_content_put ln_tx_hold_begin ln_tx_hold_set \
           ln_tx_hold_alone ln_store_hold_alone ln_tx_hold_so ln_run_flush_with ln_write_sent ln_write_probed ln_write_decided ln_config_pace ln_journal_delivery \
           ln_act_audit ln_tx_alert_add ln_tx_alert_run_put ln_tx_alert_decided ln_tx_key_run
$(BUILD)/tests/simulate_test: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/sim/*.c)) $(BUILD)/liblunette.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS) $(SIM_WRAP:%=-Wl,--wrap=%)
# The crashes share the simulation's checker, and its breakages: those of what one process does.
MUTANT_WRAP = ln_tx_log ln_tx_run_check ln_tx_run_own ln_tx_hold_begin ln_tx_hold_set ln_tx_hold_alone ln_store_hold_alone ln_tx_hold_so ln_run_flush_with ln_write_sent ln_write_probed ln_write_decided \
              ln_config_pace ln_journal_delivery ln_act_audit ln_tx_alert_decided ln_tx_key_run
$(BUILD)/tests/mutant_lunette: $(patsubst %,$(BUILD)/%.o,runtime/cli/main tests/crash/mutant/lives tests/sim/mutants tests/sim/common) $(BUILD)/liblunette.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -pie -o $@ $^ $(LIBS) $(MUTANT_WRAP:%=-Wl,--wrap=%)
$(BUILD)/tests/crash_test: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/crash/*.c) tests/sim/check.c tests/sim/common.c) $(BUILD)/liblunette.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS)
# The fault matrix, and the rules that are broken on purpose to see that it finds them.
FAULT_WRAP = ln_write_sent ln_write_probed ln_tx_log ln_tx_hold_begin ln_tx_hold_set
$(BUILD)/tests/faults_test: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/faults/*.c)) $(BUILD)/liblunette.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS) $(FAULT_WRAP:%=-Wl,--wrap=%)
$(BUILD)/bench/empty_bench: BENCH_LIBS = -Wl,--no-as-needed
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/liblunette.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(BENCH_LIBS) $(LIBS)

deps:                         ## installs what is missing, and says what
	@tests/deps build test

demo:                         ## two genuine alerts through all stages, against simulators
	@tests/deps build
	@$(MAKE) $(QUIETLY) $(BIN)
	@tests/demo $(BIN)

test:                         ## every test
	@tests/deps build test
	@$(MAKE) $(QUIETLY) tested
	@tests/run $(BUILD)

sanitize:                     ## the tests under ASan and UBSan
	@tests/deps build test
	@$(MAKE) $(QUIETLY) BUILD=$(BUILD)/sanitize CFLAGS="-O1 -g" SANITIZE="-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined" tested
	@tests/run $(BUILD)/sanitize
# The fuzz targets' seeds are replayed where the sanitizers look on.
REPLAYS = $(patsubst tests/fuzz/%_fuzz.c,$(BUILD)/tests/fuzz_%_test,$(wildcard tests/fuzz/*_fuzz.c))
$(BUILD)/tests/fuzz_%_test: $(BUILD)/tests/fuzz/%_fuzz.o $(BUILD)/tests/fuzz/replay.o $(BUILD)/liblunette.a
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS) -lcmocka
tested: $(if $(SANITIZE),$(REPLAYS))
tested: $(BIN) $(UNIT) $(BENCHES) $(BUILD)/tests/simulate_test $(BUILD)/tests/crash_test $(BUILD)/tests/mutant_lunette $(BUILD)/tests/faults_test

console-test:                 ## the console in a real browser, which it installs
	@tests/deps build test browser
	@$(MAKE) $(QUIETLY) $(BIN)
	@tests/run $(BUILD) console

SEEDS   ?= 10000
simulate:                     ## SEEDS=N histories with crashes, power cuts and vendors that misbehave
	@tests/deps build test
	@$(MAKE) $(QUIETLY) $(BUILD)/tests/simulate_test
	@$(BUILD)/tests/simulate_test --seeds $(SEEDS)

faults:                       ## every effect of every playbook that ships, hit in turn by every fault
	@tests/deps build test
	@$(MAKE) $(QUIETLY) $(BUILD)/tests/faults_test
	@$(BUILD)/tests/faults_test --all

# The fuzz targets are made by clang, whose libFuzzer they are linked with.
FUZZ     = $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_SECONDS ?= 60
fuzz:                         ## FUZZ_SECONDS of libFuzzer, under ASan and UBSan, for each that strangers can talk to
	@tests/deps build test fuzz
	@$(MAKE) $(QUIETLY) BUILD=$(BUILD)/fuzz CC=clang CFLAGS="-O1 -g" SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" fuzzers
	@tests/fuzz/run $(BUILD)/fuzz $(FUZZ_SECONDS)
fuzzers: $(FUZZ)
$(BUILD)/%_fuzz: $(BUILD)/tests/fuzz/%_fuzz.o $(BUILD)/liblunette.a
	$(CC) $(CFLAGS) $(SANITIZE) -fsanitize=fuzzer -o $@ $^ $(LIBS) -lcmocka

PARKED  ?= 1000000
bench:                        ## what things cost, beside limits measured in the same run; writes build/bench.json
	@tests/deps build test
	@$(MAKE) $(QUIETLY) $(BIN) $(BENCHES)
	@tests/bench/run $(BUILD) $(PARKED)

bench-peers:                  ## the same work on Restate and on DBOS, from npm, side by side; writes build/peers.json
	@tests/deps build test
	@$(MAKE) $(QUIETLY) $(BIN) $(BENCHES)
	@tests/bench/peers/run $(BUILD)

ALERTS  ?= 50000
alerts:                       ## ALERTS=N alerts posted by wrk, autocannon and curl, with kill -9 in between: none lost, none twice
	@tests/deps build test alerts
	@$(MAKE) $(QUIETLY) $(BIN) $(BENCHES)
	@LUNETTE=$(abspath $(BIN)) tests/crash/alerts/run $(BUILD) $(ALERTS)

lint:                         ## dependency directions, clang-tidy, cppcheck, luacheck
	@tests/deps build test lint
	@tests/lint

reference:                    ## writes docs/reference and stdlib/meta from annotations and declarations
	lua5.4 docs/generate/record.lua
	lua5.4 docs/reference.lua

man:                          ## the manual's pages, from docs/; in build/man
	@tests/deps build package
	@$(MAKE) $(QUIETLY) $(BIN)
	@lua5.4 packaging/man.lua $(BIN) $(BUILD)/man

SHARE    = $(DESTDIR)$(PREFIX)/share
install: man                  ## PREFIX= DESTDIR=: program, scripts, manual, completion, unit
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/lunette
	cd stdlib && find . -name '*.lua' -exec install -D -m 644 '{}' '$(abspath $(SHARE))/lunette/stdlib/{}' ';'
	cd scripts && find . -name '*.lua' ! -name '*_test.lua' -exec install -D -m 644 '{}' '$(abspath $(SHARE))/lunette/scripts/{}' ';'
	install -d $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/doc/lunette $(DESTDIR)$(PREFIX)/lib/systemd/system
	install -m 644 $(BUILD)/man/*.1 $(SHARE)/man/man1
	install -m 644 $(BUILD)/man/*.5 $(SHARE)/man/man5
	install -m 644 LICENSE README.md docs/*.md $(SHARE)/doc/lunette
	install -D -m 644 packaging/lunette.bash $(SHARE)/bash-completion/completions/lunette
	install -D -m 644 packaging/lunette.zsh $(SHARE)/zsh/site-functions/_lunette
	install -D -m 644 packaging/lunette.fish $(SHARE)/fish/vendor_completions.d/lunette.fish
	sed 's|@PREFIX@|$(PREFIX)|' packaging/lunette.conf.lua >$(SHARE)/doc/lunette/lunette.conf.lua
	sed 's|@PREFIX@|$(PREFIX)|' packaging/lunette.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/lunette.service

deb:                          ## a Debian package, in build/
	@tests/deps build package
	@$(MAKE) $(QUIETLY) $(BIN)
	@packaging/deb $(BUILD)

clean:                        ## removes build/
	rm -rf $(BUILD)

help:                         ## lists the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | column -t -s '|' 2>/dev/null || sed -n 's/^\([a-z][a-z-]*\):.*## /  \1  /p' Makefile

.PHONY: all deps demo test console-test simulate faults fuzz fuzzers sanitize tested bench bench-peers alerts lint reference man install deb clean help
.SECONDARY:
-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)
