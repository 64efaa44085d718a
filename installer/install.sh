#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Puts a supervisor (runsv runsvdir sv svlogd chpst) and ifconfig into a root file system that may have them already: what
# is found in PATH stays and is used, what is not is installed into /usr/local/bin. Run inside the image, in the unpacked
# bundle's directory or by its path. Nothing is installed unless every file of the bundle is what SHA256SUMS says.
#
# Leaves only the files that it names, each with the bundle's time, so that two runs leave the same tree. Says one line a
# tool. Exit: 0 done, 1 nothing was installed (a wrong digest, no sha256sum), 2 an installed tool is not the one found.
set -eu
LC_ALL=C
export LC_ALL
umask 022
here=${0%/*}
[ "$here" != "$0" ] || here=.
bin=/usr/local/bin

fail() { echo "install.sh: $2" >&2; exit "$1"; }

# which NAME: the first executable file of that name in PATH; what a shell has built in, nobody else can run. A relative
# part of PATH means another place for each who reads it.
which() {
	set -f
	IFS=:
	for dir in $PATH; do
		case $dir in
		/*) if [ -f "$dir/$1" ] && [ -x "$dir/$1" ]; then echo "$dir/$1"; break; fi ;;
		esac
	done
	unset IFS
	set +f
}

cd "$here" || exit 1
[ -n "$(command -v sha256sum)" ] || fail 1 "no sha256sum here: nothing can be verified, nothing was installed"
while read -r sum name; do
	got=$(sha256sum "$name") || fail 1 "$name is missing: nothing was installed"
	[ "${got%% *}" = "$sum" ] || fail 1 "$name is not what SHA256SUMS says: nothing was installed"
done <SHA256SUMS
for file in bin/*; do
	[ -L "$file" ] || grep -q "^[0-9a-f]*  $file\$" SHA256SUMS || fail 1 "$file is not in SHA256SUMS: nothing was installed"
done

# put FROM TO: a copy with the bundle's time and mode.
put() {
	cp -p "$1" "$2.new"
	mv -f "$2.new" "$2"
}

made=
while read -r tool source version; do
	found=$(which "$tool")
	if [ -n "$found" ]; then
		echo "$tool: already there, $found"
		continue
	fi
	for dir in /usr /usr/local "$bin"; do
		[ -d "$dir" ] || { mkdir "$dir"; made="$dir $made"; }
	done
	if [ -L "bin/$tool" ]; then
		[ -e "$bin/cage-tools" ] || put bin/cage-tools "$bin/cage-tools"
		ln -sf cage-tools "$bin/$tool" # what is there is no program: a link to nothing, say
		touch -h -r bin/cage-tools "$bin/$tool"
	else
		put "bin/$tool" "$bin/$tool"
	fi
	found=$(which "$tool")
	[ "$found" = "$bin/$tool" ] || fail 2 "$tool was installed as $bin/$tool, but PATH finds '$found'"
	echo "$tool: installed, $bin/$tool, from $source $version"
done <PROVENANCE
[ ! -d "$bin" ] || touch -r SHA256SUMS "$bin"
for dir in $made; do touch -r SHA256SUMS "$dir"; done
