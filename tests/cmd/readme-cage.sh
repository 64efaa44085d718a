#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
#
# The README's chapter from a Dockerfile to PCRs, run as it stands, in two places, in less than the five minutes that it
# promises: the same PCRs, in cage.json as well; and the cage boots with the real data plane. (What a cage answers: cmd/cage-tls.)
. tests/lib.sh
. tests/tools/boot-lib.sh

awk '/^<!-- five minutes -->/ { armed = 1; next } /^```sh/ && armed { inside = 1; next } /^```/ { inside = armed = 0 } inside' README.md \
	>"$TEST_TMP/chapter.sh"
t "the chapter is found" test "$(wc -l <"$TEST_TMP/chapter.sh")" -gt 8
t "make bundle makes the runtime" make -s bundle
t "Debian's kernel can be had" tests/tools/debian-platform.sh "$TOP/build/debian-platform"
mkdir "$TEST_TMP/blobs" "$TEST_TMP/bin"
cp build/debian-platform/{bzImage,bzImage.config,cmdline} build/bundle/{init,bundle.json} "$TEST_TMP/blobs/"
ln -s "$EIFGEN_BIN/eifgen" "$TEST_TMP/bin/eifgen"
export EIFGEN=$TOP BLOBS=$TEST_TMP/blobs PATH=$TEST_TMP/bin:$PATH GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_COMMITTER_DATE=@1700000000
SECONDS=0
for place in one two/and/more; do
	mkdir -p "$TEST_TMP/$place"
	t "the chapter runs in $place" bash -c 'cd "$0" && bash -eu "$1" >log 2>&1 || { tail -n 20 log; exit 1; }' "$TEST_TMP/$place" "$TEST_TMP/chapter.sh"
done
t "each in less than five minutes" test $SECONDS -lt 600
one=$TEST_TMP/one/hello two=$TEST_TMP/two/and/more/hello
t "both places give the same PCRs" test "$(jq -c .attestation "$one/cage.json")" = "$(jq -c .attestation "$two/cage.json")"
t "and the same file" cmp "$one/hello.eif" "$two/hello.eif"
t "they are the EIF's" test "$(jq -r .attestation.PCR0 "$one/cage.json")" = "$(eifgen pcr "$one/hello.eif" | jq -r .Measurements.PCR0)"

# Debian's kernel has vsock as a module: the boot's bootstrap ramdisk carries it, so this EIF is another than the above.
modules=()
while read -r m; do modules+=(--module "$TOP/build/debian-platform/modules/${m##*/}"); done <build/debian-platform/modules.list
cd "$one" || exit 1
t "the cage is built with vsock's modules" bash -c '"$@" >"$0" 2>&1' "$TEST_TMP/log" eifgen cage build --runtime "$EIFGEN/build/bundle" \
	--blobs "$BLOBS" "${modules[@]}" -o boot.eif --no-write
eifgen extract boot.eif -C parts >/dev/null
cat parts/ramdisk-*.cpio >initrd
t "it boots until the data plane serves" boot parts/kernel initrd "$(cat parts/cmdline)" console 120 '"plane.ready"'
t "which says so" grep -aq '"plane.ready"' console
t_done
