#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# --layout nitro-cli against ramdisks that the real pipeline wrote (testdata/ramdisk): byte for byte, except the times
# of the seven directories that Docker leaves open, which must be named in the warnings and in the JSON.
. tests/lib.sh

p=$TEST_TMP/platform; mkdir "$p"
cp testdata/ramdisk/bootstrap/init testdata/ramdisk/bootstrap/nsm.ko "$p/"
printf KERNEL >"$p/bzImage"; echo console=ttyS0 >"$p/cmdline"

build() { # NAME IMAGE
	t_exit 0 "$1 builds" eifgen build "$2" --blobs "$p" --layout nitro-cli -o "$TEST_TMP/$1.eif"
	cp "$TEST_TMP/out" "$TEST_TMP/$1.json"; cp "$TEST_TMP/err" "$TEST_TMP/$1.err"
	mkdir "$TEST_TMP/$1"; eifgen extract "$TEST_TMP/$1.eif" -C "$TEST_TMP/$1" >/dev/null
}
sha384() { sha384sum <"$1" | cut -d' ' -f1; }

python3 tests/tools/retime_small.py testdata/ramdisk/small/image "$TEST_TMP/small-image"
build small "oci:$TEST_TMP/small-image:latest"
t "small: the bootstrap ramdisk is the reference's" cmp "$TEST_TMP/small/ramdisk-1.cpio" testdata/ramdisk/bootstrap/expected.cpio
t "small: the application ramdisk has the reference's SHA-384" \
	test "$(sha384 "$TEST_TMP/small/ramdisk-2.cpio")" = "$(head -n 1 testdata/ramdisk/small/customer.sha384)"
t "small: and its size" test "$(stat -c %s "$TEST_TMP/small/ramdisk-2.cpio")" = "$(tail -n 1 testdata/ramdisk/small/customer.sha384)"
t "small: nothing is unpredictable" test "$(jq -c .Unpredictable "$TEST_TMP/small.json")" = '[]'

build torture oci:testdata/ramdisk/torture/image
python3 tests/tools/newc_list.py "$TEST_TMP/torture/ramdisk-2.cpio" >"$TEST_TMP/torture.tsv"
seven='t t/implied t/implied/parent t/implied/parent/dir t/repl t/repl/symdir t/wh'
without_seven() { # drops the mtime of the seven
	awk -F'\t' -v OFS='\t' -v seven="$(for d in $seven; do printf 'rootfs/%s/' "$d" | od -An -v -tx1 | tr -d ' \n'; echo; done)" '
		BEGIN { split(seven, a, "\n"); for (i in a) open[a[i]] = 1 } $13 in open { $6 = "open" } { print }'
}
t "torture: every entry is the reference's, but seven times" \
	diff <(tail -n +2 testdata/ramdisk/torture/customer.tsv | without_seven) <(without_seven <"$TEST_TMP/torture.tsv")
t "torture: its size is the reference's" \
	test "$(stat -c %s "$TEST_TMP/torture/ramdisk-2.cpio")" = "$(tail -n 1 testdata/ramdisk/torture/customer.sha384)"
for d in $seven; do
	t "torture: $d is named in the JSON" jq -e --arg d "$d" '.Unpredictable | index($d)' "$TEST_TMP/torture.json"
	t "torture: $d is named in a warning" grep -qF "entry \"$d\": nitro-cli's own result cannot be predicted" "$TEST_TMP/torture.err"
done
t "torture: with the times Docker gave, every byte is the reference's" python3 - "$TEST_TMP/torture/ramdisk-2.cpio" <<-'P'
	import hashlib, sys
	data = bytearray(open(sys.argv[1], "rb").read())
	rows = [l.rstrip("\n").split("\t") for l in open("testdata/ramdisk/torture/customer.tsv")][1:]
	times = {bytes.fromhex(r[12]): int(r[5]) for r in rows if not int(r[4]) >= 1099}
	at = 0
	while True:
	    f = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
	    name = bytes(data[at + 110:at + 109 + f[11]])
	    if name == b"TRAILER!!!":
	        break
	    if name in times and f[0] < 1099:
	        data[at + 46:at + 54] = b"%08x" % times[name]
	    at = (((at + 110 + f[11] + 3) & ~3) + f[6] + 3) & ~3
	want = open("testdata/ramdisk/torture/customer.sha384").read().split()[0]
	sys.exit(hashlib.sha384(data).hexdigest() != want)
P
t_exit 2 "torture: --strict refuses what cannot be predicted" eifgen build oci:testdata/ramdisk/torture/image --blobs "$p" \
	--layout nitro-cli --strict -o "$TEST_TMP/no.eif"
t "and leaves no file" test ! -e "$TEST_TMP/no.eif"
t_done
