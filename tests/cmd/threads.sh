#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
#
# The parallel build equals the serial one: the release program with 1 to 8 threads, and the program built under the
# thread sanitizer with random delays at every hand-over between stages. One EIF, one record, one prediction: in the
# canonical layout of an OCI image with layers in gzip, zstd and none, in nitro-cli's, signed, of the same image as a
# docker-archive; with a cache that is empty and with one that is full. There are more layers than threads, so that each
# thread has one, and one of them is there twice, so that two threads may keep it at once.
. tests/lib.sh

python3 - "$TEST_TMP" <<'PY'
import io, sys, tarfile
for n in range(9):
    out = tarfile.open("%s/%d.tar" % (sys.argv[1], n), "w", format=tarfile.GNU_FORMAT)
    for i in range(200 // (n + 1)):
        t = tarfile.TarInfo("d%d/e%d/f%d" % (i % 7, i % 5, (i * 31 + n) % 300))
        data = (b"%d %d " % (n, i)) * (50 * (i % 40) ** 2 if i % 40 else 1)
        t.size, t.mtime = len(data), 1700000000 + i
        out.addfile(t, io.BytesIO(data))
    out.addfile(tarfile.TarInfo("d%d/.wh.e%d" % (n, n % 5)))
    out.close()
PY
cd "$TEST_TMP" || exit 1
order=(0 1 2 5 6 3 4 1 7 8)
image() { python3 "$TOP/tests/tools/mkoci.py" "$1" '{"config":{"Cmd":["/bin/true"]}}' "${@:2}"; }
image plain "${order[@]/%/.tar}"
skopeo --insecure-policy copy -q oci:plain:latest docker-archive:docker.tar:threads:latest
gzip -n {0,1,2,3,4}.tar
zstd -q --rm {5,6}.tar
layers=(); for n in "${order[@]}"; do layers+=("$n".tar*); done
image oci "${layers[@]}"
cd "$TOP" || exit 1
eifgen cert new --key-out "$TEST_TMP/key.pem" --cert-out "$TEST_TMP/cert.pem" >/dev/null
mkdir "$TEST_TMP/plat"
head -c 300000 /dev/zero | tr '\0' k >"$TEST_TMP/plat/bzImage"
printf 'reboot=k' >"$TEST_TMP/plat/cmdline"
echo init >"$TEST_TMP/plat/init"

# one NAME PROGRAM THREADS LAYOUT [OPTION…]: builds $TEST_TMP/NAME.eif and its record, quietly; predicts into NAME.pcr.
one() {
	local name=$1 program=$2 image=oci:$TEST_TMP/oci:latest
	local options=(--blobs "$TEST_TMP/plat" --no-nsm --epoch 7 --threads "$3" --layout "$4")
	[ "$4" = canonical ] || { image=docker-archive:$TEST_TMP/docker.tar options+=(--sign-cert "$TEST_TMP/cert.pem" --sign-key "$TEST_TMP/key.pem"); }
	shift 4
	"$program" -q build "$image" "${options[@]}" -o "$TEST_TMP/$name.eif" --record "$TEST_TMP/$name.json" "$@" &&
		"$program" -q pcr "$image" "${options[@]}" "$@" >"$TEST_TMP/$name.pcr"
}
same() { # same NAME LAYOUT: as the serial one
	local end
	for end in eif json pcr; do cmp "$TEST_TMP/serial-$2.$end" "$TEST_TMP/$1.$end" || return 1; done
	rm "$TEST_TMP/$1".*
}

export XDG_CACHE_HOME=$TEST_TMP/xdg
for layout in canonical nitro-cli; do
	t "$layout: one thread" one "serial-$layout" "$EIFGEN_BIN/eifgen" 1 "$layout"
	t "$layout: its prediction is what it builds" test "$(jq -c .Measurements "$TEST_TMP/serial-$layout.pcr")" = \
		"$(eifgen pcr "$TEST_TMP/serial-$layout.eif" | jq -c .Measurements)"
	for n in 2 3 4 5 6 7 8; do
		t "$layout: $n threads" one "t$n" "$EIFGEN_BIN/eifgen" "$n" "$layout"
		t "$layout: $n threads, the same files" same "t$n" "$layout"
	done
	for n in 1 2 3 4 5 6 7 8; do
		rm -rf "$XDG_CACHE_HOME"
		t "$layout: $n threads fill a cache" one "c$n" "$EIFGEN_BIN/eifgen" "$n" "$layout" --cache
		t "$layout: $n threads and an empty cache, the same files" same "c$n" "$layout"
		t "$layout: $n threads use it" one "w$n" "$EIFGEN_BIN/eifgen" "$n" "$layout" --cache
		t "$layout: $n threads and a full cache, the same files" same "w$n" "$layout"
	done
done
t "the images differ by layout" bash -c '! cmp -s "$0/serial-canonical.eif" "$0/serial-nitro-cli.eif"' "$TEST_TMP"

if make -s --no-print-directory TSAN=1 -j"$(nproc)" build/tsan/bin/eifgen >"$TEST_TMP/make.log" 2>&1; then
	export TSAN_OPTIONS="halt_on_error=1:exitcode=66"
	# Loudly and on a terminal, so that the thread of the progress line and who writes over it meet.
	t "a line of progress under the thread sanitizer" env TERM=xterm python3 tests/tools/terminal.py "$TEST_TMP/shown" \
		build/tsan/bin/eifgen -v pcr "oci:$TEST_TMP/oci:latest" --blobs "$TEST_TMP/plat" --no-nsm --threads 4
	t "was shown" grep -q 'layers .* %' "$TEST_TMP/shown"
	t "and is gone" bash -c '! grep -v "^eifgen: " "$0"' "$TEST_TMP/shown.screen"
	for n in 1 2 3 4 5 6 7 8; do
		export EIFGEN_DELAY=$((n * 7919))
		t "$n threads under the thread sanitizer, with delays" one "d$n" build/tsan/bin/eifgen "$n" canonical
		t "$n delayed threads, the same files" same "d$n" canonical
		rm -rf "$XDG_CACHE_HOME"
		t "$n delayed threads fill a cache" one "e$n" build/tsan/bin/eifgen "$n" nitro-cli --cache
		t "… the same files" same "e$n" nitro-cli
		t "$n delayed threads use it" one "f$n" build/tsan/bin/eifgen "$n" nitro-cli --cache
		t "… the same files" same "f$n" nitro-cli
	done
else
	t_fail "the thread sanitizer's build"
	sed 's/^/# /' "$TEST_TMP/make.log" | tail -20
fi
t_done
