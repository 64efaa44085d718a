#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Two EIFs of 1 GB that differ in one small file among large ones: diff names it in less than 100 MB of memory. The time
# is shown, and bounded loosely: other tests may have the processors.
# serial
# timeout: 900
. tests/lib.sh
cd "$TEST_TMP" || exit 1
mkdir -p a/data b
for i in 1 2 3 4 5 6 7 8; do head -c 134217728 /dev/urandom >"a/data/$i"; done
mkdir a/etc
echo 'built 2026-11-21 10:00:01' >a/etc/stamp
cp -al a/. b/
rm b/etc/stamp
echo 'built 2026-11-22 11:30:02' >b/etc/stamp
mkdir plat; head -c 5000 /dev/zero >plat/bzImage; echo 'console=ttyS0' >plat/cmdline; echo '#!init' >plat/init
build() {
	python3 "$TOP/tests/tools/mkoci.py" "img-$1" '{"config":{"Cmd":["/x"]}}' "$1" && rm -rf "$1" &&
		eifgen build -q "oci:img-$1" --blobs plat -o "$1.eif" >/dev/null && rm -rf "img-$1"
}
t "an EIF of 1 GB" build a
t "another" build b
t "they are as large as said" test "$(stat -c %s a.eif)" -gt 1073741824
/usr/bin/time -f '%e %M' -o cost "$EIFGEN_BIN/eifgen" diff -q a.eif b.eif --json >out
t "they differ" test $? -eq 1
t "in one file, by its date" test "$(jq -c '[.Entries[] | [.Path, .Cause]]' out)" = '[["rootfs/etc/stamp","embedded-date"]]'
read -r seconds kbytes < <(tail -n 1 cost)
echo "# $seconds s, $kbytes KB"
t "in less than 100 MB" test "$kbytes" -lt 100000
t "in less than a minute" test "${seconds%.*}" -lt 60
t_done
