# SPDX-License-Identifier: Apache-2.0
#
# The runtime: what goes into an enclave (init, the planes) and what serves it on the host. One section a part.

# ---- runtime/init: PID 1. Its parts are a library for the unit tests; the program itself is built apart, static and
# stripped, from the same files with its own flags, the same in every variant: it is measured (PCR1) --------------------
$(call room,init,runtime/init,,)
INIT_SRC := $(SRC_init) runtime/init/main.c
INIT_FLAGS := -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -Os -g0 -fPIE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
	-fstack-protector-strong -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
INIT_LINK := -static-pie -s -Wl,--build-id=none -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,noexecstack
INIT_OBJ := $(INIT_SRC:%.c=build/measured/%.o)

build/measured/%.o: %.c GNUmakefile runtime/room.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(INIT_FLAGS) $(REPRO) -MMD -MP -c $< -o $@
$(B)/bin/init: $(INIT_OBJ)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(INIT_LINK) $^ -o $@
PROGRAMS += $(B)/bin/init

# What `make bundle` collects; each section adds its own.
BUNDLE_FILES += $(B)/bin/init

# ---- runtime/service: what runs a cage's services; measured too, built as init is ------------------------------------
$(call room,service,runtime/service,init,)
SERVICE_OBJ := $(patsubst %.c,build/measured/%.o,$(SRC_service) $(SRC_init) runtime/service/main.c)
$(B)/bin/cage-service: $(SERVICE_OBJ)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC) $(INIT_LINK) $^ -o $@
PROGRAMS += $(B)/bin/cage-service
BUNDLE_FILES += $(B)/bin/cage-service

# ---- runtime/common: what both planes stand on -----------------------------------------------------------------------
DEB_libevent_core := libevent-dev
DEB_libnghttp2    := libnghttp2-dev
DEB_libseccomp    := libseccomp-dev
$(call room,common,runtime/common,base,libevent_core libssl libcrypto libnghttp2 libseccomp)

# ---- runtime/data-plane: the room; its two programs are linked further down. The egress parts (egress*, names, netlink,
# dns_responder, net_setup) leave the archive only for a main that names them: the program without egress has none ------
$(call room,dataplane,runtime/data-plane,common base,libevent_core libssl libcrypto libnghttp2 libseccomp)

# The two programs. What enters an enclave is built apart from the rest, as init is: static-pie, optimised, without debug
# information; two builds give the same bytes. In the san variant they are ordinary programs under the sanitizers.
PLANE_SRC := $(SRC_base) $(SRC_common) $(SRC_dataplane)
PLANE_MODULES := libevent_core libnghttp2 libssl libcrypto libseccomp
PLANE_FLAGS = $(CSTD) $(WARN) $(REPRO) -O2 -g0 -fPIE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
	-fstack-clash-protection -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections
PLANE_LINK := -static-pie -Wl,--build-id=none -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,-z,noexecstack
build/plane/%.o: %.c GNUmakefile runtime/room.mk
	@mkdir -p $(@D)
	@$(if $(filter 1,$(V)),,echo "  CC      [plane] $<")
	$(Q)$(CC) $(PLANE_FLAGS) -MMD -MP -c $< -o $@
build/plane/main-no-egress.o: runtime/data-plane/main.c GNUmakefile runtime/room.mk
	@mkdir -p $(@D)
	$(Q)$(CC) $(PLANE_FLAGS) -DCAGE_EGRESS=0 -MMD -MP -c $< -o $@
build/plane/libplane.a: $(PLANE_SRC:%.c=build/plane/%.o)
	@rm -f $@
	$(Q)ar rcsD $@ $^
# The unstripped links stay beside: what is in a program is read from their symbols.
build/plane/cage-data-plane: build/plane/runtime/data-plane/main.o
build/plane/cage-data-plane-no-egress: build/plane/main-no-egress.o
build/plane/cage-data-plane build/plane/cage-data-plane-no-egress: build/plane/runtime/data-plane/static/resolver.o \
		build/plane/libplane.a
	@echo "  LINK    $@"
	$(Q)$(CC) $(PLANE_LINK) $(filter %.o,$^) -Wl,--start-group build/plane/libplane.a \
		$(patsubst -l%,-l:lib%.a,$(filter -l%,$(call pc,libs,$(PLANE_MODULES)))) -Wl,--end-group -o $@

ifeq ($(VARIANT),san)
build/san/plane/main-no-egress.o: runtime/data-plane/main.c
	@mkdir -p $(@D)
	$(Q)$(CC_ALL) -DCAGE_EGRESS=0 -MMD -MP -c $< -o $@
$(B)/bin/cage-data-plane: $(B)/runtime/data-plane/main.o
$(B)/bin/cage-data-plane-no-egress: $(B)/plane/main-no-egress.o
$(B)/bin/cage-data-plane $(B)/bin/cage-data-plane-no-egress: $(LIB_dataplane) $(LIB_common) $(LIB_base)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(LD_ALL) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(call pc,libs,$(PLANE_MODULES)) -o $@
else
$(B)/bin/cage-data-plane $(B)/bin/cage-data-plane-no-egress: $(B)/bin/%: build/plane/%
	@mkdir -p $(@D)
	$(Q)strip -s -o $@ $<
endif
PROGRAMS += $(B)/bin/cage-data-plane $(B)/bin/cage-data-plane-no-egress
BUNDLE_FILES += $(B)/bin/cage-data-plane $(B)/bin/cage-data-plane-no-egress

# ---- runtime/control-plane: the host's side, twice from one main: with egress, and without its object files in the link
DEB_libcares := libc-ares-dev
$(call room,controlplane,runtime/control-plane,common base,libevent_core libssl libcrypto libcjson libnghttp2 libseccomp libcares)
CONTROL_PLANES := $(B)/bin/cage-control-plane $(B)/bin/cage-control-plane-no-egress
$(B)/bin/cage-control-plane: CAGE_EGRESS := 1
$(B)/bin/cage-control-plane-no-egress: CAGE_EGRESS := 0
$(CONTROL_PLANES): runtime/control-plane/main.c GNUmakefile runtime/room.mk $(call libs_of,controlplane common base)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC_ALL) $(call pc,cflags,$(PKGS_controlplane)) -DCAGE_EGRESS=$(CAGE_EGRESS) $(LINK_$(VARIANT)) $< \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group -Wl,--as-needed $(call pc,libs,$(PKGS_controlplane)) -lm \
		$(LDFLAGS) -o $@
PROGRAMS += $(CONTROL_PLANES)
BUNDLE_FILES += $(CONTROL_PLANES)

# Side by side with haproxy, stunnel and socat, in one run; prints tables and writes build/bench/runtime.json.
.PHONY: bench-runtime
bench-runtime: $(addprefix build/rel/bin/,cage-data-plane cage-data-plane-no-egress cage-control-plane cage-control-plane-no-egress)
	$(Q)mkdir -p build/bench
	$(Q)python3 -B tests/bench/runtime.py --json build/bench/runtime.json $(BENCH_ARGS)
