#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a build tells while it runs: on a terminal one line that is written over (stage, share, bytes, rate, time left) and
# wiped at the end, elsewhere one line of summary; under -q neither; never a word on stdout.
. tests/lib.sh

cd "$TEST_TMP" || exit 1
head -c 60000000 /dev/urandom >f
tar --owner=0 --group=0 -cf layer.tar f
python3 "$TOP/tests/bench/oci-layout.py" img layer.tar
mkdir plat
printf kernel >plat/bzImage; printf cmdline >plat/cmdline; printf init >plat/init
cat >terminal.py <<'PY'
"""Runs a command whose stderr is a terminal; what it wrote there goes to the first argument's file."""
import os, pty, subprocess, sys
master, slave = pty.openpty()
p = subprocess.Popen(sys.argv[2:], stderr=slave, stdin=subprocess.DEVNULL)
os.close(slave)
with open(sys.argv[1], "wb") as out:
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        out.write(piece)
sys.exit(p.wait())
PY
run=("$EIFGEN_BIN/eifgen" pcr oci:img:bench --blobs plat --no-nsm --epoch 7)

t "a run on a terminal" bash -c 'python3 terminal.py shown "$@" >answer' - "${run[@]}"
tr '\r' '\n' <shown | grep -v '^eifgen: warning: ' | sed 's/ *$//' >lines
t "both stages are shown" bash -c 'grep -q "^layers " lines && grep -q "^writing " lines'
t "each line has share, bytes and rate" bash -c \
	'! grep -vE "^((layers|writing) +[0-9]+ % +[0-9.]+ of [0-9.]+ MB +[0-9.]+ MB/s( +[0-9]+ s left)?)?$" lines'
t "the time left is told" grep -q ' s left$' lines
t "no share is past a hundred" bash -c "! grep -oE '[0-9]+ %' lines | awk '\$1 > 100' | grep ."
t "the total is the layer's size" test "$(awk '/^layers/ { print $6; exit }' lines)" = \
	"$(find img/blobs -size +1000k -printf '%s\n' | awk '{ printf "%.1f", $1 / 1000000 }')"
t "the bytes only grow" bash -c "awk '/^layers/ { if (\$4 + 0 < last) bad = 1; last = \$4 } END { exit bad }' lines"
t "only a warning ends a line" test "$(tr -cd '\n' <shown | wc -c)" = "$(grep -c 'eifgen: warning: ' shown)"
t "and wipes it" test -z "$(tail -n 1 lines)"
t "stdout is the answer alone" jq -e .Measurements.PCR0 answer

t_exit 0 "a run without a terminal" "${run[@]}"
t "says one line" grep -cxE 'eifgen: [0-9.]+ MB of layers read and [0-9.]+ MB of EIF measured in [0-9.]+ s' err
t "and no other" test "$(grep -vc "^eifgen: warning: " err)" = 1
t "the answer is the same" cmp answer out
t "a quiet run on a terminal" bash -c 'python3 terminal.py shown "$0" -q "$@" >answer' "${run[@]}"
t "shows nothing" test ! -s shown
t_exit 0 "a quiet run without" "${run[0]}" -q "${run[@]:1}"
t "says nothing" test ! -s err
t_exit 2 "a run that fails" "${run[0]}" pcr oci:img:bench --blobs nowhere
t_done
