#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The README's examples, run as they stand: each block behind `<!-- run -->` (or `<!-- run: N -->`, whose last command ends
# with N), in order, in a directory with the image and the platform that the text speaks of. And its links lead somewhere.
. tests/lib.sh

readme=$TOP/README.md
mkdir -p "$TEST_TMP/w/blobs" "$TEST_TMP/bin"
cp testdata/ramdisk/bootstrap/init testdata/ramdisk/bootstrap/nsm.ko "$TEST_TMP/w/blobs/"
head -c 5000 /dev/zero | tr '\0' k >"$TEST_TMP/w/blobs/bzImage"
printf '#\n#\n# Linux/x86_64 6.6.79 Kernel Configuration\n' >"$TEST_TMP/w/blobs/bzImage.config"
echo 'reboot=k console=ttyS0' >"$TEST_TMP/w/blobs/cmdline"
skopeo copy -q --insecure-policy "oci:testdata/ramdisk/small/image:latest" "oci:$TEST_TMP/w/app:1.0"
ln -s "$EIFGEN_BIN/eifgen" "$TEST_TMP/bin/eifgen"
PATH=$TEST_TMP/bin:$PATH

awk '/^<!-- run/ { want = 0; if (match($0, /: [0-9]+/)) want = substr($0, RSTART + 2, RLENGTH - 2); armed = 1; next }
	/^```sh/ && armed { inside = 1; n++; next }
	/^```/ { if (inside) print n "\t" want "\tend"; inside = armed = 0; next }
	inside { print n "\t" want "\t" $0 }' "$readme" >"$TEST_TMP/lines"
t "examples are found" test "$(grep -c 'end$' "$TEST_TMP/lines")" -ge 5
cd "$TEST_TMP/w" || exit 1
previous=0 status=0
while IFS=$'\t' read -r n want line; do
	if [ "$line" = end ]; then t "block $n ends with $want" test "$status" -eq "$want"; continue; fi
	bash -c "$line" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	status=$?
	if [ $status -le 1 ]; then t_ok "$line"; else t_fail "$line"; sed 's/^/# /' "$TEST_TMP/err"; fi
	[ "$n" = "$previous" ] || previous=$n
done <"$TEST_TMP/lines"
t "the files that the text names are there" test -s app.eif -a -s app.eif.record.json -a -d parts

cd "$TOP" || exit 1
for f in README.md CONTRIBUTING.md SECURITY.md */README.md */*/README.md; do
	[ -f "$f" ] || continue
	for link in $(grep -oE '\]\([^)#]+' "$f" | cut -c3- | grep -v '^https\?:'); do
		t "$f: $link is there" test -e "$(dirname "$f")/$link"
	done
done
t "the README opens with make demo and make check" test "$(head -5 README.md | grep -oE '^make (demo|check)' | tr '\n' ' ')" = "make demo make check "
for c in $(eifgen --help | sed -n '/^$/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p'); do
	t "the README's table has $c" grep -qE "^\|.*\`$c\`" README.md
done
t_done
