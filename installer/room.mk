# SPDX-License-Identifier: Apache-2.0
#
# The static supervisor bundle. Its sources are fetched once (by apt, against the pins) and kept in build/installer/src;
# where runit's cannot be had, busybox's applets stand in. INSTALLER=runit|busybox says which, and fails without it.
INSTALLER ?= auto
INSTALLER_TAR := build/installer/runtime-dependencies.tar
INSTALLER_LOCK := flock build/installer/lock

build/installer/src/.fetched: installer/pins installer/fetch
	@mkdir -p $(@D)
	$(Q)$(INSTALLER_LOCK) installer/fetch busybox $(@D)
	$(Q)$(INSTALLER_LOCK) installer/fetch runit $(@D) || { rm -f $(@D)/runit_*; echo "          busybox's tools of the same names take runit's place"; }
	@touch $@
$(INSTALLER_TAR): build/installer/src/.fetched installer/build installer/install.sh installer/pins
	@echo "  BUILD   $@"
	$(Q)$(INSTALLER_LOCK) installer/build build/installer/src $@ $(INSTALLER)

.PHONY: installer
installer: $(INSTALLER_TAR)
BUNDLE_FILES += $(INSTALLER_TAR)
