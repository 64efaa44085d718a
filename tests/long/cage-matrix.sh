#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 3600
# serial
#
# Every project of testdata/cage by every builder that runs here: fresh clones in different directories, cold, at different
# times, with another umask and time zone, and the same PCRs from all of them. One more project installs packages in its
# Dockerfile: there two cold builds differ, `scan` says why beforehand, and with the documented remedy they agree. And a Debian
# image by the Dockerfile way (`cage dockerfile --base-config`) gives the overlay's root file system.
. tests/lib.sh
. tests/tools/cage-lib.sh
[ "$(id -u)" -eq 0 ] || { t_skip "the matrix" "needs root for mmdebstrap and buildah"; t_done; }

platform=$TOP/testdata/images/platform runtime=$TOP/build/bundle modules=()
t "the runtime can be built" make -s bundle
builders=(buildah)
if podman_works; then builders+=(podman); else t_skip "podman" "it does not run here"; fi
t "a Debian image with a compiler" base debian-gcc gcc,libc6-dev
t "a Debian image with Python" base debian-python python3-minimal

matrix() { # matrix NAME [OPTION…]
	local name=$1 first='' own n=0 dir; shift
	project "$name"
	for b in "${builders[@]}"; do
		own=''
		for when in now later; do
			dir=$TEST_TMP/$name/$((n += 1))/$b-$when
			mkdir -p "${dir%/*}"
			clone "$name" "$dir"
			if [ $when = later ]; then umask 077; export TZ=Asia/Tokyo; sleep 1.1; fi
			t "$name: $b, $when" build "$dir" --builder "$b" "$@"
			umask 022; export TZ=UTC
			first=${first:-$dir} own=${own:-$dir}
			t "$name: the same PCRs" test "$(pcrs "$dir")" = "$(pcrs "$first")"
			# Builders write image configs of their own, whose digest stands in the metadata.
			t "$name: of one builder the same EIF" cmp "$dir/out.eif" "$own/out.eif"
		done
	done
}
matrix busybox
matrix full
matrix forms
matrix scratch --build-arg "BASE=oci:$TOP/build/debian-gcc:base"
matrix python --build-arg "BASE=oci:$TOP/build/debian-python:base"

# ---- a Dockerfile that installs packages -----------------------------------------------------------------------------
mkdir "$TEST_TMP/apt"
cp -r /etc/apt "$TEST_TMP/apt/sources"
cat >"$TEST_TMP/apt/Dockerfile" <<DOCKER
FROM oci:$TOP/build/debian-python:base
COPY sources /etc/apt
RUN apt-get update && apt-get install -y --no-install-recommends hello && rm -rf /var/lib/apt/lists/*
EXPOSE 80
CMD ["/usr/bin/hello"]
DOCKER
echo '{"name": "apt", "tls_termination": false}' >"$TEST_TMP/apt/cage.json"
for when in now later; do
	cp -r "$TEST_TMP/apt" "$TEST_TMP/apt-$when"
	t "packages: built $when" build "$TEST_TMP/apt-$when" --epoch 1700000000 --no-write
	cp "$TEST_TMP/apt-$when/out.json" "$TEST_TMP/apt-$when.json"
	sleep 2
done
t_not "two cold builds differ" test "$(jq -c .Measurements "$TEST_TMP/apt-now.json")" = "$(jq -c .Measurements "$TEST_TMP/apt-later.json")"
one=oci:$TEST_TMP/apt-now/out.eif.oci two=oci:$TEST_TMP/apt-later/out.eif.oci
t_exit 1 "diff says in what" eifgen diff -q "$one" "$two" --blobs "$platform" --no-nsm --json
cp "$TEST_TMP/out" "$TEST_TMP/diff.json"
t "all of it is of the catalogue" test "$(jq '[.Entries[].Cause | . != "content"] | all' "$TEST_TMP/diff.json")" = true
t_exit 0 "scan had said so" eifgen scan -q "$one" --json
t "of each file" test -z "$(comm -23 <(jq -r '.Entries[].Path | ltrimstr("rootfs/")' "$TEST_TMP/diff.json" | sort) <(jq -r '.Findings[].Path' "$TEST_TMP/out" | sort))"
for when in now later; do
	t_exit 0 "packages: the image of $when, scrubbed" eifgen cage build "$TEST_TMP/apt-$when" --runtime "$runtime" --blobs "$platform" \
		--init "$runtime/init" --no-nsm --epoch 1700000000 --no-write --scrub safe --image "oci:$TEST_TMP/apt-$when/out.eif.oci" -o "$TEST_TMP/scrubbed.eif"
	jq -c .Measurements "$TEST_TMP/out" >"$TEST_TMP/$when.pcrs"
done
t "with the remedy the PCRs agree" cmp "$TEST_TMP/now.pcrs" "$TEST_TMP/later.pcrs"

# ---- a Debian image by the Dockerfile way ----------------------------------------------------------------------------
context=$TEST_TMP/snake
cp -r testdata/cage/python "$context"
skopeo inspect --config "oci:$TOP/build/debian-python:base" >"$TEST_TMP/base.json"
arg="BASE=oci:$TOP/build/debian-python:base"
t "the Dockerfile is printed" bash -c '"$@" >"$0"' "$TEST_TMP/Dockerfile" "$EIFGEN_BIN/eifgen" cage dockerfile "$context" --runtime "$runtime" \
	--base-config "$TEST_TMP/base.json" --build-arg "$arg"
mkdir "$context/cage-runtime"
cp "$runtime"/* "$context/cage-runtime/"
t "it builds" buildah build --isolation chroot --ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --build-arg "$arg" -f "$TEST_TMP/Dockerfile" \
	-t "localhost/eifgen-snake-$$" "$context"
t "its image is had" buildah push "localhost/eifgen-snake-$$" "oci:$TEST_TMP/two:x"
buildah rmi "localhost/eifgen-snake-$$" >"$TEST_TMP/log" 2>&1
t_exit 0 "its EIF" eifgen build "oci:$TEST_TMP/two:x" --blobs "$platform" --init "$runtime/init" --no-nsm -o "$TEST_TMP/two.eif"
rows() { eifgen ls "$1" --json | jq -r '.entries[] | select(.path | startswith("rootfs/")) |
	[.path, .type, .mode, .uid, .gid, .sha256 // "", .target // ""] | @tsv' | grep -vE '^rootfs/etc/(hosts|resolv.conf|hostname)\b'; }
rows "$TEST_TMP/python/1/buildah-now/out.eif" >"$TEST_TMP/one.rows"
rows "$TEST_TMP/two.eif" >"$TEST_TMP/two.rows"
t "a whole tree is compared" test "$(wc -l <"$TEST_TMP/one.rows")" -gt 1000
t "both ways give the same root file system" diff "$TEST_TMP/one.rows" "$TEST_TMP/two.rows"
t_done
