#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `make install`, and what it installs: a page for every command that names every option of its --help, the pages of
# section 5, completions that complete. A second build of the pages gives the same bytes.
. tests/lib.sh

D=$TEST_TMP/root
t "make install" make -s install DESTDIR="$D" PREFIX=/usr
t "the program runs from there" "$D/usr/bin/eifgen" --version
man1=$D/usr/share/man/man1 man5=$D/usr/share/man/man5
t "an overview" test -s "$man1/eifgen.1"
# Plain words of a page: fonts, escapes and zero-width marks dropped.
plain() { sed -e 's/\\f[BIR]//g' -e 's/\\-/-/g' -e 's/\\&//g' -e "s/\\\\(aq/'/g" -e 's/\\//g' "$1"; }
t "the layout's page" grep -q 'TRAILER!!!' <(plain "$man5/eifgen-layout.5")
t "the record's page" grep -q eifgen-record/1 <(plain "$man5/eifgen-record.5")

eifgen --help >"$TEST_TMP/help"
commands=$(sed -n '/^$/,/^$/s/^  \([a-z][a-z-]*\) .*/\1/p' "$TEST_TMP/help")
plain "$man1/eifgen.1" >"$TEST_TMP/overview"
for c in $commands; do
	t "$c has a page" test -s "$man1/eifgen-$c.1"
	t "the overview names $c" grep -q "eifgen-$c(1)" "$TEST_TMP/overview"
	plain "$man1/eifgen-$c.1" >"$TEST_TMP/page"
	eifgen "$c" --help >"$TEST_TMP/help"
	for sub in $(grep -oE "^(Usage:|      ) eifgen $c [a-z]+\b" "$TEST_TMP/help" | awk '{ print $NF }'); do
		eifgen "$c" "$sub" --help >>"$TEST_TMP/help.sub" 2>/dev/null
	done
	[ ! -e "$TEST_TMP/help.sub" ] || { cat "$TEST_TMP/help.sub" >>"$TEST_TMP/help"; rm "$TEST_TMP/help.sub"; }
	missing=
	for o in $(grep -oE -- '(^|[ ,|])--?[a-zA-Z0-9][a-z0-9-]*' "$TEST_TMP/help" | tr -d ' ,|' | sort -u); do
		grep -qF -- "$o" "$TEST_TMP/page" || missing="$missing $o"
	done
	t "$c: every option is in its page" test -z "$missing"; [ -z "$missing" ] || echo "# missing:$missing"
	missing=
	for o in $(grep -oE -- '--[a-z0-9][a-zA-Z0-9-]+' "$TEST_TMP/help" | sort -u); do
		grep -qw -- "$o" "$D/usr/share/zsh/site-functions/_eifgen" || missing="$missing $o"
	done
	t "$c: every option is in zsh's completion" test -z "$missing"; [ -z "$missing" ] || echo "# missing:$missing"
done
for p in "$man1"/eifgen-*.1; do
	c=${p##*/eifgen-} c=${c%.1}
	t "the page of $c is of a command that exists" grep -qw "$c" <<<"$commands"
done
# Options that section 5 and the README speak of exist; those of an aws command in an example are aws's.
cat README.md "$D/usr/share/doc/eifgen/README.md" man/*.[!3].scd man/[!.]*[a-z].scd 2>/dev/null | sed '/^aws .*\\$/,/[^\\]$/d' | grep -oE -- '--[a-z][a-z0-9-]+' | sort -u >"$TEST_TMP/spoken"
for c in $commands; do eifgen "$c" --help; for sub in new init build dockerfile info clean; do eifgen "$c" $sub --help; done; done 2>/dev/null | grep -oE -- '--[a-z0-9][a-z0-9-]+' | sort -u >"$TEST_TMP/known"
printf -- '--version\n--unshallow\n--chmod\n--help\n--quiet\n--verbose\n' >>"$TEST_TMP/known"
t "no text speaks of an option that does not exist" test -z "$(grep -vxFf "$TEST_TMP/known" "$TEST_TMP/spoken")"
grep -vxFf "$TEST_TMP/known" "$TEST_TMP/spoken" | sed 's/^/# /'

# complete WORD…: what bash would offer for the last word.
complete_words() {
	bash -c 'complete() { :; }; . "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _eifgen
		echo "${COMPREPLY[*]}"' - "$D/usr/share/bash-completion/completions/eifgen" "$@"
}
t "bash completes a command" test "$(complete_words eifgen asse)" = assemble
t "bash completes an option" test "$(complete_words eifgen build --lay)" = --layout
t "bash completes behind a global option" test "$(complete_words eifgen -q epoc)" = epoch
t "bash leaves files to readline" test -z "$(complete_words eifgen build oci)"

mkdir "$TEST_TMP/second"
t "the generator again" man/generate.py "$EIFGEN_BIN/eifgen" man "$TEST_TMP/second"
t "gives the same" diff -r build/man/gen "$TEST_TMP/second"
t "no page bears the time of its making" bash -c '! grep -h "^.TH" "$0"/*.1 | grep -v 2026-11-22' "$man1"
t "nothing else is installed" test "$(find "$D" -type f | sed "s|^$D/usr/||; s|/[^/]*\$||" | sort -u | tr '\n' ' ')" = \
	"bin include lib lib/pkgconfig share/bash-completion/completions share/doc/eifgen share/doc/libcage-attest share/man/man1 \
share/man/man3 share/man/man5 share/zsh/site-functions "
t_done
