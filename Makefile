# Headroom's build. `make help` lists what it offers; `make V=1` shows the commands.
# Sources are found by folder: a new file in src/MODULE, controller, hack/ec2sim or tests/unit needs no edit here.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
# The default goal.
all:

# --- how it is compiled -------------------------------------------------------------------------
# A variant has a folder of its own, so that they never mix: obj (the product), clang (the same by
# clang), asan (address and undefined-behaviour sanitizers), fuzz (these and libFuzzer, by clang),
# cov (counts what runs, by gcc).
ifeq ($(origin CC),default)
CC := gcc
endif
VARIANT ?= $(if $(findstring clang,$(CC)),clang,obj)
BIN := $(if $(filter obj,$(VARIANT)),build,build/$(VARIANT))
OBJ := $(BIN)/obj

PACKAGES := libcurl openssl yaml-0.1 json-c libwebsockets zlib
QUIET_GOALS := where deps clean help fmt tidy
ifneq ($(filter-out $(QUIET_GOALS),$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists $(PACKAGES) cunit && echo yes),yes)
$(error Libraries are missing ($(PACKAGES) cunit). Install them with: make deps)
endif
PACKAGE_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PACKAGES)))
PACKAGE_LIBS := $(shell pkg-config --libs $(PACKAGES))
CUNIT_LIBS := $(shell pkg-config --libs cunit)
endif

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wvla -Werror
CPPFLAGS += -D_GNU_SOURCE= -Iinclude $(PACKAGE_CFLAGS)
ifeq ($(VARIANT),asan)
HARDEN := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LINK := -fsanitize=address,undefined
else ifeq ($(VARIANT),fuzz)
HARDEN := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
    -fno-sanitize-recover=all
LINK := -fsanitize=fuzzer,address,undefined
else ifeq ($(VARIANT),cov)
HARDEN := -O0 --coverage
LINK := --coverage
else
HARDEN := -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
LINK := -pie -Wl,-z,relro,-z,now
endif
CFLAGS += -std=gnu17 -g -fPIE $(HARDEN) $(WARNINGS)
LDFLAGS += $(LINK) -Wl,--as-needed
LDLIBS += $(PACKAGE_LIBS) -lm -lpthread

# Two compilers at a time unless -j says otherwise.
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

# What is said of a file that is compiled: on a terminal one line that moves, else one line in all, since a log of
# hundreds helps nobody. SAY=lines: a line each.
ifeq ($(origin SAY),undefined)
SAY := $(if $(shell [ -t 2 ] && echo yes),moving,once)
endif
ifeq ($(V),1)
say = @:
say_cc = @:
Q :=
else
Q := @
say = @printf '$(if $(filter moving,$(SAY)),\r\033[K)%-5s %s\n'
ifeq ($(SAY),lines)
say_cc = $(say) CC $<
else ifeq ($(SAY),moving)
say_cc = @printf '\r\033[K%-5s %s' CC $<
else
say_cc = @mkdir $(OBJ)/said 2>/dev/null && echo 'CC    what has changed (from nothing: a minute or two)' || :
endif
endif

# --- what is compiled ---------------------------------------------------------------------------
# MODULES="base wire" builds the library from these only: to work on one while another is broken.
MODULES ?= $(filter-out cli,$(notdir $(patsubst %/,%,$(wildcard src/*/))))
LIB_SRC := $(foreach module,$(MODULES),$(wildcard src/$(module)/*.c src/$(module)/*/*.c))
ifeq ($(origin MODULES),file)
LIB := $(BIN)/libheadroom.a
else
empty :=
LIB := $(OBJ)/lib-$(subst $(empty) $(empty),-,$(MODULES)).a
endif

# A program exists from the moment that its folder has a main().
has_main = $(if $(1),$(shell grep -lE '^int main\b' $(1)))
CONTROLLER_SRC := $(wildcard controller/*.c)
CLI_SRC := $(wildcard src/cli/*.c)
EC2SIM_SRC := $(wildcard hack/ec2sim/*.c)
PROGRAMS := \
    $(if $(call has_main,$(CONTROLLER_SRC)),$(BIN)/headroom-controller) \
    $(if $(call has_main,$(CLI_SRC)),$(BIN)/headroom) \
    $(if $(call has_main,$(EC2SIM_SRC)),$(BIN)/ec2sim)

# ONLY=plan links the tests of tests/unit/plan*_test.c alone.
UNIT_SRC := tests/unit/main.c $(sort $(wildcard tests/unit/$(ONLY)*_test.c))
UNIT := $(BIN)/tests/unit$(addprefix -,$(ONLY))
# tests/scenario and tests/sim: programs with the unit tests' main, unless they bring their own.
SUITE_NAMES := $(foreach suite,scenario sim,$(if $(wildcard tests/$(suite)/*.c),$(suite)))
suite_src = $(wildcard tests/$(1)/*.c) \
    $(if $(call has_main,$(wildcard tests/$(1)/*.c)),,tests/unit/main.c)
SUITES := $(addprefix $(BIN)/tests/,$(SUITE_NAMES))

FUZZERS := $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
REPLAYS := $(addprefix $(BIN)/tests/replay-,$(FUZZERS))

FUZZ_PROGRAMS := $(addprefix build/fuzz/tests/fuzz-,$(FUZZERS))

objects = $(patsubst src/%,%,$(patsubst hack/%,%,$(1:.c=.o)))
obj = $(addprefix $(OBJ)/,$(objects))

ALL_SRC := $(sort $(LIB_SRC) $(CONTROLLER_SRC) $(CLI_SRC) $(EC2SIM_SRC) $(UNIT_SRC) \
    $(foreach suite,$(SUITE_NAMES),$(wildcard tests/$(suite)/*.c)) $(wildcard tests/fuzz/*.c))
ALL_OBJ := $(call obj,$(ALL_SRC))

.PHONY: all deps check test unit e2e demo sim traces fmt tidy fuzz install clean help objects FORCE

all: $(PROGRAMS) ## build the controller, the headroom command and ec2sim

$(BIN)/headroom-controller: $(call obj,$(CONTROLLER_SRC)) $(LIB)
$(BIN)/headroom: $(call obj,$(CLI_SRC)) $(LIB)
$(BIN)/ec2sim: $(call obj,$(EC2SIM_SRC)) $(LIB)
$(UNIT): $(call obj,$(UNIT_SRC)) $(LIB)
$(UNIT) $(SUITES): LDLIBS += $(CUNIT_LIBS)
$(foreach suite,$(SUITE_NAMES),$(eval $(BIN)/tests/$(suite): $(call obj,$(call suite_src,$(suite))) $(LIB)))
$(foreach name,$(FUZZERS),$(eval \
    $(BIN)/tests/replay-$(name): $(call obj,tests/fuzz/$(name)_fuzz.c tests/fuzz/replay.c) $(LIB)))
ifeq ($(VARIANT),fuzz)
$(foreach name,$(FUZZERS),$(eval \
    build/fuzz/tests/fuzz-$(name): $(call obj,tests/fuzz/$(name)_fuzz.c) $(LIB)))
endif

$(sort $(PROGRAMS) $(UNIT) $(SUITES) $(REPLAYS) $(if $(filter fuzz,$(VARIANT)),$(FUZZ_PROGRAMS))):
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@.$$$$ $(filter %.o,$^) $(LIB) $(LDLIBS) && mv $@.$$$$ $@

$(LIB): $(call obj,$(LIB_SRC))
	$(say) AR $@
	@mkdir -p $(@D)
	$(Q)$(AR) rcsD $@.$$$$ $^ && mv $@.$$$$ $@

# Written beside and moved, here and above: a second make at the same time never meets half a file.
define compile
	@mkdir -p $(@D)
	$(say_cc)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@.$$$$ $< && mv $@.$$$$ $@
endef
$(OBJ)/%.o: src/%.c $(OBJ)/flags
	$(compile)
$(OBJ)/controller/%.o: controller/%.c $(OBJ)/flags
	$(compile)
$(OBJ)/ec2sim/%.o: hack/ec2sim/%.c $(OBJ)/flags
	$(compile)
$(OBJ)/tests/%.o: tests/%.c $(OBJ)/flags
	$(compile)

# Tests may look at a module's private headers, as "plan/rows.h".
$(OBJ)/tests/%.o: CPPFLAGS += -Isrc

# One file knows the version, so that a commit compiles one file anew.
VERSION := $(or $(shell git describe --always --dirty 2>/dev/null),0.1.0)
$(OBJ)/base/version.o: CPPFLAGS += -DHEADROOM_VERSION='"$(VERSION)"'
$(OBJ)/base/version.o: $(OBJ)/version

# The live page is taken in by the assembler, which tells make nothing.
$(OBJ)/web/page.o: src/web/page.html

# Files that change only with their content.
$(OBJ)/flags: FORCE
	@mkdir -p $(@D) && rm -rf $(OBJ)/said
	@new='$(CC) $(CPPFLAGS) $(CFLAGS)'; [ "$$(cat $@ 2>/dev/null)" = "$$new" ] || echo "$$new" >$@
$(OBJ)/version: FORCE
	@mkdir -p $(@D)
	@[ "$$(cat $@ 2>/dev/null)" = '$(VERSION)' ] || echo '$(VERSION)' >$@

# Folders of hack/ may bring goals of their own.
-include $(wildcard hack/*/*.mk)
-include $(ALL_OBJ:.o=.d)

# --- what people type ---------------------------------------------------------------------------
deps: ## install what the build and the tests need, if it is missing
	@hack/deps

objects: $(ALL_OBJ)

unit: $(UNIT) ## run the unit tests; SUITE=name runs one suite, ONLY=name links one module's tests
	@$(UNIT) $(SUITE)

# The tests' programs, without running them; and where all programs are.
.PHONY: test-programs where
where:
	@echo $(BIN)
test-programs: $(PROGRAMS) $(UNIT) $(SUITES) $(REPLAYS)

check: ## format, tidy, warnings of gcc and clang, unit tests under sanitizers: before each commit
	@hack/check

test: ## build and run every test
	@hack/test

e2e: all ## run the end-to-end tests alone; FILE=tests/e2e/x.bats runs one file
	@hack/test e2e $(FILE)

demo: all ## see it work, from nothing, in two minutes; KEEP=1 leaves it running
	@KEEP=$(KEEP) hack/demo

# Random clusters with random faults in virtual time; a failing seed prints the command that replays it.
SIM := $(BIN)/tests/sim
sim: $(SIM) ## SEEDS=10000 [FIRST=1] [SECONDS=3600]: so many simulated clusters with faults, or for so long
	@$(SIM) --seeds $(or $(SEEDS),$(if $(SECONDS),1000000000,1000)) --first $(or $(FIRST),1) $(if $(SECONDS),--seconds $(SECONDS))

# The planner by its own tests alone; how asserts and switches count: hack/coverage.
.PHONY: coverage
coverage: ## run the planner's tests and say which lines and branches of src/plan they reach
	@unset MAKEFLAGS MFLAGS && $(MAKE) --no-print-directory CC=gcc VARIANT=cov MODULES="base model plan" ONLY=plan build/cov/tests/unit-plan
	@hack/coverage build/cov/obj/plan src/plan build/cov/tests/unit-plan

traces: $(BIN)/tests/scenario ## renew tests/scenario/*.trace: what the planner does in known scenarios
	@$< --renew

fmt: ## lay out the C files as .clang-format says; IN=src/plan only those below a folder
	@git ls-files -co --exclude-standard -- $(or $(IN),.) | grep '\.[ch]$$' | xargs -r clang-format -i

tidy: ## check the rules that no compiler checks
	@hack/tidy

fuzz: ## NAME=json SECONDS=60: look for inputs that break a decoder
	@hack/fuzz "$(NAME)" "$(or $(SECONDS),60)"

PREFIX ?= /usr/local
install: all ## install to $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/headroom
	install -m 755 $(BIN)/headroom-controller $(BIN)/headroom $(DESTDIR)$(PREFIX)/bin
	ln -sf headroom $(DESTDIR)$(PREFIX)/bin/kubectl-headroom
	ln -sf headroom $(DESTDIR)$(PREFIX)/bin/kubectl_complete-headroom
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(BIN)/headroom man >$(DESTDIR)$(PREFIX)/share/man/man1/headroom.1
	ln -sf headroom.1 $(DESTDIR)$(PREFIX)/share/man/man1/kubectl-headroom.1
	$(BIN)/headroom completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/headroom
	$(BIN)/headroom completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_headroom
	$(BIN)/headroom completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/headroom.fish
	cp -R crds manifests $(DESTDIR)$(PREFIX)/share/headroom

clean: ## remove build/
	rm -rf build

help: ## print this list
	@sed -nE 's/^([a-z0-9]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
