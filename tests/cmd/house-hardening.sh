#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the linker and the compiler were asked for is in the programs: position independence, full RELRO, no executable
# stack, no text relocations, no search path; in eifgen also stack protector and fortified calls.
. tests/lib.sh

dir=$TOP/build/rel/bin
for p in "$dir"/*; do
	n=${p##*/}
	readelf -W -h -l -d "$p" >"$TEST_TMP/elf" 2>/dev/null || continue
	t "$n: position-independent" grep -q 'Type: *DYN' "$TEST_TMP/elf"
	t "$n: relocations are read-only" grep -q GNU_RELRO "$TEST_TMP/elf"
	t "$n: bound at start" grep -qE 'BIND_NOW|FLAGS_1.*NOW' "$TEST_TMP/elf"
	t "$n: no executable stack" grep -qE 'GNU_STACK.* RW +0x' "$TEST_TMP/elf"
	t "$n: no segment both writable and executable" bash -c '! grep -E "LOAD.* RWE " "$1"' - "$TEST_TMP/elf"
	t "$n: no text relocation" bash -c '! grep -q TEXTREL "$1"' - "$TEST_TMP/elf"
	t "$n: no search path for libraries" bash -c '! grep -qE "RPATH|RUNPATH" "$1"' - "$TEST_TMP/elf"
	t "$n: no build id" bash -c '! readelf -n "$1" | grep -q "Build ID"' - "$p"
done
nm -D --undefined-only "$dir/eifgen" >"$TEST_TMP/nm"
t "eifgen: stack protector" grep -q __stack_chk_fail "$TEST_TMP/nm"
t "eifgen: fortified calls" test "$(grep -c '_chk@' "$TEST_TMP/nm")" -ge 2
t_done
