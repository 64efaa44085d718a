#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One Dockerfile with `RUN apt-get install`, built twice with buildah at different times on cold caches: diff must name
# every file that differs with its cause, scan must have said so before, and with the remedies applied the PCRs agree.
# serial
# timeout: 1200
. tests/lib.sh
cd "$TEST_TMP" || exit 1
[ "$(id -u)" -eq 0 ] || { t_skip "double build" "needs root for mmdebstrap and buildah"; t_done; }
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
root=(--root "$TEST_TMP/storage" --runroot "$TEST_TMP/run")
limits=(--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Hu):$(ulimit -Hu)")
b() { buildah "${root[@]}" "$@"; }

t "a base image is made" bash -c 'mmdebstrap --quiet --variant=minbase --mode=root bookworm base.tar >mm.log 2>&1'
# Docker's images forbid apt the caches that an ordinary Debian keeps: these settings stay behind.
t "apt's sources are taken over" bash -c 'mkdir apt && cp -r /etc/apt/. apt/ && rm -f apt/apt.conf.d/docker-*'
cat >Dockerfile <<'DOCKER'
FROM scratch
ADD base.tar /
COPY apt /etc/apt
RUN apt-get update && apt-get install -y --no-install-recommends hello libnghttp2-14 && rm -rf /var/lib/apt/lists/*
CMD ["/usr/bin/hello"]
DOCKER
# Some machines let buildah set no limits, some need the current ones said: the first way that works is kept.
bud() { b bud -q --no-cache --isolation chroot "$@" . || b bud -q --no-cache --isolation chroot "${limits[@]}" "$@" .; }
build() { # build NAME: cold, at its own time; as an oci layout
	bud -f Dockerfile -t "$1" >"$1.log" 2>&1 &&
		b push -q --format oci "$1" "oci:$TEST_TMP/$1:latest" >>"$1.log" 2>&1
}
t "built once" build one
sleep 2
t "and again, later" build two

mkdir plat; head -c 5000 /dev/zero >plat/bzImage; echo 'console=ttyS0' >plat/cmdline; echo '#!init' >plat/init
t_exit 1 "the two differ" eifgen diff -q oci:one oci:two --blobs plat --json
cp out diff.json
echo "# $(jq -c '[.Entries[] | {Path, Cause}]' diff.json)"
want="apt-log:rootfs/var/log/apt/history.log apt-log:rootfs/var/log/apt/term.log"
want="$want apt-pkgcache:rootfs/var/cache/apt/pkgcache.bin apt-pkgcache:rootfs/var/cache/apt/srcpkgcache.bin"
want="$want dpkg-log:rootfs/var/log/dpkg.log ldconfig-aux-cache:rootfs/var/cache/ldconfig/aux-cache"
got=$(jq -r '[.Entries[] | .Cause + ":" + .Path] | sort | join(" ")' diff.json)
t "the known six files differ, each by its cause" test "$(tr ' ' '\n' <<<"$got" | sort)" = "$(tr ' ' '\n' <<<"$want" | sort)"
t "each cause is one of the catalogue" test "$(jq '[.Entries[].Cause | . != "content"] | all' diff.json)" = true
t "only PCR0 and PCR2 moved" test "$(jq -r '.PCRs | [.PCR0, .PCR1, .PCR2] | join(" ")' diff.json)" = "differs same differs"

t_exit 0 "scan tells beforehand" eifgen scan -q oci:one --json
t "all of them" test "$(comm -23 <(jq -r '.Entries[].Path | ltrimstr("rootfs/")' diff.json | sort) \
	<(jq -r '.Findings[].Path' out | sort))" = ""
t_exit 0 "scrubbed" eifgen pcr -q oci:one --blobs plat --scrub safe
cp out 1.json
t_exit 0 "both" eifgen pcr -q oci:two --blobs plat --scrub safe
t "the PCRs agree" test "$(jq -c .Measurements 1.json)" = "$(jq -c .Measurements out)"
t_done
