#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The job, start to end, on a fresh Debian 12 and without root, Docker or nitro-cli: a container image becomes an EIF and its
# PCRs, twice, from two differently disturbed environments; the two files are one; and what is in it boots and says hello.
# `make demo` runs this. What it makes stays in build/demo, so that a second run is quick. Everything it starts, it ends.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/../.."
. tests/tools/boot-lib.sh
eifgen=$PWD/build/rel/bin/eifgen
dir=$PWD/build/demo platform=$PWD/build/debian-platform bundle=$PWD/build/demo/bundle
mkdir -p "$dir"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
die() { echo "demo: $*" >&2; exit 1; }

say "1. A kernel from Debian, an init from this tree"
tests/tools/debian-platform.sh "$platform"
modules=()
while read -r m; do modules+=(--module "$PWD/$m"); done < <(sed "s|^$PWD/||" "$platform/modules.list")
echo "   kernel  $(cat "$platform/version")"
echo "   init    sha256 $(jq -r .files.init "$bundle/bundle.json" | cut -c 1-16)…, $(stat -c %s "$bundle/init") bytes, static"

say "2. A container image: busybox, a deletion, a hard link, a symlink, an odd owner, a service"
if [ ! -e "$dir/nonce" ] || [ tests/demo/image.sh -nt "$dir/nonce" ]; then
	nonce=$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
	tests/demo/image.sh "$dir" "$nonce"
	echo "$nonce" >"$dir/nonce"
fi
nonce=$(cat "$dir/nonce")
skopeo inspect "oci:$dir/image:hello" | jq -r '"   \(.Layers | length) layers, \(.Architecture), manifest \(.Digest[0:23])…"'

say "3. Image to EIF, in one pass, and its PCRs"
build() { "$eifgen" build --blobs "$platform" --init "$bundle/init" --no-nsm "${modules[@]}" "$@"; }
start=$(date +%s%N)
build "oci:$dir/image:hello" -o "$dir/hello.eif" >"$dir/hello.json"
took=$((($(date +%s%N) - start) / 1000000))
jq -r '.Measurements | to_entries[] | select(.key | startswith("PCR")) | "   \(.key)  \(.value)"' "$dir/hello.json"
echo "   $(stat -c %s "$dir/hello.eif") bytes in $took ms"

say "4. Again: another directory, archive form, time zone, locale, umask, home, clock (1999), one processor"
rm -rf "$dir/elsewhere"
mkdir -p "$dir/elsewhere/tmp"
(
	cd "$dir/elsewhere"
	umask 077
	ulimit -n 64
	export HOME=/nonexistent TZ=Pacific/Kiritimati LC_ALL=C.UTF-8 LANG=tr_TR TMPDIR=$dir/elsewhere/tmp
	build() { faketime '1999-12-31 23:59:59' taskset -c 0 "$eifgen" build --blobs "$platform" --init "$bundle/init" --no-nsm \
		"${modules[@]}" "$@"; }
	build "oci-archive:$dir/image.tar:hello" -o again.eif >again.json
)
cmp "$dir/hello.eif" "$dir/elsewhere/again.eif" || die "the two files differ"
echo "   identical: sha256 $(sha256sum "$dir/hello.eif" | cut -d' ' -f1)"

say "5. The kernel and ramdisks inside that EIF, booted (QEMU, emulated: some seconds)"
rm -rf "$dir/parts"
"$eifgen" extract "$dir/hello.eif" -C "$dir/parts" >/dev/null
cat "$dir"/parts/ramdisk-*.cpio >"$dir/initrd"
boot "$dir/parts/kernel" "$dir/initrd" "$(cat "$dir/parts/cmdline")" "$dir/console" 120 "nonce $nonce" || true
grep -aE "nonce $nonce|^cage-init: " "$dir/console" | sed 's/^/   | /' || true
grep -aq "^hello from guest, uid 4242, in /home/guest, .* nonce $nonce\$" "$dir/console" ||
	{ tail -n 30 "$dir/console" >&2; die "the service did not say hello"; }

say "Done. The same image gives these PCRs on your machine too: eifgen pcr oci:build/demo/image:hello …"
