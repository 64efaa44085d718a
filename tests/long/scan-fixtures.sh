#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The fixtures of the entropy rules, made anew from real double builds: every scene still shows what its comments say, and
# the rules name every new file that differs and none of those that do not.
# serial
# timeout: 5400
. tests/lib.sh
[ "$(id -u)" -eq 0 ] || { t_skip "double builds" "needs root for mmdebstrap and buildah"; t_done; }
for scene in testdata/scan/scenes/*; do
	name=${scene##*/}; name=${name%.*}
	t "built twice: $name" tests/tools/scan_fixtures.sh "$TEST_TMP/scan" "$name"
done
t "as many files as are kept" test "$(wc -l <"$TEST_TMP/scan/index.tsv")" -eq "$(wc -l <testdata/scan/index.tsv)"
out=$(SCAN_FIXTURES=$TEST_TMP/scan UNIT_TAP=$TEST_TMP/tap build/san/tests/unit/layerfs/test_entropy 2>&1); rc=$?
t "the rules name them" test $rc -eq 0
[ $rc -eq 0 ] || printf '# %s\n' "$out" "$(<"$TEST_TMP/tap")"
t_done
