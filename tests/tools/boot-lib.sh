# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Booting a kernel and ramdisks in QEMU, emulated (no KVM), for tests and the demo. Every boot ends: by itself, when what
# was waited for has appeared, or at its limit; and the one process it started is ended by its own number.

# boot KERNEL INITRD CMDLINE CONSOLE [SECONDS [UNTIL]]: runs the machine, its console into the file CONSOLE (without CR).
# 0 when the guest restarted (that is how init ends), or as soon as a line of the console matches the pattern UNTIL;
# 1 when neither came within SECONDS (120).
# What was seen to work: -accel tcg said aloud, -M pc, no reboot; QEMU's own status proves nothing.
boot() {
	local kernel=$1 initrd=$2 cmdline=$3 console=$4 left=$((${5:-120} * 5)) until=${6:-} pid rc=0
	: >"$console.raw"
	qemu-system-x86_64 -accel tcg -M pc -m "${BOOT_MEMORY:-256}" -display none -monitor none -serial "file:$console.raw" \
		-no-reboot -nic none -kernel "$kernel" -initrd "$initrd" -append "$cmdline" </dev/null >"$console.qemu" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		if [ -n "$until" ] && grep -aqE -- "$until" "$console.raw"; then break; fi
		left=$((left - 1))
		if [ "$left" -le 0 ]; then rc=1; break; fi
		sleep 0.2
	done
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	tr -d '\r' <"$console.raw" >"$console"
	return $rc
}
