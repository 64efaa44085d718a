#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a small Debian 12 root file system with Python as a tar, for tests that need an image of a real distribution.
#
#   debian-root.sh OUT.tar [PACKAGES]      kept if it is there; PACKAGES (python3-minimal), joined by commas, come along
set -eu
out=${1:?usage: debian-root.sh OUT.tar [PACKAGES]} packages=${2:-python3-minimal}
mkdir -p "$(dirname "$out")"
exec 9>"$out.lock"
flock 9
[ ! -e "$out" ] || exit 0
SOURCE_DATE_EPOCH=315532801 mmdebstrap --quiet --variant=minbase --include="$packages" --format=tar bookworm "$out.new" >"$out.log" 2>&1 ||
	{ tail -n 20 "$out.log" >&2; exit 1; }
mv "$out.new" "$out"
