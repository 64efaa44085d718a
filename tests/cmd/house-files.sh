#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What every file of ours must be: licensed, short, text, explained; every shell script clean under shellcheck.
. tests/lib.sh

if git rev-parse --git-dir >/dev/null 2>&1; then
	git ls-files -co --exclude-standard | while read -r f; do [ -f "$f" ] && echo "$f"; done
else # a source archive
	find . -type f -not -path './build/*' -printf '%P\n'
fi | LC_ALL=C sort >"$TEST_TMP/files"
ours() { grep -E "$1" "$TEST_TMP/files" | grep -v '^testdata/'; }
code='\.(c|h|sh|py|mk)$|^GNUmakefile$|^tests/(run|setup|fuzz/run|fuzz/smoke)$|^\.ci/run$|^runtime/bundle$'

t "files are found" test "$(ours "$code" | wc -l)" -gt 50

ours "$code" | while read -r f; do head -3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"; done >"$TEST_TMP/out"
t "every source names its licence in its first lines" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

# C files: the SPDX line, an empty comment line, then prose that is not the file's own name.
no_prose() {
	ours '\.[ch]$' | grep -v '^tests/fuzz/' | while read -r f; do
		sed -n 2p "$f" | grep -qx '//' && sed -n 3p "$f" | grep -q '^// .\{20\}' || echo "$f: no prose"
		sed -n 3p "$f" | grep -qE "^// ([a-z/]*/)?${f##*/}\b" && echo "$f: says its own name"
	done
}
no_prose >"$TEST_TMP/out"
t "every C file opens with what it is for" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

ours '\.(c|h|sh|py)$' | xargs -d '\n' wc -l | awk '$2 != "total" && $1 > 600 { print }' >"$TEST_TMP/out"
t "no source is longer than 600 lines" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

# A function's body runs from a `{` to a `}` in the first column. Over 100 lines needs a reason in a comment that
# begins `// long:` inside of it.
ours '\.c$' | xargs -d '\n' awk 'FNR == 1 { start = 0 } /^\{/ { start = FNR; why = 0 } /\/\/ long:/ { why = 1 }
	/^}/ && start { if (FNR - start > 100 && !why) print FILENAME ":" start ": " FNR - start " lines"; start = 0 }' >"$TEST_TMP/out"
t "no function is longer than 100 lines" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

ours '\.(c|h)$' | LC_ALL=C.UTF-8 xargs -d '\n' grep -nE '^.{151,}' >"$TEST_TMP/out"
t "no line of C is far over 120 columns" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

# Comments have no reason to be: a line that holds one ends at 120, tabs counted to eight.
cat >"$TEST_TMP/columns.py" <<'END'
import re, sys
for f in sys.stdin.read().splitlines():
    for n, line in enumerate(open(f, encoding="utf-8", errors="replace"), 1):
        line = line.rstrip("\n").expandtabs(8)
        if len(line) > 120 and "//" in re.sub(r'"(\\.|[^"\\])*"', "", line):
            print("%s:%d: %s" % (f, n, line))
END
ours '\.(c|h)$' | python3 "$TEST_TMP/columns.py" >"$TEST_TMP/out"
t "no comment of C is over 120 columns" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

ours '\.(c|h|sh|py|mk|md|scd)$' | xargs -d '\n' grep -nE '[ 	]+$' >"$TEST_TMP/out"
t "no line ends in blanks" test ! -s "$TEST_TMP/out"; head "$TEST_TMP/out" | sed 's/^/# /'

# To-do marks are spelled apart here so that this file does not hold one.
ours '\.(c|h|sh|py|mk|md|scd)$' | xargs -d '\n' grep -nwE 'TO''DO|FIX''ME|X''XX' >"$TEST_TMP/out"
t "nothing is left to do" test ! -s "$TEST_TMP/out"; head "$TEST_TMP/out" | sed 's/^/# /'

# Binary: holds a NUL. Those belong below testdata/ and the fuzz corpora.
grep -vE '^testdata/|^tests/fuzz/corpus/' "$TEST_TMP/files" | xargs -d '\n' grep -lP '\x00' -- >"$TEST_TMP/out"
t "no binary outside testdata and the fuzz corpora" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

find . -path ./build -prune -o -path ./.git -prune -o -type f -size +5M -print >"$TEST_TMP/out"
t "no file is larger than 5 MB" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

top='.ci .clang-format .editorconfig .gitignore CHANGELOG.md CONTRIBUTING.md GNUmakefile LICENSE README.md SECURITY.md
 base debian eifgen epoch installer layerfs man pcr runtime testdata tests'
cut -d/ -f1 "$TEST_TMP/files" | sort -u | grep -vxF "$(tr ' ' '\n' <<<"${top//$'\n'/ }" | grep .)" >"$TEST_TMP/out"
t "nothing else stands at the top" test ! -s "$TEST_TMP/out"; sed 's/^/# /' "$TEST_TMP/out"

for room in base epoch layerfs pcr eifgen installer runtime tests; do
	t "$room has a README" test -s "$room/README.md"
done

# What real builds wrote (testdata/scan) is not ours.
while read -r f; do
	head -c 64 "$f" | grep -qE '^#!.*(bash|sh)\b' && echo "$f"
done < <(grep -v '^testdata/scan/' "$TEST_TMP/files") | sort -u - <(ours '\.sh$') >"$TEST_TMP/scripts"
t "shell scripts are found" test "$(wc -l <"$TEST_TMP/scripts")" -gt 10
# Helpers that are called through `t`, and names that tests give their own files, are no fault.
while read -r f; do
	shellcheck -x -s bash -S warning -e SC2010,SC2034,SC2119,SC2120,SC2155 "$f" >>"$TEST_TMP/shellcheck" 2>&1
done <"$TEST_TMP/scripts"
t "shellcheck finds nothing" test ! -s "$TEST_TMP/shellcheck"; head -60 "$TEST_TMP/shellcheck" | sed 's/^/# /'
t_done
