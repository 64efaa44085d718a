#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The n-th allocation, read and write of our own code fails, for every n of a small build: each ends with exit 2 and one
# error line, leaves no file, and leaks nothing (the sanitizers would say so with another status). Needs the san program.
# timeout: 1200
. tests/lib.sh
EIFGEN_BIN=$TOP/build/san/bin
ulimit -c 0
out=$TEST_TMP/o/x.eif
mkdir "$TEST_TMP/o"

# Runs once with the n-th call failing: 0 if the build got through, 1 if it failed as it should, 2 if not.
once() { # KIND N COMMAND…
	local kind=$1 n=$2 rc; shift 2
	EIFGEN_FAIL=$kind:$n "$EIFGEN_BIN/eifgen" "$@" >"$TEST_TMP/fout" 2>"$TEST_TMP/ferr"; rc=$?
	[ $rc -eq 0 ] && return 0
	if [ $rc -ne 2 ]; then echo "# $kind:$n: exit $rc"; head -c 3000 "$TEST_TMP/ferr" | sed 's/^/# /'; return 2; fi
	if [ "$(grep -cv '^eifgen: warning: ' "$TEST_TMP/ferr")" -ne 1 ]; then
		echo "# $kind:$n: not one error line"; sed 's/^/# /' "$TEST_TMP/ferr"; return 2; fi
	if [ -n "$(ls -A "$TEST_TMP/o")" ]; then echo "# $kind:$n: left $(ls -A "$TEST_TMP/o")"; return 2; fi
	return 1
}

# Every n until the command gets through.
all() { # NAME KIND COMMAND…
	local name=$1 kind=$2 n=0 rc; shift 2
	while :; do
		n=$((n + 1))
		once "$kind" $n "$@"; rc=$?
		rm -f "$TEST_TMP"/o/*
		[ $rc -eq 1 ] || break
		if [ $n -gt 5000 ]; then rc=2; echo "# $kind: no end"; break; fi
	done
	if [ $rc -eq 0 ] && [ $n -gt 1 ]; then t_ok "$name: each of $((n - 1)) $kind faults"; else t_fail "$name: $kind fault $n"; fi
}

P=testdata/images/platform
for kind in alloc read write; do
	all "build" $kind build testdata/images/user --blobs $P --threads 1 -o "$out"
	all "build of nitro-cli bytes" $kind build testdata/images/links --layout nitro-cli --blobs $P --threads 1 --no-record -o "$out"
done
for kind in alloc read; do
	all "pcr" $kind pcr testdata/images/plain --blobs $P --threads 1
	all "ls" $kind ls testdata/images/links --json --threads 1
done
t_done
