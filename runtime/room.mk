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
DEB_libevent_extra := libevent-dev
DEB_libnghttp2    := libnghttp2-dev
DEB_libseccomp    := libseccomp-dev
$(call room,common,runtime/common,base,libevent_core libssl libcrypto libnghttp2 libseccomp)

# ---- runtime/data-plane: the room; its two programs are linked further down. The egress parts (egress*, names, netlink,
# dns_responder, net_setup) leave the archive only for a main that names them: the program without egress has none ------
$(call room,dataplane,runtime/data-plane,common base,libevent_core libssl libcrypto libnghttp2 libseccomp)

# ---- runtime/control-plane: the host's side, twice from one main: with egress, and without its object files in the link
$(call room,controlplane,runtime/control-plane,common base,libevent_core libevent_extra libssl libcrypto libcjson libnghttp2 libseccomp)
CONTROL_PLANES := $(B)/bin/cage-control-plane $(B)/bin/cage-control-plane-no-egress
$(B)/bin/cage-control-plane: CAGE_EGRESS := 1
$(B)/bin/cage-control-plane-no-egress: CAGE_EGRESS := 0
$(CONTROL_PLANES): runtime/control-plane/main.c GNUmakefile runtime/room.mk $(call libs_of,controlplane common base)
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	$(Q)$(CC_ALL) $(call pc,cflags,$(PKGS_controlplane)) -DCAGE_EGRESS=$(CAGE_EGRESS) $(LINK_$(VARIANT)) $< \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(call pc,libs,$(PKGS_controlplane)) -lm $(LDFLAGS) -o $@
PROGRAMS += $(CONTROL_PLANES)
BUNDLE_FILES += $(CONTROL_PLANES)
