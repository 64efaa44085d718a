#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib.sh
#
# Both planes and a Python service on one machine, in two network namespaces: DNS at port 53, routes and redirect rule
# are the kernel's own, programs are unmodified.
. tests/lib.sh

short=$(mktemp -d /tmp/cage-XXXXXX) # a unix socket's path is at most 107 bytes
trap 'rm -rf "$short"' EXIT

run() {
	TEST_TMP=$short "$@" >"$TEST_TMP/tap" 2>"$TEST_TMP/log"
	local rc=$?
	cat "$TEST_TMP/tap"
	T_N=$((T_N + $(grep -cE '^(not )?ok ' "$TEST_TMP/tap")))
	T_BAD=$((T_BAD + $(grep -c '^not ok ' "$TEST_TMP/tap")))
	[ $rc -eq 0 ] || t_fail "the script ran to its end"
	if [ $T_BAD -gt 0 ] || [ $rc -ne 0 ]; then tail -100 "$TEST_TMP/log" | sed 's/^/# /'; fi
}

if unshare -rnm true 2>/dev/null; then
	run unshare -rnm python3 -B tests/tools/planes.py "$T_N"
else
	run python3 -B tests/tools/planes.py -1
	t_skip "both planes with egress" "network namespaces are not permitted here"
fi
t_done
