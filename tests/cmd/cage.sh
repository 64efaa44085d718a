#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
# serial
#
# `eifgen cage build`, for real: four projects of testdata/cage, each cloned twice and built cold with buildah (one with podman,
# too), give the same PCRs; cage.json gets them and nothing else changes; the cages boot, the service waits for the data plane, runs as its
# user in its directory with its environment, and is started again when it ends.
. tests/lib.sh
. tests/tools/boot-lib.sh
. tests/tools/cage-lib.sh

platform=$TOP/build/debian-platform
t "Debian's kernel can be had" tests/tools/debian-platform.sh "$platform"
modules=()
while read -r m; do modules+=(--module "$platform/modules/${m##*/}"); done <"$platform/modules.list"
t "the installer's bundle can be built" make -s installer

# A data plane that says what it was told, and lets the service through after a second.
cat >"$TEST_TMP/dp.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv)
{
	printf("data plane:");
	for (int i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	printf(" (environment of %s)\n", environ[0] && !environ[1] ? environ[0] : "another size");
	sleep(1);
	puts("data plane serves");
	fflush(stdout);
	if (write(3, "\n", 1) != 1)
		return 1;
	return pause();
}
END
gcc -O2 -static -o "$TEST_TMP/cage-data-plane-no-egress" "$TEST_TMP/dp.c"
# With egress the real one serves (the measured program, the same in every variant of a build).
t "the data plane can be built" make -s build/plane/cage-data-plane
cp build/plane/cage-data-plane "$TEST_TMP/"
runtime=$TEST_TMP/bundle
t "a runtime bundle is made" runtime/bundle "$runtime" "$EIFGEN_BIN/init" "$EIFGEN_BIN/cage-service" \
	build/installer/runtime-dependencies.tar "$TEST_TMP/cage-data-plane" "$TEST_TMP/cage-data-plane-no-egress"

# twice NAME [OPTION…]: two cold builds from two clones.
twice() {
	local name=$1 one=$TEST_TMP/$1-one two=$TEST_TMP/a/longer/place/$1; shift
	project "$name"
	mkdir -p "$TEST_TMP/a/longer/place"
	clone "$name" "$one"; clone "$name" "$two"
	t "$name: builds" build "$one" "$@"
	sleep 1.1
	t "$name: builds again, in another place, with another umask and time zone" bash -c 'umask 077; export TZ=Asia/Tokyo; "$@"' - \
		bash -c "$(declare -f build); $(declare -p modules EIFGEN_BIN runtime platform); build \"\$@\"" - "$two" "$@"
	t "$name: the PCRs are the same" test "$(pcrs "$one")" = "$(pcrs "$two")"
	t "$name: the EIFs are the same" cmp "$one/out.eif" "$two/out.eif"
	t "$name: so are the records" cmp "$one/out.eif.record.json" "$two/out.eif.record.json"
	t "$name: cage.json has the PCRs" test "$(jq -c .attestation "$one/cage.json")" = "$(pcrs "$one")"
	t "$name: and is otherwise unchanged" test "$(jq -c 'del(.attestation)' "$one/cage.json")" = \
		"$(jq -c . "testdata/cage/$name/cage.json")"
	t "$name: the epoch is the commit's" test "$(jq .Epoch "$one/out.json")" = 1700000000
}

# start NAME UNTIL: boots the first build until a line matches; the console in NAME.console.
start() {
	rm -rf "$TEST_TMP/parts"
	eifgen extract "$TEST_TMP/$1-one/out.eif" -C "$TEST_TMP/parts" >"$TEST_TMP/log" || return 1
	cat "$TEST_TMP"/parts/ramdisk-*.cpio >"$TEST_TMP/initrd"
	boot "$TEST_TMP/parts/kernel" "$TEST_TMP/initrd" "$(cat "$TEST_TMP/parts/cmdline")" "$TEST_TMP/$1.console" 120 "$2" &&
		grep -aqE -- "$2" "$TEST_TMP/$1.console" || { tail -n 20 "$TEST_TMP/$1.console"; return 1; }
}
says() { t "$1" grep -aqxE -- "$3" "$TEST_TMP/$2.console" || sed 's/^/# /' "$TEST_TMP/$2.console" | tail -20; }

twice busybox
t "busybox: boots" start busybox "small service is up"
says "busybox: the data plane has its configuration and its gate, and no environment" busybox \
	"data plane: --config /opt/cage/config.cbor --ready-fd 3 \(environment of PATH=.*\)"
t "busybox: the service waited for the data plane" test "$(grep -anE 'data plane serves' "$TEST_TMP/busybox.console" | cut -d: -f1)" -lt \
	"$(grep -anE 'small service' "$TEST_TMP/busybox.console" | cut -d: -f1)"
t "busybox: the record says which tool came from where" test "$(jq -r '.CageTools[] | select(.Name == "ifconfig" or .Name == "runsv") | .Source' \
	"$TEST_TMP/busybox-one/out.eif.record.json" | cut -d' ' -f1 | sort | xargs echo)" = "$(echo image "$(tar -xOf \
	build/installer/runtime-dependencies.tar runtime-dependencies/PROVENANCE | sed -n 's/^runsv \([a-z]*\) .*/\1/p')" | xargs -n1 | sort | xargs echo)"
# The same by podman, which keeps layers and names of its own.
if podman_works; then
	clone busybox "$TEST_TMP/busybox-podman"
	t "busybox: builds with podman" build "$TEST_TMP/busybox-podman" --builder podman
	t "busybox: to the same PCRs" test "$(pcrs "$TEST_TMP/busybox-podman")" = "$(pcrs "$TEST_TMP/busybox-one")"
	t "busybox: and podman keeps nothing of it" bash -c '! podman images --format "{{.Repository}}" | grep -q eifgen-cage'
else
	t_skip "busybox: builds with podman" "podman does not run here: $(podman info 2>&1 | tail -n 1 | tr -d '#' | cut -c1-150)"
fi
# The write-back, committed, does not move the next build.
(cd "$TEST_TMP/busybox-one" && git add cage.json && GIT_COMMITTER_DATE=@1710000000 git -c user.name=a -c user.email=a@b commit -qm pcrs)
cp "$TEST_TMP/busybox-one/cage.json" "$TEST_TMP/before.json"
t "busybox: builds after its PCRs were committed" build "$TEST_TMP/busybox-one"
t "busybox: to the same PCRs, so cage.json does not change" cmp "$TEST_TMP/before.json" "$TEST_TMP/busybox-one/cage.json"
t_not "busybox: and nothing is warned of" grep -q "^eifgen: warning" "$TEST_TMP/busybox-one/err"

twice full
if podman_works; then
	clone full "$TEST_TMP/full-podman"
	t "full: builds with podman" build "$TEST_TMP/full-podman" --builder podman
	t "full: to the same PCRs" test "$(pcrs "$TEST_TMP/full-podman")" = "$(pcrs "$TEST_TMP/full-one")"
else
	t_skip "full: builds with podman" "podman does not run here"
fi
t "full: boots, and a service that ends is started again" start full "full service run 2: .*"
t "full: the real data plane was ready before" test "$(grep -an '"plane.ready"' "$TEST_TMP/full.console" | cut -d: -f1)" -lt \
	"$(grep -an '^full service run 1' "$TEST_TMP/full.console" | cut -d: -f1)"
says "full: user, groups, directory, arguments" full "full service run 1: args=2 first/second word pwd=/srv/data id=1234:1235 groups=77 "
says "full: the environment, unharmed" full \
	'env: PATH=/opt/app/bin:/bin\|QUOTED=two words, a "quote", a \$dollar and a `tick`\|COLOUR=green\|HOME=/home/app\|'

t "a Debian image with a compiler" base debian-gcc gcc,libc6-dev
twice scratch --build-arg "BASE=oci:$TOP/build/debian-gcc:base"
t "scratch: boots" start scratch "scratch service is up: 2 arguments, one argument"

t "a Debian image with Python" base debian-python python3-minimal
twice python --build-arg "BASE=oci:$TOP/build/debian-python:base"
BOOT_MEMORY=1024 t "python: boots" start python "python service is up, HOME /root"

# ---- signed ----------------------------------------------------------------------------------------------------------
cd "$TEST_TMP/busybox-one" || exit 1
t_exit 0 "a key and certificate are made" eifgen cert new --key-out key.pem --cert-out cert.pem
cp cage.json unsigned.json
jq '. + {signing: {cert: "cert.pem", key: "key.pem"}}' unsigned.json >cage.json
t "a cage whose cage.json says so is signed" build "$PWD"
t "its PCR8 is written back" test "$(jq -r .attestation.PCR8 cage.json)" = "$(eifgen describe out.eif | jq -r .Measurements.PCR8)"
t "and is that of the certificate" test "$(jq -r .attestation.PCR8 cage.json)" = \
	"$(eifgen pcr --signing-certificate cert.pem | jq -r .PCR8)"
t "the other registers are as without" test "$(jq -r .attestation.PCR0 cage.json)" = "$(jq -r .attestation.PCR0 unsigned.json)"

# ---- refusals --------------------------------------------------------------------------------------------------------
cd "$TEST_TMP/busybox-one" || exit 1
cage() { eifgen cage build --runtime "$runtime" --blobs "$platform" --init "$runtime/init" --no-nsm "$@"; }
sum=$(sha256sum out.eif cage.json)
echo '{"name": "small", "egres": {}}' >bad.json
t_exit 2 "an unknown key is refused" cage --config bad.json
t_says "and named with its path" 'bad.json": "egres": unknown key'
echo '{"name": "small", "runtime": {"bundle": "sha256:'"$(printf '%064d' 0)"'"}}' >bad.json
t_exit 2 "another bundle than the pinned one is refused" cage --config bad.json
t_says "and both digests are said" "runtime.bundle wants sha256:0000"
cp -r "$runtime" "$TEST_TMP/forged"; echo >>"$TEST_TMP/forged/cage-service"
t_exit 2 "a changed program in the bundle is refused" eifgen cage build --runtime "$TEST_TMP/forged" --blobs "$platform"
t_says "and named" "cage-service is not what bundle.json says"
t_exit 2 "a missing Dockerfile is trouble" cage -f nowhere
t_exit 2 "an unknown builder is refused" cage --builder kaniko
printf 'FROM scratch\nCOPY nothing /\n' >bad.Dockerfile
t "a Dockerfile that does not build ends with 2" bash -c '"$@" >/dev/null 2>&1; test $? = 2' - "$EIFGEN_BIN/eifgen" cage build \
	--runtime "$runtime" --blobs "$platform" --init "$runtime/init" --no-nsm -f bad.Dockerfile -o new.eif
t_not "and leaves no EIF" test -e new.eif
t "what was there is untouched" test "$sum" = "$(sha256sum out.eif cage.json)"
t_done
