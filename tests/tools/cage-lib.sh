# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Building the projects of testdata/cage as a person does: base images of Debian, a git repository of each project, fresh
# clones, cold builds. Who sources this has tests/lib.sh already, and sets $runtime (a bundle), $platform and ${modules[@]}.

# base NAME PACKAGES: an image of Debian with these packages, as oci:build/NAME:base.
base() {
	[ ! -e "$TOP/build/$1/index.json" ] || return 0
	tests/tools/debian-root.sh "$TOP/build/$1.tar" "$2" && rm -rf "$TOP/build/$1.new" &&
		umoci --log=error init --layout "$TOP/build/$1.new" && umoci --log=error new --image "$TOP/build/$1.new:base" &&
		umoci --log=error raw add-layer --image "$TOP/build/$1.new:base" "$TOP/build/$1.tar" &&
		mv "$TOP/build/$1.new" "$TOP/build/$1"
}

# project NAME: a git repository of it, committed at a fixed time.
project() {
	cp -r "testdata/cage/$1" "$TEST_TMP/$1.git"
	printf 'cage.json\n.git\nout.*\nerr\n' >"$TEST_TMP/$1.git/.dockerignore"
	printf 'busybox\nout.*\nerr\n' >"$TEST_TMP/$1.git/.gitignore"
	(cd "$TEST_TMP/$1.git" && git -c init.defaultBranch=main init -q && git add . &&
		GIT_COMMITTER_DATE=@1700000000 git -c user.name=a -c user.email=a@b commit -q -m one)
}

# clone NAME WHERE: a fresh clone, with what git does not hold.
clone() {
	git clone -q "$TEST_TMP/$1.git" "$2" && { ! grep -q 'COPY busybox' "$2/Dockerfile" || cp /bin/busybox "$2/busybox"; }
}
# shellcheck disable=SC2154 # modules: the caller sets it
build() { # build DIR [OPTION…]: in DIR
	local dir=$1; shift
	(cd "$dir" && "$EIFGEN_BIN/eifgen" cage build --no-cache --runtime "${runtime:?}" --blobs "${platform:?}" --init "$runtime/init" --no-nsm \
		"${modules[@]}" -o out.eif "$@" >out.json 2>err) || { tail -n 20 "$dir/err"; return 1; }
}
pcrs() { jq -c '.Measurements' "$1/out.json"; }

# podman_works: it may be installed where it cannot run.
podman_works() { command -v podman >/dev/null && podman info >/dev/null 2>&1; }
