#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A disk that fills, under the spool and under the output: exit 2, one line that names the directory or the file, nothing
# left behind, and an output that was there before untouched. On a small tmpfs where mounting is allowed; everywhere by a
# limit on the size of files.
. tests/lib.sh

W=$TEST_TMP
head -c 6000000 /dev/urandom >"$W/f"
tar -C "$W" --owner=0 --group=0 -cf "$W/layer.tar" f
python3 tests/bench/oci-layout.py "$W/img" "$W/layer.tar"
mkdir "$W/plat" "$W/small" "$W/out.d" "$W/tmp"
printf kernel >"$W/plat/bzImage"; printf cmdline >"$W/plat/cmdline"; printf init >"$W/plat/init"
common=(--blobs "$W/plat" --no-nsm --epoch 7)
build() { eifgen -q build "oci:$W/img:bench" "${common[@]}" "$@"; }
empty() { test -z "$(ls -A "$1")"; }

t "there is room" build -o "$W/good.eif"

# ---- a limit on the size of files, with its signal ignored
limited() { bash -c 'trap "" XFSZ; ulimit -f "$0"; exec "$@"' "$@"; } # limited KIB COMMAND…
t_exit 2 "a spool that may not grow" limited 2000 "$EIFGEN_BIN/eifgen" -q pcr "oci:$W/img:bench" "${common[@]}" --tmpdir "$W/tmp"
t_says "names its directory" "temporary file in \"$W/tmp\""
t "and leaves nothing there" empty "$W/tmp"
cp "$W/good.eif" "$W/out.d/o.eif"
python3 "$TOP/tests/bench/oci-layout.py" "$W/tiny" <(tar -C "$W/plat" -c init) 2>/dev/null ||
	{ tar -C "$W/plat" -cf "$W/tiny.tar" init; rm -rf "$W/tiny"; python3 tests/bench/oci-layout.py "$W/tiny" "$W/tiny.tar"; }
head -c 4000000 /dev/zero >"$W/plat/bzImage" # past the limit, though the spool is not
t_exit 2 "an output that may not grow" limited 2000 "$EIFGEN_BIN/eifgen" -q build "oci:$W/tiny:bench" "${common[@]}" \
	--tmpdir "$W/tmp" -o "$W/out.d/o.eif"
t_says "says why" "output file: write: File too large"
t "the output that was there is untouched" cmp "$W/good.eif" "$W/out.d/o.eif"
t "and alone" test "$(ls -A "$W/out.d")" = o.eif
eifgen -q build "oci:$W/tiny:bench" "${common[@]}" -o "$W/r.eif" >/dev/null
t_exit 2 "a rebuild's hidden file" limited 2000 "$EIFGEN_BIN/eifgen" -q rebuild "$W/r.eif.record.json" --blobs "$W/plat" --no-nsm \
	--tmpdir "$W/tmp"
t_says "names its directory" "temporary file in \"$W/tmp\": output file: write: File too large"
printf kernel >"$W/plat/bzImage"
head -c 4000000 /dev/zero >"$W/plat/init"
t_exit 2 "what diff lays out" limited 8000 "$EIFGEN_BIN/eifgen" -q diff "oci:$W/img:bench" "oci:$W/tiny:bench" "${common[@]}" --tmpdir "$W/tmp"
t_says "names its directory" "temporary file in \"$W/tmp\": write: File too large"
printf init >"$W/plat/init"
tar -C "$W/img" -czf "$W/img.tar.gz" .
t_exit 2 "an archive's plain bytes" limited 2000 "$EIFGEN_BIN/eifgen" -q pcr "oci-archive:$W/img.tar.gz:bench" "${common[@]}" --tmpdir "$W/tmp"
t_says "names their directory" "temporary file in \"$W/tmp\": write: File too large"
socket=$(mktemp -u /tmp/eifgen-sock-XXXXXX) # a short path: unix sockets have 107 bytes
timeout 60 python3 tests/tools/docker_replay.py "$socket" "$W/layer.tar" docker.io/team/app:v1 >/dev/null 2>&1 &
replay=$!
for _ in $(seq 100); do [ -S "$socket" ] && break; sleep 0.1; done
t_exit 2 "a daemon's archive" env DOCKER_HOST="unix://$socket" bash -c 'trap "" XFSZ; ulimit -f 2000; exec "$@"' - "$EIFGEN_BIN/eifgen" -q \
	pcr docker-daemon:team/app:v1 "${common[@]}" --tmpdir "$W/tmp"
t_says "names its directory" "temporary file in \"$W/tmp\": write: File too large"
kill "$replay"; rm -f "$socket"
t "none of them leaves anything there" empty "$W/tmp"

# ---- a file system of three megabytes
if why=$(mount -t tmpfs -o size=3m eifgen-test "$W/small" 2>&1); then
	trap 'umount "$W/small"' EXIT
	for threads in 1 2; do
		t_exit 2 "$threads threads: a spool's disk that fills" build --tmpdir "$W/small" --threads $threads -o "$W/o.eif"
		t_says "$threads threads: its directory is named" "temporary file in \"$W/small\""
		t_says "$threads threads: the reason too" "No space left on device"
		t "$threads threads: nothing is left in it" empty "$W/small"
		t "$threads threads: nor is there an output" bash -c '! ls "$0"/o.eif* 2>/dev/null' "$W"
		t "$threads threads: the disk is free again" bash -c 'head -c 2500000 /dev/zero >"$0/probe" && rm "$0/probe"' "$W/small"
		t_exit 2 "$threads threads: an output's disk that fills" build --threads $threads -o "$W/small/o.eif"
		t_says "$threads threads: the reason is given" "output file: write: No space left on device"
		t "$threads threads: nothing is left there" empty "$W/small"
	done
	echo before >"$W/small/o.eif"
	t_exit 2 "an output is there and its disk fills" build -o "$W/small/o.eif"
	t "it stays as it was" grep -qx before "$W/small/o.eif"
	t "and alone" test "$(ls -A "$W/small")" = o.eif
	rm "$W/small/o.eif"
	t "a cache whose disk fills keeps less, and the answer is the same" bash -c \
		'XDG_CACHE_HOME="$0" "$1/eifgen" "${@:2}" --cache >"$0/../warm" && XDG_CACHE_HOME="$0" "$1/eifgen" "${@:2}" >"$0/../cold" && cmp "$0/../warm" "$0/../cold"' \
		"$W/small" "$EIFGEN_BIN" -q pcr "oci:$W/img:bench" "${common[@]}"
	t "… with no temporary file left" test -z "$(find "$W/small" -name '*.tmp-*')"
	# The spool goes before the cache on the disk that they share: 8 MB that inflate from little are stored while 12 more
	# are to come.
	umount "$W/small" && mount -t tmpfs -o size=24m eifgen-test "$W/small"
	python3 - "$W" <<'PY'
import os, random, sys, tarfile
w = sys.argv[1]
os.makedirs(w + "/two")
open(w + "/two/lower", "wb").write(random.Random(1).randbytes(20000) * 400)
open(w + "/two/upper", "wb").write(b"u" * 12000000)
for name in ("lower", "upper"):
    with tarfile.open(w + "/two/" + name + ".tar", "w") as out: out.add(w + "/two/" + name, name)
PY
	python3 tests/bench/oci-layout.py "$W/img-two" "$W/two/lower.tar" "$W/two/upper.tar"
	two() { eifgen -q pcr "oci:$W/img-two:bench" "${common[@]}" --threads 1 --tmpdir "$W/small" "$@"; }
	stored() { find "$W/small/eifgen" -name '*.layer' | wc -l; }
	export XDG_CACHE_HOME=$W/small
	two >"$W/cold"
	head -c 10000000 /dev/zero >"$W/small/other"
	t_exit 2 "an image too large for the disk, with a cache" two --cache
	t_says "names the spool's directory" "temporary file in \"$W/small\""
	t "leaves nothing in the cache" test "$(stored)" = 0
	rm "$W/small/other"
	t_exit 0 "an image that fits only without the cache" two --cache
	t "gives the same answer" cmp "$W/cold" "$TEST_TMP/out"
	t "and what was stored has given way" test "$(stored)" = 0
	rm -rf "$W/small/eifgen"
	t_exit 0 "an EIF that fits only without the cache" eifgen -q build "oci:$W/img-two:bench" "${common[@]}" --no-record --cache \
		--tmpdir "$W/tmp" -o "$W/small/two.eif"
	t "is whole" eifgen verify "$W/small/two.eif"
	t "and what was stored has given way to it" test "$(stored)" = 0
	export XDG_CACHE_HOME=$W/elsewhere
	mkdir "$W/elsewhere"
	rm "$W/small/two.eif"
	head -c 10000000 /dev/zero >"$W/small/other"
	t_exit 2 "an EIF too large for its disk, the cache on another" eifgen -q build "oci:$W/img-two:bench" "${common[@]}" --no-record --cache \
		--tmpdir "$W/tmp" -o "$W/small/two.eif"
	t "what was stored stays, for another disk gains nothing" test "$(find "$W/elsewhere/eifgen" -name '*.layer' | wc -l)" = 2
	rm "$W/small/other"
	unset XDG_CACHE_HOME
	umount "$W/small" && mount -t tmpfs -o size=3m eifgen-test "$W/small"
	t "a bundle of work that fits is done there" eifgen -q pcr "oci:$W/tiny:bench" "${common[@]}" --tmpdir "$W/small"
else
	t_skip "a disk that fills" "no tmpfs may be mounted here: $why"
fi
t_done
