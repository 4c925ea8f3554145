# ngx_content.  `make help` says what there is; the work is done in scripts/.

SHELL := /bin/sh

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test test-kill bench bench-instructions soak unit unit-programs module lib install-deps check \
        check-trixie clean model check-consistency fuzz fuzz-programs hostile


help:
	@echo 'make run [STORE=file|s3] [PORT=8080] [NODES=3]  build, start nginx with Redis, show how to try it'
	@echo 'make test [SANITIZE=1] [FILES=FILE] [ARGS="-k put"]  all tests, or some'
	@echo 'make test-kill [ROUNDS=20]              a worker is killed amid uploads, again and again'
	@echo 'make bench [QUICK=1] [ONLY=hot,l1]     beside its peers, into docs/benchmarks.md (15 minutes)'
	@echo 'make bench-instructions [ONLY=l1]      instructions of a request, by callgrind (a minute)'
	@echo 'make soak [MINUTES=5] [SANITIZE=1]     mixed load: nothing may grow'
	@echo 'make unit [SANITIZE=1]                 only the unit tests'
	@echo 'make fuzz [SECONDS=60] [ONLY=key]      what src/lib reads of others, by libFuzzer (15 minutes)'
	@echo 'make hostile [SECONDS=60] [ARGS="--seed 7"]  S3 and Redis that answer nonsense, with the sanitizers'
	@echo 'make module [FLAVOUR=release]          build/FLAVOUR/ngx_content_module.so (release, debug, asan)'
	@echo 'make lib [SANITIZE=1]                  src/lib alone, without nginx'
	@echo 'make check-consistency [BROKEN=all]     is a read older than a write, while all breaks (10 minutes)'
	@echo 'make model [ONLY="JOIN cdn"]           the model of coherence, whole, and without each rule'
	@echo 'make check                             shellcheck; each file compiles by itself'
	@echo 'make check-trixie                      the steps of the Dockerfile, in a chroot of Debian 13 (root)'
	@echo 'make install-deps                      Debian packages (run and test install theirs)'
	@echo 'make clean                             remove build/ (make run keeps its data in var/)'


# --- what people use -------------------------------------------------------

STORE    ?= file
PORT     ?= 8080
NODES    ?= 1
FLAVOUR  ?= release
SANITIZE ?=
FILES    ?=
JOBS     ?= 3
ARGS     ?=

export STORE PORT NODES FILES JOBS ARGS SANITIZE

# It must hear INT even if make was started in the background, and end when
# make is killed.
run:
	@exec setpriv --pdeathsig TERM env --default-signal=INT scripts/run.sh

test:
	@exec scripts/test.sh

# kill -9 of a worker in the middle of 50 uploads, 20 times over (2 minutes).
test-kill:
	@exec env KILL_ROUNDS="$(or $(ROUNDS),20)" FILES=tests/http/test_kill.py \
		ARGS="-s $(ARGS)" JOBS=0 scripts/test.sh

# The settings are told in tests/bench/bench.py.
bench:
	@scripts/install-packages.sh build run s3 bench
	@scripts/build-module.sh release
	@exec env $(foreach v,ROUNDS SECONDS_EACH ONLY QUICK UPLOADS UPLOAD_MIB KEYS RECORDS BACKING_CORE,$(if $($(v)),$(v)="$($(v))")) \
		/usr/bin/python3 scripts/reap.py /usr/bin/python3 tests/bench/bench.py

bench-instructions:
	@scripts/install-packages.sh build run bench
	@scripts/build-module.sh release
	@exec env $(foreach v,ROUNDS ONLY PROFILES,$(if $($(v)),$(v)="$($(v))")) \
		/usr/bin/python3 scripts/reap.py /usr/bin/python3 tests/bench/instructions.py

soak:
	@scripts/install-packages.sh build run test
	@set -e; flavour=debug; [ "$(SANITIZE)" != 1 ] || flavour=asan; \
	scripts/build-module.sh $$flavour; \
	[ "$(SANITIZE)" != 1 ] || CONTENT_PRELOAD=$$(scripts/preload.sh); \
	export CONTENT_PRELOAD CONTENT_MODULE=$(CURDIR)/build/$$flavour/ngx_content_module.so; \
	exec env $(if $(MINUTES),MINUTES="$(MINUTES)") \
		/usr/bin/python3 scripts/reap.py /usr/bin/python3 tests/soak/soak.py

# BROKEN=all, or rules of src/lib/content_rules.h: builds without them.
check-consistency:
	@scripts/install-packages.sh build run s3 test
	@scripts/build-module.sh debug
	@exec /usr/bin/python3 scripts/reap.py /usr/bin/python3 tests/check/consistency.py \
		$(if $(BROKEN),--broken $(BROKEN)) $(ARGS)

# The bounds and the variants are in tests/model/run.py.
model:
	@scripts/install-packages.sh model
	@exec /usr/bin/python3 scripts/reap.py /usr/bin/python3 tests/model/run.py $(ONLY)

# Seconds for each target of tests/fuzz; 0: until it is stopped.
fuzz:
	@scripts/install-packages.sh fuzz
	@$(MAKE) --no-print-directory -s $(if $(findstring -j,$(MAKEFLAGS)),,-j$$(nproc)) \
		FUZZ=1 fuzz-programs
	@exec scripts/fuzz.sh "$(or $(SECONDS),60)" $(ONLY)

# Seeds for so long; the other settings are in tests/hostile/README.md.
hostile:
	@scripts/install-packages.sh build run s3 test
	@scripts/build-module.sh asan
	@export CONTENT_PRELOAD=$$(scripts/preload.sh) \
		CONTENT_MODULE=$(CURDIR)/build/asan/ngx_content_module.so; \
	exec /usr/bin/python3 scripts/reap.py /usr/bin/python3 tests/hostile/hostile.py \
		--seconds "$(or $(SECONDS),60)" $(ARGS)

module:
	@scripts/build-module.sh $(FLAVOUR)

install-deps:
	@scripts/install-packages.sh build run s3 unit test

# Only the sanitizers' build compiles each file by itself.
check:
	@scripts/install-packages.sh build check
	shellcheck scripts/*.sh .ci/run
	@scripts/build-module.sh asan

check-trixie:
	@scripts/check-trixie.sh

clean:
	rm -rf build


# --- src/lib and its unit tests --------------------------------------------
#
# src/lib is compiled without nginx's headers on purpose: what includes one of
# them does not belong there.

UNIT := build/unit
CC   := cc

WARN      := -Wall -Wextra -Werror
LIB_FLAGS := -std=c11 -O2 -g $(WARN) -Isrc
LDLIBS    := -lcmocka -lcrypto -ljansson -lexpat

ifeq ($(SANITIZE),1)
UNIT      := build/unit-asan
LIB_FLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined \
             -fno-omit-frame-pointer
endif

ifeq ($(FUZZ),1)
UNIT      := build/fuzz
CC        := clang
LIB_FLAGS += -fsanitize=fuzzer-no-link,address,undefined \
             -fno-sanitize-recover=undefined -Wno-string-plus-int
endif

TEST_FLAGS := $(LIB_FLAGS) -D_GNU_SOURCE -Itests/unit -Itests/fuzz

LIB      := $(UNIT)/libcontent.a
LIB_OBJS := $(patsubst src/lib/%.c,$(UNIT)/lib/%.o,$(wildcard src/lib/*.c))
TESTS    := $(patsubst tests/unit/%.c,$(UNIT)/%,$(wildcard tests/unit/test_*.c))
FUZZED   := $(patsubst tests/fuzz/%.c,$(UNIT)/%,$(wildcard tests/fuzz/fuzz_*.c))

lib: $(LIB)

unit-programs: $(TESTS) $(FUZZED)

fuzz-programs: $(FUZZED)

unit:
	@scripts/install-packages.sh unit
	@$(MAKE) --no-print-directory -s $(if $(findstring -j,$(MAKEFLAGS)),,-j$$(nproc)) \
		unit-programs
	@scripts/unit.sh $(TESTS) $(FUZZED)

$(LIB): $(LIB_OBJS)
	rm -f $@
	ar rcs $@ $^

$(UNIT)/lib/%.o: src/lib/%.c Makefile | $(UNIT)/lib
	$(CC) $(LIB_FLAGS) -MMD -MP -c -o $@ $<

$(UNIT)/%: tests/unit/%.c $(LIB) Makefile
	$(CC) $(TEST_FLAGS) -MMD -MP -MF $@.d -o $@ $< $(LIB) $(LDLIBS)

# With libFuzzer, or as a unit test.
FUZZ_MAIN := $(if $(filter 1,$(FUZZ)),tests/fuzz/libfuzzer.c -fsanitize=fuzzer,tests/fuzz/replay.c)

$(UNIT)/fuzz_%: tests/fuzz/fuzz_%.c $(wildcard tests/fuzz/*.[ch]) $(LIB) Makefile
	$(CC) $(TEST_FLAGS) -MMD -MP -MF $@.d -o $@ $< tests/fuzz/fuzz.c tests/fuzz/vary.c \
		$(FUZZ_MAIN) $(LIB) $(LDLIBS)

$(UNIT)/lib:
	mkdir -p $@

-include $(wildcard $(UNIT)/lib/*.d $(UNIT)/*.d)
