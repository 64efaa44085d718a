#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `eifgen platform`: what it says of a directory is held against sha256sum, and each PCR1 against the independent reader
# over an EIF whose bootstrap ramdisk comes from elsewhere (the second implementation; the real pipeline's vector).
. tests/lib.sh

W=$TEST_TMP d=$TEST_TMP/blobs
mkdir "$d"
cp testdata/ramdisk/bootstrap/init testdata/ramdisk/bootstrap/nsm.ko "$d"
head -c 20000 /dev/zero | tr '\0' k >"$d/bzImage"
printf '#\n# Automatically generated file\n# Linux/x86_64 4.14.256-209.484.amzn2.x86_64 Kernel Configuration\n' >"$d/bzImage.config"
cp "$d/bzImage.config" "$d/.config"
printf '  console=ttyS0 reboot=k \n' >"$d/cmdline"

field() { jq -r "$1" "$W/out"; }
# pcr1 RAMDISK [CMDLINE]: PCR1 of kernel, command line and this ramdisk, by the independent reader.
pcr1() {
	eifgen assemble -o "$W/p.eif" --kernel "$d/bzImage" --cmdline "${2-console=ttyS0 reboot=k}" --ramdisk "$1" >/dev/null
	tests/tools/eif_check.py "$W/p.eif" | jq -r .Measurements.PCR1
}
second() { tests/tools/canonical_ramdisk.py --bootstrap "$W/second.cpio" --init "$d/init" "$@"; }

t_exit 0 "a platform directory" eifgen platform "$d"
for row in "kernel bzImage" "cmdline cmdline" "init init" "nsm nsm.ko"; do
	role=${row% *} file=$d/${row#* }
	t "the $role's digest" test "$(field ".Files[] | select(.Role == \"$role\") | .Sha256 + \" \" + .Path")" = \
		"$(sha256sum "$file" | cut -d' ' -f1) $file"
done
t "the command line is trimmed" test "$(field .Cmdline)" = "console=ttyS0 reboot=k"
t "the kernel's version comes from its .config" test "$(field .KernelVersion)" = 4.14.256
t "this kernel boots nowhere" test "$(field .KernelBootable)" = false
t "this init is not ours" test "$(field .HonoursUserAndWorkdir)" = false
t "no AWS release has this PCR1" test "$(field .Release)" = null
second --epoch 315532801 --nsm "$d/nsm.ko"
t "PCR1 of the canonical layout" test "$(field .PCR1.canonical)" = "$(pcr1 "$W/second.cpio")"
t "PCR1 of the nitro-cli layout" test "$(field '.PCR1["nitro-cli"]')" = "$(pcr1 testdata/ramdisk/bootstrap/expected.cpio)"
nitro=$(field '.PCR1["nitro-cli"]')

t_exit 0 "another epoch" eifgen platform "$d" --epoch 1700000000
second --epoch 1700000000 --nsm "$d/nsm.ko"
t "moves PCR1 of the canonical layout" test "$(field .PCR1.canonical)" = "$(pcr1 "$W/second.cpio")"
t "and not that of nitro-cli" test "$(field '.PCR1["nitro-cli"]')" = "$nitro"
t_exit 0 "SOURCE_DATE_EPOCH counts too" env SOURCE_DATE_EPOCH=1700000000 "$EIFGEN_BIN/eifgen" platform "$d"
t "as the epoch" test "$(field .Epoch)" = 1700000000

echo 1 >"$W/b.ko"; echo 2 >"$W/a.ko"
t_exit 0 "modules, no nsm.ko, another command line" eifgen platform "$d" --no-nsm --module "$W/b.ko" --module "$W/a.ko" --cmdline " x "
second --epoch 315532801 --module "$W/b.ko" --module "$W/a.ko"
t "PCR1 has them" test "$(field .PCR1.canonical)" = "$(pcr1 "$W/second.cpio" " x ")"
t "the nitro-cli layout has no place for modules" test "$(field '.PCR1["nitro-cli"]')" = null

head -c 30000000 /dev/zero >"$W/big.eif"
t_exit 0 "memory for an EIF" eifgen platform "$d" --eif "$W/big.eif"
t "is four times its size, in whole MiB" test "$(field .Memory.LeastMiB)" = 116
t_exit 0 "ours" eifgen platform "$d"
t "the least memory is 64 MiB" test "$(field .Memory.LeastMiB)" = 64

t_exit 2 "no directory" eifgen platform
t_exit 2 "two directories" eifgen platform "$d" "$d"
t_exit 2 "an unknown architecture" eifgen platform "$d" --arch mips
t_exit 2 "no such directory" eifgen platform "$W/none"
t_exit 2 "a kernel of the other architecture is looked for by its name" eifgen platform "$d" --arch aarch64
t_says "which is said" "Image"
rm "$d/init"
t_exit 2 "no init" eifgen platform "$d"
t_says "is named" "init"
t_done
