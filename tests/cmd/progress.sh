#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a build tells while it runs: on a terminal one line that is written over (stage, share, bytes, rate, time left,
# what the cache knew) and wiped at the end and before every warning, as wide as the terminal is; elsewhere one line of
# summary; under -q neither; never a word on stdout.
. tests/lib.sh

cd "$TEST_TMP" || exit 1
# Two layers; the second's `z` loses something, which is warned of when all of `f` and `g` is written.
python3 - <<'PY'
import io, os, tarfile
def write(path, *files):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as out:
        for name, size, records in files:
            t = tarfile.TarInfo(name)
            t.size, t.pax_headers = size, records
            out.addfile(t, io.BytesIO(os.urandom(size)))
write("low.tar", ("f", 60000000, {}))
write("top.tar", ("g", 40000000, {}), ("z", 10, {"SCHILY.xattr.user.note": "x"}))
PY
python3 "$TOP/tests/tools/mkoci.py" img '{"config":{"Cmd":["/f"]}}' low.tar top.tar
mkdir plat
printf kernel >plat/bzImage; printf cmdline >plat/cmdline; printf init >plat/init
mkdir zz; echo other >zz/zz # behind `f`: what comes before it is as it was
run=("$EIFGEN_BIN/eifgen" pcr oci:img:latest --blobs plat --no-nsm --epoch 7)
on_terminal() { TERM=xterm python3 "$TOP/tests/tools/terminal.py" "$@" >answer; }
# lines FILE: what was written there, a line each time.
lines() { tr '\r' '\n' <"$1" | grep -v '^eifgen: warning: ' | sed 's/ *$//'; }
# looks FILE: every line is its parts in order.
looks() { ! lines "$1" | grep -vE "^((layers|writing) +[0-9]+ %( +[0-9.]+ of [0-9.]+ MB( +[0-9.]+ MB/s( +[0-9]+ s left)?( +\([0-9.]+ MB known\))?)?)?|opening  [0-9]+ s)?$"; }
warnings() { printf '%s\n' "eifgen: warning: the kernel is no bzImage: no Nitro machine will boot it" \
	'eifgen: warning: entry "z": its extended attributes are lost: newc has none'; }

t "a run on a terminal" on_terminal shown "${run[@]}"
lines shown >lines
t "both stages are shown" bash -c 'grep -q "^layers " lines && grep -q "^writing " lines'
t "each line has share, bytes and rate" looks shown
t "the time left is told" grep -q ' s left$' lines
t "nothing is known without a cache" bash -c '! grep known lines'
t "no share is past a hundred" bash -c "! grep -oE '[0-9]+ %' lines | awk '\$1 > 100' | grep ."
t "the total is the layers' size" test "$(awk '/^layers/ { print $6; exit }' lines)" = \
	"$(stat -c %s low.tar top.tar | awk '{ n += $1 } END { printf "%.1f", n / 1000000 }')"
t "the bytes only grow" bash -c "awk '/^layers/ { if (\$4 + 0 < last) bad = 1; last = \$4 } END { exit bad }' lines"
t "what stands at the end are the warnings alone" diff <(warnings) shown.screen
t "stdout is the answer alone" jq -e .Measurements.PCR0 answer
cp answer right

# ---- terminals of other widths, and of other kinds
for columns in 60 40 21; do
	t "on a terminal of $columns columns" on_terminal shown --columns $columns "${run[@]}" --threads 1
	t "$columns columns: something is shown" grep -q '[0-9] %' shown
	t "$columns columns: each part is whole or left out" looks shown
	t "$columns columns: no row is left behind" diff <(warnings) shown.screen
done
t "a terminal that becomes narrower" on_terminal shown --columns 100 --resize 45 "${run[@]}" --threads 1
lines shown >lines
t "had longer lines" bash -c "lines() { awk 'length > 45' \$1; }; lines lines | grep -q left"
t "has shorter ones from then on" bash -c "tr '\r' '\n' <shown.after | tail -n +3 | grep -v warning: >after; grep -q ' %' after && ! awk 'length > 44' after | grep ."
t "a terminal of 19 columns" on_terminal shown --columns 19 "${run[@]}"
t "is shown no share" bash -c '! grep %  shown'
for term in dumb ""; do
	t "TERM=$term" env TERM="$term" python3 "$TOP/tests/tools/terminal.py" shown "${run[@]}" -q
	t "is shown nothing under -q" test ! -s shown
	t "TERM=$term" env TERM="$term" python3 "$TOP/tests/tools/terminal.py" shown "${run[@]}"
	t "is shown no line that is written over" bash -c "! grep -q \$'\r' shown"
	t "but the summary" grep -qE 'MB of layers read and .* MB of EIF measured' shown
done

# ---- an image that is long to open
skopeo --insecure-policy copy -q "oci:$TOP/testdata/images/plain" docker-archive:plain.tar:docker.io/team/app:v1
timeout 60 python3 "$TOP/tests/tools/docker_replay.py" sock plain.tar docker.io/team/app:v1 - 1 & replay=$!
for _ in $(seq 100); do [ -S sock ] && break; sleep 0.1; done
t "a daemon that takes a second to answer" env DOCKER_HOST="unix://$PWD/sock" TERM=xterm \
	python3 "$TOP/tests/tools/terminal.py" shown "${run[@]:0:2}" docker-daemon:docker.io/team/app:v1 "${run[@]:3}"
kill $replay
t "is waited for with the seconds told" grep -qx "opening  [0-9]* s" <(lines shown)
t "and what stands at the end is the warning alone" diff <(warnings | head -n 1) shown.screen

# ---- no terminal
t_exit 0 "a run without a terminal" "${run[@]}"
t "says one line" grep -qxE 'eifgen: 100\.0 MB of layers read and 100\.0 MB of EIF measured in [0-9.]+ s' err
t "and no other" test "$(grep -vc "^eifgen: warning: " err)" = 1
t "the answer is the same" cmp right out
t "a quiet run on a terminal" on_terminal shown "${run[@]}" -q
t "shows nothing" test ! -s shown
t_exit 0 "a quiet run without" "${run[0]}" -q "${run[@]:1}"
t "says nothing" test ! -s err
t_exit 2 "a run that fails" "${run[0]}" pcr oci:img:latest --blobs nowhere

# ---- with a cache: what this run did, and what was known
export XDG_CACHE_HOME=$TEST_TMP/xdg
t "a first run with a cache" on_terminal shown "${run[@]}" --cache
t "looks like one without" looks shown
t "counts what is measured as it goes" bash -c "tr '\r' '\n' <shown | grep -q '^writing  100 %     100.0 of 100.0 MB'"
t "and the layers to their end" bash -c "tr '\r' '\n' <shown | grep -q '^layers   100 %     100.0 of 100.0 MB'"
t "a second one" on_terminal shown "${run[@]}" --cache
t "looks the same" looks shown
t "has all layers known" grep -qE '^layers +100 % +0.0 of 0.0 MB .*\(100.0 MB known\)$' <(lines shown)
t "and all of the ramdisk" grep -qE '^writing +.*\(100.0 MB known\)$' <(lines shown)
t "gives the same answer" cmp right answer
t_exit 0 "a warm run without a terminal" "${run[@]}" --cache
t "says what it read and what was known" grep -qxE \
	'eifgen: 0\.0 MB of layers read \(100\.0 MB known\) and 0\.0 MB of EIF measured \(100\.0 MB known\) in [0-9.]+ s' err
python3 "$TOP/tests/tools/mkoci.py" img2 '{"config":{"Cmd":["/f"]}}' low.tar zz
t_exit 0 "a warm run of an image with another top layer" "${run[0]}" pcr oci:img2:latest "${run[@]:3}" --cache
t "says each" grep -qxE \
	'eifgen: 0\.0 MB of layers read \(60\.0 MB known\) and [0-4]\.[0-9] MB of EIF measured \((5[6-9]|60)\.[0-9] MB known\) in [0-9.]+ s' err
t_done
