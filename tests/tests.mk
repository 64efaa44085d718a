# SPDX-License-Identifier: Apache-2.0
#
# Unit tests: each tests/unit/<room>/test_*.c is a program of its own (Check), always built in the san variant.
# Command tests: each tests/cmd/*.sh runs over build/<variant>/bin. tests/run runs both kinds and prints the last line.
# Fuzz targets: each tests/fuzz/fuzz_*.c has one LLVMFuzzerTestOneInput, for libFuzzer and AFL++ alike.

UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT := $(UNIT_SRC:tests/unit/%.c=build/san/tests/unit/%)
CMD_TESTS := $(wildcard tests/cmd/*.sh)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ := $(FUZZ_SRC:tests/fuzz/%.c=build/fuzz/bin/%)
JOBS ?= $(shell nproc)

ifeq ($(VARIANT),san)
build/san/tests/unit/%: tests/unit/%.c tests/unit/unit.h $(foreach r,$(ROOMS),$(LIB_$(r)))
	@mkdir -p $(@D)
	@echo "  TEST    $@"
	$(Q)$(CC_ALL) $(call pc,cflags,check $(ALL_PKGS) $(ALL_OPENS)) -MMD -MP $< $(LINK_san) -Wl,--start-group \
		$(filter %.a %.o,$^) -Wl,--end-group $(call pc,libs,check $(ALL_PKGS)) $(UNIT_LIBS) -o $@

# Programs that tests start beside eifgen, and objects that several tests share.
build/san/tests/tools/%.o: ROOM_PKGS := libssl libcrypto
build/san/tests/unit/epoch/test_git: UNIT_LIBS = $(call pc,libs,libgit2)
build/san/tests/unit/pcr/test_attest: build/san/tests/tools/attest_pki.o
TEST_TOOLS := build/san/tests/tools/mock_cage
build/san/tests/tools/mock_cage: build/san/tests/tools/mock_cage.o build/san/tests/tools/attest_pki.o \
		$(LIB_pcr) $(LIB_base)
	@echo "  LINK    $@"
	$(Q)$(LD_ALL) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call pc,libs,libssl libcrypto) -o $@
.PHONY: unit
unit: $(UNIT) $(TEST_TOOLS)
else
.PHONY: unit
unit:
	$(Q)$(MAKE) --no-print-directory SAN=1 unit
endif

.PHONY: check check-run check-quick check-long
# What a fresh machine runs: set-up, build, all tests. The runner's closing line comes last. With SAN=1 the command tests
# run the san variant; what is said of the released objects (hardening, arrows, same bytes) still looks at those.
check:
	$(Q)tests/setup all
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) SAN= TSAN= all
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) SAN=1 unit all
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) fuzz-build
	$(Q)$(MAKE) --no-print-directory check-run
check-run:
	$(Q)tests/run --variant $(VARIANT) $(TESTS)
# Everything above and what takes minutes each (tests/long), with the fuzz targets run for ten minutes each and every
# call failed once (tests/cmd/faults.sh takes strides otherwise).
check-long:
	$(Q)tests/setup long
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) SAN= TSAN= all
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) SAN=1 unit all
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) fuzz-build
	$(Q)FAULTS=all FUZZ_SMOKE=$${FUZZ_SMOKE:-600} FUZZ_SEED=$${FUZZ_SEED:-0} tests/run --variant $(VARIANT) --long $(TESTS)
# The unit tests and one command test or more, without set-up: TESTS="cmd/build.sh unit/base"
check-quick:
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) SAN=1 unit
	$(Q)tests/run --variant $(VARIANT) $(or $(TESTS),unit)

# ---- fuzzing: clang, libFuzzer, ASan, UBSan; own objects under build/fuzz ------------------------------------------
FUZZ_CC ?= clang
FUZZ_FLAGS := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_LIB_SRC := $(foreach r,$(ROOMS),$(SRC_$(r)))
build/fuzz/%.o: %.c
	@mkdir -p $(@D)
	@echo "  FUZZ-CC $<"
	$(Q)$(FUZZ_CC) $(CSTD) $(FUZZ_FLAGS) $(call pc,cflags,$(ALL_PKGS) $(ALL_OPENS)) -pthread -MMD -MP -c $< -o $@
build/fuzz/liball.a: $(FUZZ_LIB_SRC:%.c=build/fuzz/%.o)
build/fuzz/liball.a:
	@rm -f $@
	$(Q)ar rcsD $@ $^
build/fuzz/bin/%: build/fuzz/tests/fuzz/%.o build/fuzz/liball.a
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -pthread $< -Wl,--start-group build/fuzz/liball.a \
		-Wl,--end-group $(call pc,libs,$(ALL_PKGS)) -o $@
.PHONY: fuzz-build fuzz
fuzz-build: $(FUZZ)
SECONDS ?= 60
fuzz: fuzz-build
	$(Q)tests/fuzz/run $(SECONDS) $(notdir $(FUZZ))

# ---- the house: what tests/cmd/house-*.sh ask of make ----------------------------------------------------------------
# One line a room: its name, its directory, the rooms it links.
.PHONY: print-rooms print-packages warnings
print-rooms:
	@$(foreach r,$(ROOMS),echo $(r) $(DIR_$(r)) $(USES_$(r));)
# The Debian package of every library that a room asks pkg-config for.
print-packages:
	@$(foreach m,check $(ALL_PKGS) $(ALL_OPENS),echo $(or $(DEB_$(m)),no-package-for-$(m));)

# Every C file of ours under both compilers with -Werror: gcc with optimisation (it finds more then), clang's front end
# alone. Stamps in build/warn make the second run free.
WARN_SRC := $(sort $(foreach r,$(ROOMS),$(SRC_$(r))) $(wildcard eifgen/main.c runtime/*/main.c) $(UNIT_SRC) $(FUZZ_SRC))
WARN_CC = $(1) $(CSTD) $(WARN) -Werror $(call pc,cflags,check $(ALL_PKGS) $(ALL_OPENS)) -pthread
build/warn/gcc/%.ok: %.c GNUmakefile
	@mkdir -p $(@D)
	$(Q)$(call WARN_CC,gcc) $(HARDEN_rel) -MMD -MP -MF $(@:.ok=.d) -MT $@ -c $< -o /dev/null && touch $@
build/warn/clang/%.ok: %.c GNUmakefile
	@mkdir -p $(@D)
	$(Q)$(call WARN_CC,clang) -fsyntax-only -MMD -MP -MF $(@:.ok=.d) -MT $@ $< && touch $@
# What is compiled where isa-l is not installed, too.
build/warn/no-isal/%.ok: %.c GNUmakefile
	@mkdir -p $(@D)
	$(Q)$(call WARN_CC,gcc) -DEIFGEN_NO_ISAL -fsyntax-only -MMD -MP -MF $(@:.ok=.d) -MT $@ $< && touch $@
ISAL_SRC := layerfs/inflate.c layerfs/crc.c
warnings: $(WARN_SRC:%.c=build/warn/gcc/%.ok) $(WARN_SRC:%.c=build/warn/clang/%.ok) $(ISAL_SRC:%.c=build/warn/no-isal/%.ok)
