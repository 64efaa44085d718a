#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
#
# One image in every form that skopeo and Docker give it: OCI layout, OCI archive, docker-archive, compressed archives,
# zstd and plain layers, a Docker daemon. Each form must give the same PCRs and the same listing (but for the names of
# layers, which are those of their stored bytes).
. tests/lib.sh
. tests/tools/registry-lib.sh
export HOME=$TEST_TMP
unset DOCKER_HOST
cd "$TOP" || exit 1

L=$TEST_TMP/layout T=$TEST_TMP
make_image "$L" || { t_fail "an image is made"; t_done; }
echo kernel >"$T/kernel"
cp "$EIFGEN_BIN/eifgen" "$T/init"
pcrs() {
	eifgen pcr "$@" --kernel "$T/kernel" --cmdline "console=ttyS0" --init "$T/init" --epoch 315532801 >"$T/answer" || return
	jq -c .Measurements "$T/answer"
}
want=$(pcrs "oci:$L:v1")
t "the layout has PCRs" test -n "$want"
eifgen ls --json "oci:$L:v1" | jq -c 'del(.entries[].layer)' >"$T/listing"

# same NAME REFERENCE…
same() {
	local name=$1 got; shift
	got=$(pcrs "$@" 2>"$T/err")
	t "$name: same PCRs" test "$got" = "$want"
	[ "$got" = "$want" ] || sed 's/^/# /' "$T/err"
	eifgen ls --json "$@" 2>/dev/null | jq -c 'del(.entries[].layer)' >"$T/other"
	t "$name: same listing" cmp "$T/other" "$T/listing"
}

# ---- skopeo's forms -----------------------------------------------------------------------------------------------------
copy() { skopeo copy -q "$@" 2>"$T/skopeo.err" || { t_fail "skopeo copy $*"; cat "$T/skopeo.err"; }; }
copy "oci:$L:v1" "oci-archive:$T/oci.tar:v1"
copy "oci:$L:v1" "docker-archive:$T/docker.tar:team/app:v1"
copy --dest-compress --dest-compress-format zstd "oci:$L:v1" "oci:$T/zstd:v1"
copy --dest-decompress "oci:$L:v1" "dir:$T/plain" && copy --format oci "dir:$T/plain" "oci:$T/plainoci:v1"
same "a bare archive path" "$T/oci.tar"
same "oci-archive:" "oci-archive:$T/oci.tar:v1"
same "docker-archive:" "docker-archive:$T/docker.tar"
same "docker-archive: by name" "docker-archive:$T/docker.tar:team/app:v1"
same "docker-archive: by place" "docker-archive:$T/docker.tar:@0"
same "a bare docker-archive" "$T/docker.tar"
same "zstd layers" "oci:$T/zstd:v1"
same "skopeo's own conversion of plain layers" "oci:$T/plainoci:v1"
gzip -k "$T/docker.tar" && same "a gzipped docker-archive" "$T/docker.tar.gz"
gzip -k "$T/oci.tar" && same "a gzipped oci-archive" "oci-archive:$T/oci.tar.gz:v1"
copy "oci:$L:v1" "oci-archive:$T/hello.tar"
same "an archive without a name" "oci-archive:$T/hello.tar"
t_exit 2 "a name that is not there" eifgen ls "oci-archive:$T/oci.tar:v9"
t_says "names those that are" '"v1"'
t_exit 2 "a directory of skopeo's dir: form" eifgen ls "$T/plain"
t_says "says what to do" "skopeo copy"
head -c 100000 "$T/oci.tar" >"$T/cut.tar"
t_exit 2 "a truncated archive" eifgen ls "$T/cut.tar"
t_exit 2 "a layout without its blobs" eifgen ls "oci:$T"
t_exit 2 "storage that is skopeo's" eifgen ls containers-storage:app:v1
t_says "says the line that helps" "skopeo copy 'containers-storage:app:v1' oci:image:latest"

# ---- Docker's daemon: replayed everywhere, real where one can start ----------------------------------------------------
sock=$T/replay.sock
timeout 300 python3 tests/tools/docker_replay.py "$sock" "$T/docker.tar" docker.io/team/app:v1 >"$T/replay.out" 2>&1 &
SERVERS+=($!)
timeout 300 python3 tests/tools/docker_replay.py "$T/cut.sock" "$T/docker.tar" docker.io/team/app:v1 1000000 >"$T/cut.out" 2>&1 &
SERVERS+=($!)
wait_for "$sock" && wait_for "$T/cut.sock"
same "docker-daemon: (a recorded exchange)" --docker-host "unix://$sock" docker-daemon:team/app:v1
DOCKER_HOST=unix://$sock same "DOCKER_HOST" docker-daemon:team/app:v1
t_exit 2 "an image that the daemon lacks" eifgen ls --docker-host "unix://$sock" docker-daemon:team/app:v2
t_says "in its own words" "reference does not exist"
t_exit 2 "a daemon that stops in the middle" eifgen ls --docker-host "unix://$T/cut.sock" docker-daemon:team/app:v1
t_exit 2 "an image larger than allowed" eifgen ls --max-expanded 100000 --docker-host "unix://$sock" docker-daemon:team/app:v1
t_says "names the option" "--max-expanded"
t_exit 2 "no daemon" eifgen ls --docker-host "unix://$T/nobody.sock" docker-daemon:team/app:v1
DOCKER_HOST=tcp://127.0.0.1:1 t_exit 2 "a daemon elsewhere, by the environment" eifgen ls docker-daemon:team/app:v1
t_says "is not taken for the one here" 'Docker daemon at "tcp://127.0.0.1:1": no unix socket'
t_exit 2 "a daemon elsewhere" eifgen ls --docker-host tcp://127.0.0.1:1 docker-daemon:team/app:v1

real=$(mktemp -d /tmp/eifgen-dockerd-XXXXXX) # a short path: unix sockets have 107 bytes
why="dockerd is not installed or we are not root"
if [ "$(id -u)" -eq 0 ] && command -v dockerd >/dev/null; then
	timeout 200 dockerd --iptables=false --ip6tables=false --bridge=none --ip-forward=false --ip-masq=false \
		--storage-driver=vfs --data-root "$real/data" --exec-root "$real/exec" --host "unix://$real/sock" \
		--pidfile "$real/pid" --containerd= >"$real/log" 2>&1 &
	dockerd=$!
	for _ in $(seq 150); do
		kill -0 "$dockerd" 2>/dev/null || break
		curl -sf --unix-socket "$real/sock" http://localhost/_ping >/dev/null && break
		sleep 0.2
	done
	why="dockerd does not start here: $(tail -1 "$real/log" | tr -d '"#' | cut -c1-200)"
fi
# A daemon may start where it cannot unpack (inside a chroot, for instance): then it holds no image to ask for.
loaded=
if curl -sf --unix-socket "$real/sock" http://localhost/_ping >/dev/null 2>&1; then
	curl -sf --unix-socket "$real/sock" -X POST -H 'Content-Type: application/x-tar' --data-binary "@$T/docker.tar" \
		http://localhost/images/load >"$T/load"
	why="dockerd cannot load an image here: $(tail -1 "$T/load" | tr -d '"#' | cut -c1-200)"
	curl -sf --unix-socket "$real/sock" http://localhost/images/team/app:v1/json >/dev/null && loaded=yes
fi
if [ -n "$loaded" ]; then
	same "docker-daemon: (a real one)" --docker-host "unix://$real/sock" docker-daemon:team/app:v1
	id=$(skopeo inspect --raw "oci:$L:v1" | jq -r .config.digest)
	same "docker-daemon: by the image's id" --docker-host "unix://$real/sock" "docker-daemon:$id"
else
	t_skip "docker-daemon: (a real one)" "$why; the recorded exchange was used"
fi
[ -z "${dockerd:-}" ] || { kill "$dockerd" 2>/dev/null; wait "$dockerd" 2>/dev/null; }
rm -rf "$real"
t_done
