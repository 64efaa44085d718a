#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Our own build is reproducible: a copy of the tree in another directory, built under another umask, time zone, locale and
# order of jobs, gives the same bytes of every program.
# timeout: 1200
. tests/lib.sh

copy=$TEST_TMP/some/other/directory
mkdir -p "$copy"
make -s all
(
	umask 077
	export TZ=Asia/Kathmandu LC_ALL=C.UTF-8 HOME=/nonexistent
	if git rev-parse --git-dir >/dev/null 2>&1; then
		git ls-files -co --exclude-standard | grep -v '^testdata/' | while read -r f; do [ -f "$f" ] && echo "$f"; done
	else
		find . -type f -not -path './build/*' -not -path './testdata/*'
	fi | tac | cpio -pdm --quiet "$copy"
	make -s -C "$copy" -j3 all
) >"$TEST_TMP/log" 2>&1
t "the copy builds" test -x "$copy/build/rel/bin/eifgen"
[ -x "$copy/build/rel/bin/eifgen" ] || tail -20 "$TEST_TMP/log" | sed 's/^/# /'
for p in build/rel/bin/*; do
	t "${p##*/} is the same bytes" cmp "$p" "$copy/$p"
done
t "no path of this machine is in eifgen" bash -c '! grep -qF -- "$TOP/" build/rel/bin/eifgen'
t_done
