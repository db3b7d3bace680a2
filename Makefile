# Lunette.  `make help` lists the targets.
BUILD   ?= build
CC      ?= gcc
PKGS     = lua5.4 libuv libcurl libmicrohttpd sqlite3 expat libzip libcrypto libedit
CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wmissing-prototypes -Wstrict-prototypes -Wformat=2
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE $(WARN) -fstack-protector-strong -fno-strict-aliasing -Iruntime -I. \
             $(shell pkg-config --cflags $(PKGS)) $(CFLAGS) $(SANITIZE) -MMD -MP
LIBS     = $(shell pkg-config --libs $(PKGS)) -llua5.4-cjson -lpthread -lm

SRC      = $(wildcard runtime/*/*.c modules/*.c)
CORE_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(filter-out runtime/cli/main.c,$(SRC)))
BIN      = $(BUILD)/lunette
UNIT     = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*_test.c))

all: $(BIN)                   ## builds build/lunette

$(BIN): $(CORE_OBJ) $(BUILD)/runtime/cli/main.o
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $^ $(LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

$(BUILD)/liblunette.a: $(CORE_OBJ)
	rm -f $@ && ar rcs $@ $^

# A unit test is one program linked with the core it tests.
$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(BUILD)/liblunette.a
	$(CC) $(CFLAGS) $(SANITIZE) -o $@ $< $(BUILD)/liblunette.a $(LIBS) -lcmocka

unit: $(UNIT)                 ## the C unit tests
	@for t in $(UNIT); do $$t || exit 1; done

clean:                        ## removes build/
	rm -rf $(BUILD)

help:                         ## lists the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /  \1	/p' $(MAKEFILE_LIST)

.PHONY: all unit clean help
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
