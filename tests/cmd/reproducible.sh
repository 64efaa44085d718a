#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One image, one platform, one epoch: one EIF, one record, one answer, bit for bit, however the machine around them is
# disturbed. The image is the torture image of testdata (odd names, links, devices, whiteouts, a 16 MB file).
# timeout: 900
. tests/lib.sh

# Under the sanitizers, faketime is preloaded before them; they would refuse that.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0"
# Another user must be able to come here.
chmod 755 "$TEST_TMP"
W=$TEST_TMP/work
mkdir -p "$W/blobs" "$W/bin" "$W/modules"
cp "$EIFGEN_BIN/eifgen" "$W/bin/"
cp -r testdata/ramdisk/torture/image "$W/image"
cp testdata/ramdisk/bootstrap/init testdata/ramdisk/bootstrap/nsm.ko "$W/blobs/"
head -c 100000 /dev/zero | tr '\0' k >"$W/blobs/bzImage"
printf '#\n#\n# Linux/x86_64 6.6.79 Kernel Configuration\n' >"$W/blobs/bzImage.config"
echo 'reboot=k panic=30 console=ttyS0' >"$W/blobs/cmdline"
echo one >"$W/modules/b.ko"; echo two >"$W/modules/a.ko"
printf '{"b": 1, "a": [1.5, "x"]}' >"$W/meta.json"
chmod -R a+rX "$W"
mkdir -m 777 "$W/out"

cd "$W" || exit 1
# build DIR [OPTION…]: a build into DIR, its answer beside it. All paths in it are relative, so that records agree.
cat >bin/build <<'END'
#!/bin/bash
out=$1; shift
mkdir -p "$out" && cd "$out" || exit 1
modules=(--module ../../modules/b.ko --module ../../modules/a.ko)
case " $* " in *" nitro-cli "*) modules=() ;; esac
../../bin/eifgen build oci:../../image:latest --blobs ../../blobs "${modules[@]}" --metadata ../../meta.json \
	--epoch 1700000000 -o o.eif "$@" >answer.json 2>warnings
status=$?
sed -Ei 's/ in [0-9.]+ s$//' warnings || exit 1 # how long it took is told there too
exit $status
END
chmod 755 bin/build
t "the build to compare with" bin/build out/plain
n=0
# same NAME COMMAND…: what the command builds into out/$n is what out/plain holds.
same() {
	local name=$1; shift
	n=$((n + 1))
	if ! "$@" >"out/log$n" 2>&1; then t_fail "$name: built"; sed 's/^/# /' "out/log$n" "out/$n/warnings"; return; fi
	local f
	for f in o.eif o.eif.record.json answer.json warnings; do
		cmp "out/plain/$f" "out/$n/$f" >>"out/log$n" 2>&1 || { t_fail "$name: $f"; sed 's/^/# /' "out/log$n"; return; }
	done
	t_ok "$name"
	rm -f "out/$n/o.eif"
}
# The directory of the next build.
next() { echo "out/$((n + 1))"; }

same "again" bin/build "$(next)"
same "another time zone" env TZ=Pacific/Kiritimati bin/build "$(next)"
for l in C.UTF-8 tr_TR.UTF-8 ja_JP.EUC-JP POSIX; do
	same "LC_ALL=$l" env LC_ALL=$l LANG=$l LANGUAGE=tr bin/build "$(next)"
done
same "umask 000" bash -c 'umask 000; exec bin/build "$0"' "$(next)"
same "umask 077" bash -c 'umask 077; exec bin/build "$0"' "$(next)"
same "another home" env HOME=/nonexistent XDG_CACHE_HOME=/nonexistent bin/build "$(next)"
same "no environment at all" env -i "$(command -v bash)" bin/build "$(next)"
same "an environment full of traps" env NITRO_CLI_BLOBS=/nonexistent POSIXLY_CORRECT=1 MALLOC_PERTURB_=165 TAR_OPTIONS=x \
	COLUMNS=7 GIT_DIR=/nonexistent OPENSSL_CONF=/nonexistent NO_COLOR=1 LD_BIND_NOW=1 bin/build "$(next)"
same "SOURCE_DATE_EPOCH beside --epoch" env SOURCE_DATE_EPOCH=1 bin/build "$(next)"
same "few descriptors" bash -c 'ulimit -n 32; exec bin/build "$0"' "$(next)"
same "standard input closed" bash -c 'exec bin/build "$0" <&-' "$(next)"
same "a low priority, core files off" bash -c 'ulimit -c 0; exec nice -n 19 bin/build "$0"' "$(next)"
same "one processor" taskset -c 0 bin/build "$(next)"
for threads in 1 2 3 8; do
	same "$threads threads" bin/build "$(next)" --threads $threads
done
if setarch -R true 2>/dev/null; then
	same "addresses that are not random" setarch -R bin/build "$(next)"
else
	t_skip "addresses that are not random" "not allowed here"
fi
for when in '1999-12-31 23:59:58' '2038-01-19 03:14:07' '2031-02-03 04:05:06'; do
	same "the clock says $when" faketime "$when" bin/build "$(next)"
done
same "a clock that races" faketime -f '+0 x5000' bin/build "$(next)"

shm=
if [ -d /dev/shm ] && [ -w /dev/shm ] && [ "$(stat -c %d /dev/shm)" != "$(stat -c %d .)" ]; then
	shm=$(mktemp -d /dev/shm/eifgen-test-XXXXXX)
	trap 'rm -rf "$shm"' EXIT
	same "spooled on another file system" bin/build "$(next)" --tmpdir "$shm"
	same "TMPDIR on another file system" env TMPDIR="$shm" bin/build "$(next)"
else
	t_skip "spooled on another file system" "/dev/shm is none"
fi

# The directories' entries made in the opposite order, with other times and modes. On tmpfs readdir gives the newest
# entry first, so the two copies there are read in opposite orders; elsewhere hashes decide.
# copy_tree FROM TO SORT-OPTION
copy_tree() {
	(cd "$1" && find . -type d | sort && find . -type f | sort "$3") | while read -r f; do
		if [ -d "$1/$f" ]; then mkdir -p "$2/$f"; else cp "$1/$f" "$2/$f"; touch -d "1987-06-0$((RANDOM % 9 + 1))" "$2/$f"; fi
	done
}
for order in -s -r; do
	copy=$(mktemp -d "${shm:-$W}/copy-XXXXXX")
	for d in image blobs modules; do copy_tree "$W/$d" "$copy/$d" $order; done
	cp meta.json "$copy/"; cp -r bin "$copy/bin"; mkdir "$copy/out"
	n=$((n + 1))
	if (cd "$copy" && bin/build out/1) && cmp out/plain/o.eif "$copy/out/1/o.eif" &&
		cmp out/plain/o.eif.record.json "$copy/out/1/o.eif.record.json"; then
		t_ok "files written in the order of sort $order"
	else
		t_fail "files written in the order of sort $order"
	fi
	rm -rf "$copy"
done

if [ "$(id -u)" -eq 0 ]; then
	same "another user" runuser -u nobody -- env TMPDIR="$W/out" bin/build "$(next)"
else
	t_skip "another user" "only root can become one"
fi

# By whatever form the image comes, the EIF is the same; the record says which form it was.
skopeo copy -q --insecure-policy oci:image:latest "oci-archive:$W/image.tar:latest"
mkdir out/archive
(cd out/archive && ../../bin/eifgen build oci-archive:../../image.tar --blobs ../../blobs --module ../../modules/b.ko \
	--module ../../modules/a.ko --metadata ../../meta.json --epoch 1700000000 -o o.eif >answer.json 2>warnings)
t "the same image as an archive" cmp out/plain/o.eif out/archive/o.eif
t "pcr predicts it" test "$(bin/eifgen -q pcr oci:image --blobs blobs --module modules/b.ko --module modules/a.ko --epoch 1700000000 |
	jq -c .Measurements)" = "$(jq -c .Measurements out/plain/answer.json)"

# That the comparison can fail: what should move the bytes does.
for change in "--epoch 1700000001" "--name other" "--no-nsm" "--mtime clamp"; do
	# shellcheck disable=SC2086 # an option and its value
	bin/build "out/changed" $change
	t_not "$change makes another file" cmp -s out/plain/o.eif out/changed/o.eif
done

mv out/plain out/canonical
t "a build in the nitro-cli layout" bin/build out/plain --layout nitro-cli
t_not "is another file" cmp -s out/plain/o.eif out/canonical/o.eif
for tz in UTC Asia/Kathmandu; do
	same "nitro-cli layout, TZ=$tz, another locale, umask and clock" env TZ=$tz LC_ALL=C.UTF-8 faketime '2033-01-01' \
		bash -c 'umask 027; exec bin/build "$0" --layout nitro-cli --threads 3' "$(next)"
done
t_done
