#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The benchmark's programs run, on an image of a moment and once each: every row is measured, JSON and text hold the same
# figures with their ratios, and the plot has every row. What the figures are is no matter here.
. tests/lib.sh

cd "$TEST_TMP" || exit 1
bench=$TOP/tests/bench
python3 - <<'PY'
import io, tarfile
def layer(name, *files):
    with tarfile.open(name, "w", format=tarfile.GNU_FORMAT) as out:
        for path, data in files:
            t = tarfile.TarInfo(path)
            t.size, t.mtime = len(data), 1700000000
            out.addfile(t, io.BytesIO(data))
layer("base.tar", *(("f%d" % i, b"%d" % i * 1000000) for i in range(9)))
layer("top.tar", ("top", b"top"))
layer("late.tar", ("top", b"top"), ("z", b"changed"))
PY
mkdir images
python3 "$bench/oci-layout.py" images/tiny base.tar top.tar
python3 "$bench/oci-layout.py" images/tiny-late --like images/tiny late.tar
python3 "$bench/many-files.py" 500 >many.tar
python3 "$bench/oci-layout.py" images/entries-500 many.tar
t "many-files.py makes as many files as asked for" test "$(tar -tf many.tar | grep -c file-)" = 500

t_exit 0 "bench.py" "$bench/bench.py" "$EIFGEN_BIN/eifgen" images --runs 1 --sizes tiny --entries 500 --json r.json --markdown r.md
t "leaves nothing beside its results" test "$(ls images)" = "$(printf '%s\n' entries-500 tiny tiny-late)"
t "no measurement failed" bash -c '! grep "failed: " err | grep -v "^umoci "'
want=("eifgen build" "eifgen build --no-record" "eifgen pcr, cold" "eifgen pcr, cold, filling the cache" "eifgen pcr, warm" floor)
# umoci sets owners, which only root may.
! { command -v umoci && command -v cpio && [ "$(id -u)" = 0 ]; } >/dev/null || want+=("umoci + cpio + assemble")
! command -v tar2sqfs >/dev/null || want+=("tar2sqfs (lz4), layer by layer")
! command -v skopeo >/dev/null || want+=("skopeo copy to dir")
for row in "${want[@]}"; do
	t "$row: wall and CPU time, bytes a second, ratios" jq -e --arg r "$row" \
		'.sizes.tiny.rows[$r] | .wall > 0 and .cpu > 0 and .["bytes/s"] > 0 and (.["wall over"] | length) > 0' r.json
	t "$row: a line of the table" grep -qF "| $row | " r.md
done
t "the floor is one floor" jq -e '.sizes.tiny.rows.floor["wall over"].floor == 1' r.json
t "so many ratios as there are peers" test "$(jq '.sizes.tiny.rows["eifgen build"]["wall over"] | length' r.json)" = $((${#want[@]} - 5))
t "peak memory" jq -e '.sizes.tiny.rows["eifgen build"].kb > 1000' r.json
t "the changed image: one of two layers is inflated" jq -e \
	'[.sizes.tiny.rows | to_entries[] | select(.key | startswith("eifgen pcr, warm, changed at "))][0].value.change |
	.inflated == 1 and .layers == 2 and .at > 8500000' r.json
t "entries: both commands" jq -e '.entries["500"] | .pcr.cpu > 0 and .build.cpu > 0' r.json
t "verdicts in both" test "$(jq '.promised | length' r.json)" = "$(sed -n '/^### What was promised/,/^### tiny/p' r.md | grep -c 'reached')"
t "the machine is described" jq -e '.machine | .processors > 0 and (.kernel | length) > 0 and .["busy at start"] >= 0 and .["busy at end"] <= 1' r.json
t "report.py writes the same text from the JSON" bash -c '"$0/report.py" r.json | cmp - r.md' "$bench"
t "plot.py's script has every row" test "$("$bench/plot.py" r.json - | grep -c '^e$')" = "$(jq '.sizes.tiny.rows | length' r.json)"
if command -v gnuplot >/dev/null; then
	t "plot.py draws them" bash -c '"$0/plot.py" r.json r.svg && grep -q "<svg" r.svg' "$bench"
fi
t_done
