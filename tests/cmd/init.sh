#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# init is measured: two builds of it, in different directories under different circumstances, are the same bytes, and
# nothing of the place where it was built is in them. `make bundle` names its digest and the compiler's packages.
. tests/lib.sh

# Only what init's build reads, twice; the second place has another length, and another umask, locale and time zone.
for d in one a/much/longer/second/place; do
	mkdir -p "$TEST_TMP/$d"
	cp -r GNUmakefile base runtime "$TEST_TMP/$d/"
done
one=$TEST_TMP/one two=$TEST_TMP/a/much/longer/second/place
t "init builds" make -s -C "$one" build/rel/bin/init
t "init builds elsewhere, in another environment" env -i PATH="$PATH" LC_ALL=C.UTF-8 TZ=Asia/Kathmandu HOME=/nonexistent \
	bash -c 'umask 077; exec make -s -C "$0" WERROR=1 build/rel/bin/init' "$two"
t "both are the same bytes" cmp "$one/build/rel/bin/init" "$two/build/rel/bin/init"
t "it carries the mark by which a build knows it" grep -qaF "cage-init: " "$one/build/rel/bin/init"
t_not "it carries no path of the place it was built in" grep -qaF "$TEST_TMP" "$one/build/rel/bin/init"
t "it needs no loader and no library" bash -c '! readelf -lW "$0" | grep -q INTERP' "$one/build/rel/bin/init"
t "it is small" test "$(stat -c %s "$one/build/rel/bin/init")" -lt 1000000
t_exit 100 "outside an enclave it refuses to do anything" "$one/build/rel/bin/init"

t "make bundle collects it" make -s BUNDLE_FILES=build/rel/bin/init BUNDLE="$TEST_TMP/bundle" bundle
t "the bundle's digest is the file's" test "$(jq -r .files.init "$TEST_TMP/bundle/bundle.json")" = \
	"$(sha256sum "$TEST_TMP/bundle/init" | cut -d' ' -f1)"
t "the bundle names the compiler" test "$(jq -r '.packages."libc6-dev"' "$TEST_TMP/bundle/bundle.json")" = \
	"$(dpkg-query -W -f '${Version}' libc6-dev)"
mkdir "$TEST_TMP/full"; echo mine >"$TEST_TMP/full/file"
t_not "a directory with other things in it is not replaced" make -s BUNDLE_FILES=build/rel/bin/init BUNDLE="$TEST_TMP/full" bundle
t "and keeps them" test "$(cat "$TEST_TMP/full/file")" = mine
t_done
