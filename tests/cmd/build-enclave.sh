#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
#
# build-enclave where its images come from: a registry on loopback, a Docker daemon (replayed everywhere, a real one where it
# starts), a directory with a Dockerfile. The PCRs must be those of the nitro-cli layout of the same image, the names
# nitro-cli's; what the daemon has goes before what a registry has.
. tests/lib.sh
. tests/tools/registry-lib.sh
export HOME=$TEST_TMP
unset REGISTRY_AUTH_FILE XDG_RUNTIME_DIR XDG_CONFIG_HOME DOCKER_CONFIG DOCKER_HOST
cd "$TOP" || exit 1
W=$TEST_TMP L=$TEST_TMP/layout
export NITRO_CLI_BLOBS=testdata/images/platform
if [ "$(uname -m)" != x86_64 ]; then t_skip "build-enclave" "the golden platform is x86_64"; t_done; fi
make_image "$L" || { t_fail "an image is made"; t_done; }
predict() { eifgen -q pcr "$1" --blobs $NITRO_CLI_BLOBS --layout nitro-cli | jq -S .Measurements; }
one=$(predict "oci:$L:v1") two=$(predict "oci:$L:v2")
t "two images with two measurements" test "$one" != "$two"
image_id() { skopeo inspect --raw "oci:$L:$1" | jq -r '.config.digest | ltrimstr("sha256:")'; }

# be OPTION…: build-enclave of $W/x.eif, with the daemon at $sock.
sock=$W/nobody.sock
be() { DOCKER_HOST=unix://$sock eifgen -q build-enclave --output-file "$W/x.eif" "$@"; }
# gives NAME PCRS URI: it works, and measures that.
gives() {
	rm -f "$W/x.eif"
	t_exit 0 "$1" be --docker-uri "$3"
	t "$1: its PCRs" test "$(jq -S .Measurements "$TEST_TMP/out")" = "$2"
	t "$1: those of the file" test "$(eifgen -q pcr "$W/x.eif" | jq -S .Measurements)" = "$2"
}
named() { t "$1" test "$(eifgen describe "$W/x.eif" | jq -r '.ImageName + " " + .ImageVersion')" = "$2"; }

# ---- a registry, no daemon ----------------------------------------------------------------------------------------------
registry_start
for v in v1 v2; do skopeo copy -q --dest-tls-verify=false "oci:$L:$v" "docker://$REGISTRY/team/app:$v"; done
skopeo copy -q --dest-tls-verify=false "oci:$L:v2" "docker://$REGISTRY/team/app:latest"
digest=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "v1") | .digest' "$L/index.json")
gives "a Docker name, from its registry" "$one" "$REGISTRY/team/app:v1"
named "named as nitro-cli does: to the first colon, and by the image's id" "${REGISTRY%%:*} $(image_id v1)"
gives "without a tag: latest" "$two" "$REGISTRY/team/app"
gives "by digest" "$one" "$REGISTRY/team/app@$digest"
gives "a reference of ours" "$one" "docker://$REGISTRY/team/app:v1"
gives "another" "$two" "oci:$L:v2"
t_exit 2 "a tag that is not there" be --docker-uri "$REGISTRY/team/app:v9"
t_says "in the registry's words" "manifest unknown"
DOCKER_HOST=unix://$sock t_exit 0 "a warning says where it comes from" eifgen build-enclave --docker-uri "$REGISTRY/team/app:v1" --output-file "$W/x.eif"
t_says "and why" "warning: $REGISTRY/team/app:v1 comes from its registry: Docker daemon at \"$sock\": connect: No such file"
rm -f "$W/x.eif"
DOCKER_HOST=tcp://127.0.0.1:1 t_exit 2 "a daemon elsewhere: no other image in its place" eifgen build-enclave --docker-uri "$REGISTRY/team/app:v1" --output-file "$W/x.eif"
t_says "is said to be that" 'Docker daemon at "tcp://127.0.0.1:1": no unix socket'
: >"$W/file"
DOCKER_HOST=unix://$W/file/sock t_exit 2 "a socket that cannot be reached: none either" eifgen build-enclave --docker-uri "$REGISTRY/team/app:v1" --output-file "$W/x.eif"
DOCKER_HOST=unix://$W/file t_exit 0 "where nobody listens there is no daemon" eifgen build-enclave --docker-uri "$REGISTRY/team/app:v1" --output-file "$W/y.eif"
nobody=(setpriv --reuid 65534 --clear-groups --inh-caps=-all "$EIFGEN_BIN/eifgen")
if [ "$(id -u)" -eq 0 ] && "${nobody[@]}" --version >/dev/null 2>&1; then
	mkdir -m 700 "$W/closed"
	DOCKER_HOST=unix://$W/closed/sock t_exit 2 "a socket that is not ours to open: none either" \
		"${nobody[@]}" build-enclave --docker-uri "$REGISTRY/team/app:v1" --output-file "$W/x.eif"
	t_says "is said to be that" "connect: Permission denied"
else
	t_skip "a socket that is not ours to open" "needs root, who may become nobody, and a way to the program"
fi
t_exit 2 "no Docker name" be --docker-uri "Not A Name"
t_exit 2 "an empty one" be --docker-uri ""
t "leaves nothing" test ! -e "$W/x.eif"

# ---- a daemon, replayed -------------------------------------------------------------------------------------------------
skopeo copy -q "oci:$L:v2" "docker-archive:$W/two.tar:team/app:v1"
replay() { timeout 300 python3 tests/tools/docker_replay.py "$1" "$W/two.tar" "${@:2}" >"$1.out" 2>&1 & SERVERS+=($!); wait_for "$1"; }
replay "$W/d.sock" docker.io/team/app:v1
replay "$W/r.sock" "$REGISTRY/team/app:v1"
replay "$W/c.sock" "$REGISTRY/team/app:v1" 1000000
replay "$W/j.sock" "$REGISTRY/team/app:v1" json
sock=$W/d.sock
gives "a Docker name, from the daemon" "$two" team/app:v1
named "named so" "team/app $(image_id v2)"
gives "a name that the daemon lacks comes from the registry" "$one" "$REGISTRY/team/app:v1"
sock=$W/r.sock
gives "the daemon goes before the registry" "$two" "$REGISTRY/team/app:v1"
gives "docker:// asks the registry alone" "$one" "docker://$REGISTRY/team/app:v1"
sock=$W/c.sock
rm -f "$W/x.eif"
t_exit 2 "a daemon that has it and breaks off: no other image in its place" be --docker-uri "$REGISTRY/team/app:v1"
sock=$W/j.sock
t_exit 2 "nor for one that breaks off when asked for it" be --docker-uri "$REGISTRY/team/app:v1"
t "and no file" test ! -e "$W/x.eif"

# ---- the daemon itself --------------------------------------------------------------------------------------------------
real=$(mktemp -d /tmp/eifgen-dockerd-XXXXXX) # a short path: unix sockets have 107 bytes
sock=$real/sock loaded='' why="dockerd is not installed or we are not root"
if [ "$(id -u)" -eq 0 ] && command -v dockerd >/dev/null; then
	timeout 200 dockerd --iptables=false --ip6tables=false --bridge=none --ip-forward=false --ip-masq=false \
		--storage-driver=vfs --data-root "$real/data" --exec-root "$real/exec" --host "unix://$sock" \
		--pidfile "$real/pid" --containerd= >"$real/log" 2>&1 &
	dockerd=$!
	for _ in $(seq 150); do
		kill -0 "$dockerd" 2>/dev/null || break
		curl -sf --unix-socket "$sock" http://localhost/_ping >/dev/null && break
		sleep 0.2
	done
	why="dockerd does not start here: $(tail -1 "$real/log" | tr -d '"#' | cut -c1-200)"
fi
# A daemon may start where it cannot unpack (inside a chroot, for instance): then it holds no image to ask for.
if curl -sf --unix-socket "$sock" http://localhost/_ping >/dev/null 2>&1; then
	curl -sf --unix-socket "$sock" -X POST -H 'Content-Type: application/x-tar' --data-binary "@$W/two.tar" \
		http://localhost/images/load >"$W/load"
	why="dockerd cannot load an image here: $(tail -1 "$W/load" | tr -d '"#' | cut -c1-200)"
	curl -sf --unix-socket "$sock" http://localhost/images/team/app:v1/json >"$W/inspect" && loaded=yes
	gives "a real daemon that lacks it, then the registry" "$one" "$REGISTRY/team/app:v1"
fi
if [ -n "$loaded" ]; then
	gives "a real daemon" "$two" team/app:v1
	named "the version is the Id that it tells" "team/app $(jq -r '.Id | ltrimstr("sha256:")' "$W/inspect")"
	curl -sf --unix-socket "$sock" -X POST "http://localhost/images/team/app:v1/tag?repo=$REGISTRY/team/app&tag=v1"
	gives "goes before the registry" "$two" "$REGISTRY/team/app:v1"
else
	t_skip "a real daemon" "$why; the recorded exchange was used"
fi
[ -z "${dockerd:-}" ] || { kill "$dockerd" 2>/dev/null; wait "$dockerd" 2>/dev/null; }
rm -rf "$real"

# ---- a directory with a Dockerfile --------------------------------------------------------------------------------------
sock=$W/nobody.sock
D=$W/dir
mkdir "$D"
cp /bin/busybox "$D/busybox"
printf 'FROM scratch\nCOPY busybox /bin/busybox\nENV GREETING="hello there"\nENTRYPOINT ["/bin/busybox"]\nCMD ["/bin/busybox", "true"]\n' >"$D/Dockerfile"
export TMPDIR=$W/tmp; mkdir "$TMPDIR"
rm -f "$W/x.eif"
t "--docker-dir" be --docker-uri shop:1.4 --docker-dir "$D"
be --docker-uri shop:1.4 --docker-dir "$D" 2>/dev/null >"$W/dir.json"
named "named by --docker-uri" "shop $(eifgen describe "$W/x.eif" | jq -r .ImageVersion)"
t "the version is an image's id" sh -c 'eifgen=$1; "$eifgen" describe "$2" | jq -e ".ImageVersion | test(\"^[0-9a-f]{64}\$\")"' - "$EIFGEN_BIN/eifgen" "$W/x.eif"
cp "$W/x.eif" "$W/first.eif"
sleep 1; touch "$D/busybox"; rm "$W/x.eif"
t "again, the file touched in between" be --docker-uri shop:1.4 --docker-dir "$D/"
t "the same EIF" cmp "$W/x.eif" "$W/first.eif"
limits=(--ulimit "nofile=$(ulimit -Hn | sed s/unlimited/1048576/)")
buildah build -q --isolation chroot "${limits[@]}" --timestamp 315532801 -t "localhost/eifgen-peer-$$" "$D" >"$W/buildah.out" 2>&1 &&
	buildah push -q "localhost/eifgen-peer-$$" "oci:$W/peer:x" >>"$W/buildah.out" 2>&1
buildah rmi "localhost/eifgen-peer-$$" >/dev/null 2>&1
t "the PCRs of that image, built by hand" test "$(jq -S .Measurements "$W/dir.json")" = "$(predict "oci:$W/peer:x")"
t "CMD alone is what runs, as with nitro-cli" sh -c '"$1" extract "$2" -C "$3" >/dev/null && cpio --quiet -it <"$3/ramdisk-2.cpio" | grep -qx cmd && cd "$3" && cpio --quiet -id cmd <ramdisk-2.cpio && [ "$(tr "\n" " " <cmd)" = "/bin/busybox true " ]' \
	- "$EIFGEN_BIN/eifgen" "$W/x.eif" "$W/parts"
rm -f "$W/x.eif"
t_exit 2 "a directory that is not there" be --docker-uri shop:1.4 --docker-dir "$W/nowhere"
t_says "is named" "$W/nowhere/Dockerfile"
mkdir "$W/empty"
t_exit 2 "one without a Dockerfile" be --docker-uri shop:1.4 --docker-dir "$W/empty"
printf 'FROM scratch\nCOPY nothing /\n' >"$W/empty/Dockerfile"
t "a Dockerfile that does not build ends with 2, the builder named" bash -c '"$@" >/dev/null 2>"$TEST_TMP/built.err"; rc=$?; grep -q "^eifgen: unable to build shop:1.4: .* ended with status" "$TEST_TMP/built.err" && rm "$TEST_TMP/built.err" && test $rc = 2' - \
	env DOCKER_HOST="unix://$sock" "$EIFGEN_BIN/eifgen" -q build-enclave --output-file "$W/x.eif" --docker-uri shop:1.4 --docker-dir "$W/empty"
mkdir "$W/bin"
t_exit 2 "no builder at all" env PATH="$W/bin" "$EIFGEN_BIN/eifgen" -q build-enclave --output-file "$W/x.eif" --docker-uri shop:1.4 --docker-dir "$D"
t_says "which are wanted" "buildah, podman or docker"
t "none of them left a file" test ! -e "$W/x.eif"
t "and nothing temporary stays" test -z "$(ls "$TMPDIR")"
t_done
