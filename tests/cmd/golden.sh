#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every golden image four ways: known hashes; our own readers; independent readers and, for the canonical layout, an
# independent writer; the ramdisks again from `ls --json` and `extract`. GOLDEN_WRITE=1 prints a new table instead.
. tests/lib.sh
images=testdata/images
P="$images/platform"
E=1650000000

golden() { # IMAGE LAYOUT MTIME: builds it into $TEST_TMP/g
	rm -rf "$TEST_TMP/g"; mkdir "$TEST_TMP/g"
	eifgen -q build "$images/$1" --blobs "$P" --epoch $E --layout "$2" --mtime "$3" -o "$TEST_TMP/g/eif" >"$TEST_TMP/g/json"
}
row() { # the line of golden.tsv that $TEST_TMP/g is
	printf '%s\t%s\t%s\t%s\t' "$1" "$2" "$3" "$(sha256sum <"$TEST_TMP/g/eif" | cut -d' ' -f1)"
	jq -r '.Measurements | [.PCR0, .PCR1, .PCR2] | @tsv' "$TEST_TMP/g/json"
}
names() { python3 tests/tools/newc_list.py "$1" | cut -f13 | while read -r h; do printf "%b\0" "$(sed 's/../\\x&/g' <<<"$h")"; done; }

combos=$(for i in plain user links layers; do
	for l in canonical nitro-cli; do for m in set clamp; do
		[ $l$m = nitro-cliclamp ] || echo "$i $l $m"
	done; done
done)
if [ "${GOLDEN_WRITE:-}" ]; then
	while read -r i l m; do golden "$i" "$l" "$m" && row "$i" "$l" "$m"; done <<<"$combos"
	exit
fi

while read -r i l m; do
	n="$i $l $m"
	golden "$i" "$l" "$m"; eif=$TEST_TMP/g/eif
	t "$n: known hash and PCRs" grep -qxF "$(row "$i" "$l" "$m")" $images/golden.tsv

	t "$n: our reader finds it sound" eifgen verify "$eif"
	t "$n: pcr of the file" test "$(eifgen pcr "$eif" | jq -c .Measurements)" = "$(jq -c .Measurements "$TEST_TMP/g/json")"
	t "$n: pcr of the image" test \
		"$(eifgen -q pcr "$images/$i" --blobs "$P" --epoch $E --layout "$l" --mtime "$m" | jq -c .Measurements)" = \
		"$(jq -c .Measurements "$TEST_TMP/g/json")"

	tests/tools/eif_check.py "$eif" >"$TEST_TMP/g/check"
	t "$n: an independent reader finds it sound" jq -e '.Problems == []' "$TEST_TMP/g/check"
	t "$n: and computes the same PCRs" test \
		"$(jq -c '.Measurements | [.PCR0, .PCR1, .PCR2]' "$TEST_TMP/g/check")" = \
		"$(jq -c '.Measurements | [.PCR0, .PCR1, .PCR2]' "$TEST_TMP/g/json")"
	eifgen extract "$eif" -C "$TEST_TMP/g" >/dev/null
	for r in 1 2; do
		t "$n: GNU cpio reads ramdisk $r" cpio -itv --quiet -I "$TEST_TMP/g/ramdisk-$r.cpio"
		t "$n: and finds our names in it" cmp <(cpio -it0 --quiet <"$TEST_TMP/g/ramdisk-$r.cpio") \
			<(names "$TEST_TMP/g/ramdisk-$r.cpio")
	done

	eifgen ls "$eif" --json >"$TEST_TMP/g/ls"
	for r in 1 2; do
		t "$n: ramdisk $r again from its listing" cmp "$TEST_TMP/g/ramdisk-$r.cpio" \
			<(python3 tests/tools/newc_rebuild.py $r "$TEST_TMP/g" <"$TEST_TMP/g/ls")
	done
	t "$n: the record's listing digest is the listing's" test "$(jq -r .Listing "$eif.record.json")" = \
		"$(sha256sum <"$TEST_TMP/g/ls" | cut -d' ' -f1)"

	[ "$l" = canonical ] || continue
	tests/tools/canonical_ramdisk.py --oci "$images/$i" --epoch $E --mtime "$m" --init $P/init --nsm $P/nsm.ko \
		--bootstrap "$TEST_TMP/g/b1" --app "$TEST_TMP/g/b2"
	t "$n: a second implementation writes the same bootstrap ramdisk" cmp "$TEST_TMP/g/b1" "$TEST_TMP/g/ramdisk-1.cpio"
	t "$n: and the same application ramdisk" cmp "$TEST_TMP/g/b2" "$TEST_TMP/g/ramdisk-2.cpio"
done <<<"$combos"
t_done
