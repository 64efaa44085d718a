#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The command's frame: help, version, global options, and one line for each misuse.
. tests/lib.sh

t_exit 0 "--help is an answer" eifgen --help
t "--help names the commands" grep -q '^Usage: eifgen' "$TEST_TMP/out"
t_exit 0 "--version is an answer" eifgen --version
t "--version is one line" test "$(wc -l <"$TEST_TMP/out")" = 1
t_exit 2 "no command is misuse" eifgen
t_says "which is said" "no command given"
t_exit 2 "an unknown command is misuse" eifgen frobnicate
t_says "and named" "unknown command frobnicate"
t_exit 2 "an unknown global option is misuse" eifgen --frobnicate
t_exit 2 "a name with a newline stays one line" eifgen $'x\neifgen: y'
t_exit 2 "a name with an escape sequence" eifgen describe $'no\x1b[31m\xc2\x9b32m\x9b33m\xc3\xa9'
t_says "is shown without it" 'unable to describe no?[31m??32m?33m'$'\xc3\xa9: '
printf 'x' >"$TEST_TMP/full"
t_exit 2 "a full disk is trouble" bash -c '"$0/eifgen" --version >/dev/full' "$EIFGEN_BIN"
t_exit 2 "a closed pipe is trouble, not death" bash -c 'exec 3> >(exec true); sleep 0.3; "$0/eifgen" --version >&3' "$EIFGEN_BIN"
t_exit 0 "closed standard input and error do no harm" bash -c '"$0/eifgen" --version <&- 2>&-' "$EIFGEN_BIN"
t_exit 2 "a closed standard output is trouble" bash -c '"$0/eifgen" --version <&- >&-' "$EIFGEN_BIN"
t_says "which is said" "unable to write standard output: write: Bad file descriptor"
t_exit 2 "and nothing is built for nobody" bash -c '"$0/eifgen" -q build testdata/images/plain --blobs testdata/images/platform \
	-o "$1/no.eif" >&-' "$EIFGEN_BIN" "$TEST_TMP"
t "no file is there" test ! -e "$TEST_TMP/no.eif" -a ! -e "$TEST_TMP/no.eif.record.json"
t_done
