#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the benchmark's images from Debian packages: OCI layouts with gzip layers (level 6, as builders write them).
#
#   images.sh DIR       DIR/small (about 15 MB flat, 2 layers), DIR/medium (150 MB, 3), DIR/large (1.2 GB, 6),
#                       DIR/large-{late,middle,early} (large with another top layer, so that the ramdisk changes first at
#                       84, 36 and 0 %), DIR/entries-{1000,10000,100000,1000000}
#
# What is there already is kept. Packages come through apt's own client and are unpacked, not installed.
set -eu
dir=${1:?usage: images.sh DIR}
mkdir -p "$dir/deb" "$dir/root"
dir=$(cd "$dir" && pwd)
here=$(cd "$(dirname "$0")" && pwd)

small_0="busybox-static libc6 zlib1g"
small_1="libssl3 libcurl4 libarchive13"
medium_0="libc6 bash coreutils perl-base perl-modules-5.36 libperl5.36 dpkg apt util-linux tzdata"
medium_1="python3.11-minimal libpython3.11-stdlib libpython3.11-minimal git libicu72 libssl3 openssl"
medium_2="busybox-static vim-runtime ca-certificates"
large_0="$medium_0 $medium_1"
large_1="golang-1.19-go golang-1.19-src"
large_2="openjdk-17-jre-headless openjdk-17-jdk-headless"
large_3="llvm-14-dev libllvm14 libclang-cpp14"
large_4="libboost1.81-dev llvm-14"
large_5="busybox-static ca-certificates"

fetch() {
	local p
	cd "$dir/deb"
	for p in "$@"; do
		ls "$p"_*.deb >/dev/null 2>&1 || apt-get -qq download "$p"
	done
	cd - >/dev/null
}

# layer NAME PACKAGE…: a plain tar of the packages' files.
layer() {
	local name=$1 p root=$dir/root/$1; shift
	[ ! -e "$root.tar" ] || return 0
	fetch "$@"
	rm -rf "$root"; mkdir "$root"
	for p in "$@"; do dpkg-deb -x "$dir"/deb/"$p"_*.deb "$root"; done
	tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@1700000000 --format=posix \
		--pax-option=delete=atime,delete=ctime -cf "$root.tar.new" .
	mv "$root.tar.new" "$root.tar"
	rm -rf "$root"
}

# image NAME [--like OTHER] TAR…: an OCI layout with these layers.
image() {
	local name=$1 out=$dir/$1; shift
	[ ! -e "$out" ] || return 0
	echo "making $name"
	python3 "$here/oci-layout.py" "$out.new" "$@"
	mv "$out.new" "$out"
}

tars() {
	local name=$1 n=$2 i var; shift 2
	for ((i = 0; i < n; i++)); do
		var=${name}_$i
		# shellcheck disable=SC2086 # a list of packages
		layer "$name-$i" ${!var}
		echo "$dir/root/$name-$i.tar"
	done
}

# shellcheck disable=SC2046 # lists of paths without blanks
{
	image small $(tars small 2)
	image medium $(tars medium 3)
	image large $(tars large 6)
}
# changed NAME PREFIX: large, with one file more in its top layer, whose path is PREFIX and "changed".
changed() {
	[ ! -e "$dir/large-$1" ] || return 0
	echo "a changed file" >"$dir/root/changed"
	cp "$dir/root/large-5.tar" "$dir/root/top.tar"
	tar -C "$dir/root" --owner=0 --group=0 --mtime=@1700000001 --transform "s,^,$2," -rf "$dir/root/top.tar" changed
	image "large-$1" --like "$dir/large" "$dir/root/top.tar"
	rm "$dir/root/top.tar"
}
changed late usr/lib/x86_64-linux-gnu/libM-
changed middle usr/lib/jvm/
changed early bin/a-
for n in 1000 10000 100000 1000000; do
	if [ ! -e "$dir/entries-$n" ]; then
		python3 "$here/many-files.py" "$n" >"$dir/root/entries.tar"
		image "entries-$n" "$dir/root/entries.tar"
		rm "$dir/root/entries.tar"
	fi
done
