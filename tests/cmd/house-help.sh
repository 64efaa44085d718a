#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# --help tells the truth: every command it lists exists and explains itself, every option that a command's help lists is
# one that the command takes, and stderr stays silent.
. tests/lib.sh

mkdir "$TEST_TMP/empty"
cd "$TEST_TMP/empty" || exit 1 # nothing to find, and nothing to spoil
t_exit 0 "--help" eifgen --help
t "… says nothing on stderr" test ! -s "$TEST_TMP/err"
commands=$(sed -n '/^$/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' "$TEST_TMP/out")
t "commands are listed" test -n "$commands"
for c in $commands; do
	t_exit 0 "$c --help" eifgen "$c" --help
	t "$c: usage comes first" grep -q "^Usage: eifgen $c" <(head -1 "$TEST_TMP/out")
	t "$c: no line is wider than 120 columns" test -z "$(grep -E '.{121}' "$TEST_TMP/out")"
	for option in --quiet --verbose --help; do
		t "$c: $option has a line" grep -qE "^  -., $option( |$)" "$TEST_TMP/out"
	done
	t "$c: nothing on stderr" test ! -s "$TEST_TMP/err"
	grep -oE '^ +(-[a-zA-Z], )?--[a-z0-9-]+' "$TEST_TMP/out" | grep -oE -- '--[a-z0-9-]+' | sort -u >"$TEST_TMP/options"
	while read -r option; do
		# With a value that it does not take, or none that it needs, or no operand: any complaint but `unknown`.
		eifgen "$c" "$option" </dev/null >/dev/null 2>"$TEST_TMP/err"
		if grep -q "unknown option" "$TEST_TMP/err"; then t_fail "$c takes $option"; else t_ok "$c takes $option"; fi
	done <"$TEST_TMP/options"
	t_exit 2 "$c --no-such-option" eifgen "$c" --no-such-option
done
t_done
