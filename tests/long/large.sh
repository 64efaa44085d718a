#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 3600
#
# Past 4 GiB: a ramdisk only with --allow-large, then predicted, written and verified as any other; and from a pipe never,
# since a pipe that does not end must not fill the disk. Writes 4 GiB three times.
. tests/lib.sh
W=$TEST_TMP V=testdata/eif/inputs B="--blobs testdata/images/platform"

# ---- a ramdisk
truncate -s 2200M "$W/one"; truncate -s 2200M "$W/two"
tar -C "$W" -S -cf "$W/layer.tar" one two
rm "$W/one" "$W/two"
umoci init --layout "$W/img" && umoci new --image "$W/img:t" && umoci raw add-layer --image "$W/img:t" "$W/layer.tar" &&
	umoci config --image "$W/img:t" --config.cmd /x >/dev/null 2>&1
# shellcheck disable=SC2086 # an option and its value
{
	t_exit 2 "two sparse files that are 4.3 GiB together" eifgen -q pcr "oci:$W/img:t" $B
	t_says "need an option" "past 4 GiB (--allow-large permits it)"
	t_exit 0 "with which they are measured" eifgen -q pcr "oci:$W/img:t" $B --allow-large
	cp "$W/out" "$W/predicted"
	t_exit 0 "and written" eifgen -q build "oci:$W/img:t" $B --allow-large -o "$W/o.eif"
}
t "as predicted" test "$(jq -c .Measurements "$W/predicted")" = "$(jq -c .Measurements "$W/out")"
t "the file is as large as that" test "$(stat -c %s "$W/o.eif")" -gt $((2 * 2200 << 20))
t_exit 0 "and sound" eifgen verify "$W/o.eif"
rm "$W/o.eif" "$W/o.eif.record.json"

# ---- a pipe
assemble() { # BYTES: that many zeros through a pipe
	head -c "$1" /dev/zero | eifgen assemble -o "$W/o.eif" --kernel $V/one.bin --cmdline x --ramdisk /dev/stdin
}
t_exit 2 "a pipe of 4 GiB and a byte" assemble $(((1 << 32) + 1))
t_says "is over the cap" "a pipe gave more than 4294967296 bytes"
t "and leaves nothing" test -z "$(find "$W" -name 'o.eif*')"
t_exit 0 "a pipe of 4 GiB" assemble $((1 << 32))
t "is written whole" test "$(stat -c %s "$W/o.eif")" -gt $((1 << 32))
t_done
