#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
#
# A pipe that does not end must not fill the disk: assemble takes 4 GiB from one and no byte more. Writes 4 GiB twice.
. tests/lib.sh
W=$TEST_TMP V=testdata/eif/inputs
assemble() { # BYTES: that many zeros through a pipe
	head -c "$1" /dev/zero | eifgen assemble -o "$W/o.eif" --kernel $V/one.bin --cmdline x --ramdisk /dev/stdin
}
t_exit 2 "a pipe of 4 GiB and a byte" assemble $(((1 << 32) + 1))
t_says "is over the cap" "a pipe gave more than 4294967296 bytes"
t "and leaves nothing" test -z "$(find "$W" -name 'o.eif*')"
t_exit 0 "a pipe of 4 GiB" assemble $((1 << 32))
t "is written whole" test "$(stat -c %s "$W/o.eif")" -gt $((1 << 32))
t_done
