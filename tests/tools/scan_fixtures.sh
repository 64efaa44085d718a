#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the fixtures of the entropy rules from real double builds: each scene of testdata/scan/scenes is built twice with
# buildah, cold, one build after the other, and the files that its comments name are taken out of both.
#
#   scan_fixtures.sh OUT-DIR [SCENE…]      root and Debian's mirror are needed; without SCENE all are built
#
# A scene's comments say `yes RULE PATH`: in both builds, and another file each time (other bytes, or another name), and
# `no RULE PATH`: in both builds, and the same. Anything else is named and ends in status 1: the scene shows no cause then.
# PATH may be a glob; its first match counts. Of each file the first KEEP bytes are kept; private keys are never named.
# OUT-DIR/index.tsv has a row a comment: rule, yes|no, scene, then for both builds path, size and SHA-256 of the whole
# file, then the kept files' common name (NAME.1 and NAME.2; of a `no` NAME.1 alone), then the day of the first image.
set -eu
KEEP=2048
top=$(cd "$(dirname "$0")/../.." && pwd)
out=$(realpath -m "${1:?usage: scan_fixtures.sh OUT-DIR [SCENE…]}"); shift
scenes=("$@")
if [ ${#scenes[@]} -eq 0 ]; then
	for f in "$top"/testdata/scan/scenes/*; do f=${f##*/}; scenes+=("${f%.*}"); done
fi
work=$(mktemp -d "${TMPDIR:-/var/tmp}/eifgen-scan-XXXXXX")
pids=()
finish() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs LC_ALL=C
b() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }
limits=(--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Hu):$(ulimit -Hu)")
bad=0
wrong() { echo "scan_fixtures: $*" >&2; bad=1; }
die() { wrong "$@"; exit 1; }

# ---- a mirror of our own, with one package whose version is the number of the build
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mirror() { # N
	mkdir -p "$work/mirror" "$work/moved/DEBIAN"
	rm -f "$work"/mirror/*
	printf 'Package: moved\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDescription: moved\n' "$1" \
		>"$work/moved/DEBIAN/control"
	dpkg-deb -b "$work/moved" "$work/mirror" >/dev/null
	(cd "$work/mirror" && dpkg-scanpackages . 2>/dev/null >Packages)
	[ ${#pids[@]} -gt 0 ] || {
		timeout 3600 python3 -m http.server --bind 127.0.0.1 --directory "$work/mirror" "$port" >"$work/mirror.log" 2>&1 &
		pids+=($!)
		sleep 1
	}
}

# ---- building: sets $root to a directory that holds the scene's N-th build, $day to the day of its image
# Some machines let buildah set no limits, some need the current ones said: the first way that works is kept.
bud() { b bud -q --no-cache --isolation chroot "$@" "$work/context" || b bud -q --no-cache --isolation chroot "${limits[@]}" "$@" "$work/context"; }
build() { # SCENE N
	local container
	if [ "$1" = debootstrap ]; then
		root=$work/root day=-
		echo "builder-$2" >"$work/hostname"
		unshare --uts --mount sh -c "mount --bind $work/hostname /etc/hostname; hostname builder-$2; debootstrap --variant=minbase bookworm $root" \
			>"$work/$1.log" 2>&1 ||
			{ tail "$work/$1.log" >&2; die "$1 failed"; }
		return
	fi
	mirror "$2"
	bud -f "$top/testdata/scan/scenes/$1.Dockerfile" --build-arg N="$2" --build-arg MIRROR="http://127.0.0.1:$port" \
		-t "$1-$2" >"$work/$1.log" 2>&1 || { tail -30 "$work/$1.log" >&2; die "scene $1 does not build"; }
	day=$(b inspect --type image --format '{{.OCIv1.Created.Format "2006-01-02"}}' "$1-$2")
	container=$(b from "$1-$2")
	root=$(b mount "$container")
}
drop() {
	if [ "$root" = "$work/root" ]; then rm -rf "$root"; return; fi
	b rm -a >/dev/null
	b rmi -a -f >/dev/null
}

# ---- taking: the rows of a scene, its files into $work/taken/ROW.N
rows() { sed -nE 's/^# (yes|no) ([a-z-]+) (.+)$/\1 \2 \3/p' "$top/testdata/scan/scenes/$1".*; }
take() { # SCENE N
	local row=0 kind rule glob path
	while read -r kind rule glob; do
		row=$((row + 1))
		path=$(cd "$root" && compgen -G "$glob" | while read -r p; do [ ! -f "$p" ] || [ -L "$p" ] || echo "$p"; done | sort | head -1)
		[ -n "$path" ] || { wrong "scene $1, build $2: no file $glob"; continue; }
		cp "$root/$path" "$work/taken/$row.$2"
		echo "$path" >"$work/taken/$row.$2.path"
	done < <(rows "$1")
}
forget() { # SCENE: what an earlier run put
	local name
	[ -e "$out/index.tsv" ] || return 0
	while read -r name; do rm -f "$out/$name".[12]; done < <(awk -F '\t' -v s="$1" '$3 == s { print $10 }' "$out/index.tsv")
	awk -F '\t' -v s="$1" '$3 != s' "$out/index.tsv" >"$work/index" && cp "$work/index" "$out/index.tsv"
}
put() { # SCENE: what was taken, into OUT-DIR
	local row=0 kind rule glob name n p1 p2 same
	while read -r kind rule glob; do
		row=$((row + 1)) n=1
		[ -e "$work/taken/$row.1" ] && [ -e "$work/taken/$row.2" ] || continue
		p1=$(<"$work/taken/$row.1.path") p2=$(<"$work/taken/$row.2.path") same=no
		[ "$p1" != "$p2" ] || ! cmp -s "$work/taken/$row.1" "$work/taken/$row.2" || same=yes
		[ "$kind/$same" != yes/yes ] || wrong "scene $1: $p1 is the same in both builds, so nothing shows $rule"
		[ "$kind/$same" != no/no ] || wrong "scene $1: $p1 differs between the builds, so it is no counter-example of $rule"
		while [ -e "$out/$rule.$kind-$n.1" ]; do n=$((n + 1)); done
		name=$rule.$kind-$n
		head -c $KEEP "$work/taken/$row.1" >"$out/$name.1"
		[ "$kind" = no ] || head -c $KEEP "$work/taken/$row.2" >"$out/$name.2"
		printf '%s\t' "$rule" "$kind" "$1" "$p1" "$(stat -c %s "$work/taken/$row.1")" "$(sha256sum <"$work/taken/$row.1" | cut -c1-64)" \
			"$p2" "$(stat -c %s "$work/taken/$row.2")" "$(sha256sum <"$work/taken/$row.2" | cut -c1-64)" "$name" >>"$out/index.tsv"
		echo "$first_day" >>"$out/index.tsv"
	done < <(rows "$1")
}

mkdir -p "$out" "$work/context/apt"
"$top/tests/tools/debian-root.sh" "$work/context/base.tar"
cp -r /etc/apt/. "$work/context/apt/"
rm -f "$work"/context/apt/apt.conf.d/*docker* "$work"/context/apt/apt.conf.d/*apt-file* # they forbid the caches that an ordinary Debian keeps
for scene in "${scenes[@]}"; do
	rm -rf "$work/taken"
	mkdir "$work/taken"
	for n in 1 2; do
		build "$scene" $n
		[ $n -eq 2 ] || first_day=$day
		take "$scene" $n
		drop
	done
	forget "$scene"
	put "$scene"
	echo "scene $scene: $(rows "$scene" | wc -l) files" >&2
done
sort -o "$out/index.tsv" "$out/index.tsv"
exit $bad
