#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
#
# The parallel build equals the serial one: the release program with 1 to 8 threads, and the program built under the
# thread sanitizer with random delays at every hand-over between stages, over an image of several layers. One EIF.
. tests/lib.sh

img=$TEST_TMP/img
python3 - "$TEST_TMP" <<'PY'
import io, sys, tarfile
for n in range(6):
    out = tarfile.open("%s/layer-%d.tar" % (sys.argv[1], n), "w", format=tarfile.GNU_FORMAT)
    for i in range(400 // (n + 1)):
        t = tarfile.TarInfo("d%d/e%d/f%d" % (i % 7, i % 5, (i * 31 + n) % 300))
        data = (b"%d %d " % (n, i)) * (50 * (i % 40) ** 2 if i % 40 else 1)
        t.size, t.mtime = len(data), 1700000000 + i
        out.addfile(t, io.BytesIO(data))
    out.addfile(tarfile.TarInfo("d%d/.wh.e%d" % (n, n % 5)))
    out.close()
PY
python3 tests/bench/oci-layout.py "$img" "$TEST_TMP"/layer-*.tar
mkdir "$TEST_TMP/plat"
head -c 300000 /dev/zero | tr '\0' k >"$TEST_TMP/plat/bzImage"
printf 'reboot=k' >"$TEST_TMP/plat/cmdline"
echo init >"$TEST_TMP/plat/init"

# one NAME PROGRAM THREADS: builds $TEST_TMP/NAME.eif, quietly.
one() {
	"$2" -q build "oci:$img:bench" --blobs "$TEST_TMP/plat" --no-nsm -o "$TEST_TMP/$1.eif" --threads "$3" --record \
		"$TEST_TMP/$1.json" --epoch 7
}

t "one thread builds" one serial "$EIFGEN_BIN/eifgen" 1
for n in 2 3 4 5 6 7 8; do
	t "$n threads build" one "t$n" "$EIFGEN_BIN/eifgen" "$n"
	t "$n threads give the same file" cmp "$TEST_TMP/serial.eif" "$TEST_TMP/t$n.eif"
done

if make -s --no-print-directory TSAN=1 -j"$(nproc)" build/tsan/bin/eifgen >"$TEST_TMP/make.log" 2>&1; then
	export TSAN_OPTIONS="halt_on_error=1:exitcode=66"
	for n in 1 2 4 8; do
		export EIFGEN_DELAY=$((n * 7919))
		t "$n threads under the thread sanitizer, with delays" one "d$n" build/tsan/bin/eifgen "$n"
		t "$n delayed threads give the same file" cmp "$TEST_TMP/serial.eif" "$TEST_TMP/d$n.eif"
	done
else
	t_fail "the thread sanitizer's build"
	sed 's/^/# /' "$TEST_TMP/make.log" | tail -20
fi
t_done
