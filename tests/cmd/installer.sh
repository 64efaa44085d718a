#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
#
# The installer bundle: the same bytes from two builds, what install.sh does in three kinds of root file system (Debian,
# nothing but busybox, one that has runit), what it refuses, and a real service supervised, restarted and logged by the
# tools that it installed.
. tests/lib.sh

if ! make -s installer >"$TEST_TMP/log" 2>&1; then t_fail "the bundle builds"; sed 's/^/# /' "$TEST_TMP/log" | tail -20; t_done; fi
bundle=$TOP/build/installer/runtime-dependencies.tar
src=$TOP/build/installer/src
chroot=$(command -v chroot || echo /usr/sbin/chroot)
if [ "$(id -u)" -ne 0 ]; then # chroot asks for root: one of a user namespace will do
	if unshare --map-root-user true 2>/dev/null; then exec unshare --map-root-user -- bash tests/cmd/installer.sh; fi
	t_skip "install.sh in other roots" "needs root or user namespaces"; t_done
fi

# ---- the archive -----------------------------------------------------------------------------------------------------
mkdir -p "$TEST_TMP/somewhere/else"
t "a second build, elsewhere, under other conditions, succeeds" env -i PATH="$PATH" TMPDIR="$TEST_TMP/somewhere/else" LC_ALL=C.UTF-8 \
	TZ=Asia/Tokyo CFLAGS=-O0 bash -c 'umask 077; exec "$@"' - installer/build "$src" "$TEST_TMP/second.tar"
t "both bundles are the same bytes" cmp "$bundle" "$TEST_TMP/second.tar"
t "it is a ustar archive, sorted, of one time and root's" python3 - "$bundle" <<'END'
import sys, tarfile
assert open(sys.argv[1], "rb").read()[257:263] == b"ustar\0"
members = tarfile.open(sys.argv[1]).getmembers()
assert [m.name for m in members] == sorted(m.name for m in members)
assert {m.mtime for m in members} == {315532801}
assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
END
t "nothing of the place where it was built is in it" bash -c '! grep -qaF "$0" "$1"' "$TEST_TMP" "$TEST_TMP/second.tar"
t "install.sh is clean to shellcheck, as POSIX sh" shellcheck -s sh installer/install.sh
t "a source that is not the pinned one is refused" bash -c 'mkdir -p "$1/src" && cp "$0"/busybox* "$1/src/" && cp -r installer "$1/" &&
	sed -i "s/^faeeb2/000000/" "$1/installer/pins" && "$1/installer/fetch" busybox "$1/src"; test $? = 1' "$src" "$TEST_TMP"

# ---- where the sources come from -------------------------------------------------------------------------------------
# An apt-get that cannot get the source, as where Debian's mirror lacks it: its lists come, then one file, then a 404.
mkdir "$TEST_TMP/noapt"
cat >"$TEST_TMP/noapt/apt-get" <<'END'
#!/bin/sh
case "$*" in *" update"*) exit 0 ;; esac
echo half >runit_2.1.2-54.dsc
echo "E: Failed to fetch runit_2.1.2.orig.tar.gz  404  Not Found" >&2
exit 100
END
chmod 755 "$TEST_TMP/noapt/apt-get"
PATH=$TEST_TMP/noapt:$PATH t_exit 3 "a source that is not to be had is told from a wrong one" installer/fetch runit "$TEST_TMP/nosource"
t_says "and apt's reason is said" "the source of runit 2.1.2-54 is not to be had: E: Failed to fetch"
t "and nothing of it is left" test -z "$(ls "$TEST_TMP/nosource")"
ln -s "$src"/busybox_* "$TEST_TMP/nosource/"
t_not "runit cannot be built without it" installer/build "$TEST_TMP/nosource" "$TEST_TMP/none.tar" runit
t_not "and nothing is made" test -e "$TEST_TMP/none.tar"

# A runit that is none, in the form of Debian's source package (a directory runit-2.1.2 within): the way that is taken where
# the real one can be had.
mkdir -p "$TEST_TMP/withsource/runit-2.1.2/runit-2.1.2/src" "$TEST_TMP/withsource/runit-2.1.2/debian"
(
	cd "$TEST_TMP/withsource/runit-2.1.2" || exit 1
	echo '#include <stdio.h>
int main(void) { puts("a runit from source"); return 0; }' >runit-2.1.2/src/tool.c
	printf 'runsv runsvdir sv svlogd chpst: tool.c\n\t$$(head -n 1 conf-cc) -c tool.c -o $@.o && $$(head -n 1 conf-ld) $@.o -o $@\n' \
		>runit-2.1.2/src/Makefile
	tar -C .. --exclude=debian -czf ../runit_2.1.2.orig.tar.gz runit-2.1.2
	printf 'runit (2.1.2-54) stable; urgency=low\n\n  * None.\n\n -- A <a@b>  Thu, 01 Jan 1970 00:00:00 +0000\n' >debian/changelog
	printf 'Source: runit\nMaintainer: A <a@b>\nStandards-Version: 4.6.0\n\nPackage: runit\nArchitecture: any\nDescription: none\n' >debian/control
	cd .. && dpkg-source -b --format=1.0 runit-2.1.2
) >"$TEST_TMP/dpkg.log" 2>&1
rm -rf "$TEST_TMP/withsource/runit-2.1.2"
ln -s "$src"/busybox_* "$TEST_TMP/withsource/"
t "runit is taken where its source is" installer/build "$TEST_TMP/withsource" "$TEST_TMP/runit.tar" auto
tar -C "$TEST_TMP" -xf "$TEST_TMP/runit.tar"
t "the five tools are runit's, ifconfig is busybox's, and PROVENANCE says so" diff - "$TEST_TMP/runtime-dependencies/PROVENANCE" <<END
runsv runit $(awk '$1 == "runit" { print $2 }' installer/pins)
runsvdir runit $(awk '$1 == "runit" { print $2 }' installer/pins)
sv runit $(awk '$1 == "runit" { print $2 }' installer/pins)
svlogd runit $(awk '$1 == "runit" { print $2 }' installer/pins)
chpst runit $(awk '$1 == "runit" { print $2 }' installer/pins)
ifconfig busybox $(awk '$1 == "busybox" { print $2 }' installer/pins)
END
t "they are programs of their own" test "$("$TEST_TMP/runtime-dependencies/bin/runsv")" = "a runit from source"
t "static ones" bash -c '! file "$1" | grep -q "dynamically"' - "$TEST_TMP/runtime-dependencies/bin/svlogd"
t "busybox brings no tool of theirs" bash -c '! "$1" runsv 2>&1 | grep -qi usage' - "$TEST_TMP/runtime-dependencies/bin/cage-tools"
t "SHA256SUMS lists every file" bash -c 'cd "$1" && sha256sum -c --quiet SHA256SUMS && test "$(wc -l <SHA256SUMS)" = "$(find . -type f ! -name SHA256SUMS | wc -l)"' - \
	"$TEST_TMP/runtime-dependencies"

# ---- roots -----------------------------------------------------------------------------------------------------------
# make_busybox DIR: a root with nothing but a busybox of Debian's and the applets an installer needs.
make_busybox() {
	mkdir -p "$1"/{bin,dev,etc,tmp,run,opt}
	: >"$1/dev/null" # a file will do
	cp /bin/busybox "$1/bin/"
	for a in sh sha256sum cp mv mkdir ln touch grep ls sleep cat kill rm id; do ln -s busybox "$1/bin/$a"; done
	tar -C "$1/opt" -xf "$bundle"
}
run() { local root=$1; shift; env -i PATH=/usr/local/bin:/usr/bin:/bin "$chroot" "$root" "$@"; }
listing() { (cd "$1" && find . -path ./opt -prune -o -printf '%P %y %m %T@ %l\n' | sort); }

make_busybox "$TEST_TMP/bb"
listing "$TEST_TMP/bb" >"$TEST_TMP/before"
t "a busybox root: everything is installed" run "$TEST_TMP/bb" /bin/sh /opt/runtime-dependencies/install.sh
run "$TEST_TMP/bb" /bin/sh /opt/runtime-dependencies/install.sh >"$TEST_TMP/again"
t "a second run finds every tool there" test "$(grep -c 'already there, /usr/local/bin/' "$TEST_TMP/again")" = 6
for tool in runsv runsvdir sv svlogd chpst ifconfig; do
	t "$tool is there and runs" bash -c '"$@" 2>&1 | grep -qi "usage"' - env -i "$chroot" "$TEST_TMP/bb" /usr/local/bin/$tool --help
done
make_busybox "$TEST_TMP/bb2"
sleep 1.1
run "$TEST_TMP/bb2" /bin/sh /opt/runtime-dependencies/install.sh >"$TEST_TMP/said"
t "it says what it did" grep -q "^runsvdir: installed, /usr/local/bin/runsvdir, from \(busybox\|runit\) " "$TEST_TMP/said"
t "nothing that it leaves varies with time" diff <(listing "$TEST_TMP/bb/usr/local") <(listing "$TEST_TMP/bb2/usr/local")

make_busybox "$TEST_TMP/odd"
mkdir -p "$TEST_TMP/odd/usr/local/bin" "$TEST_TMP/odd/rel"
ln -s /gone "$TEST_TMP/odd/usr/local/bin/runsv"
: >"$TEST_TMP/odd/usr/local/bin/sv"
cp "$TEST_TMP/odd/bin/busybox" "$TEST_TMP/odd/rel/chpst"
t "names that are no programs give way, and a relative part of PATH does not count" env -i PATH="rel:/usr/local/bin:/usr/bin:/bin" "$chroot" \
	"$TEST_TMP/odd" /bin/sh -c 'cd / && sh /opt/runtime-dependencies/install.sh'
t "the tools are the bundle's then" diff <(listing "$TEST_TMP/bb/usr/local/bin") <(listing "$TEST_TMP/odd/usr/local/bin")

make_busybox "$TEST_TMP/bad"
echo >>"$TEST_TMP/bad/opt/runtime-dependencies/bin/cage-tools"
t_exit 1 "a changed file in the bundle is refused" run "$TEST_TMP/bad" /bin/sh /opt/runtime-dependencies/install.sh
t_says "and named" "bin/cage-tools is not what SHA256SUMS says: nothing was installed"
t_not "and nothing was installed" test -e "$TEST_TMP/bad/usr"
make_busybox "$TEST_TMP/more"
echo "#!/bin/sh" >"$TEST_TMP/more/opt/runtime-dependencies/bin/extra"
t_exit 1 "a file that SHA256SUMS does not list is refused" run "$TEST_TMP/more" /bin/sh /opt/runtime-dependencies/install.sh
make_busybox "$TEST_TMP/nosum"; rm "$TEST_TMP"/nosum/bin/*
cp /bin/busybox "$TEST_TMP/nosum/bin/cp"; cp "$(command -v dash)" "$TEST_TMP/nosum/bin/sh" # a shell without applets
if ldd "$(command -v dash)" >/dev/null 2>&1; then
	for l in $(ldd "$(command -v dash)" | grep -o '/[^ ]*'); do mkdir -p "$TEST_TMP/nosum$(dirname "$l")"; cp -L "$l" "$TEST_TMP/nosum$l"; done
fi
t_exit 1 "a root without sha256sum is left alone" run "$TEST_TMP/nosum" /bin/sh /opt/runtime-dependencies/install.sh

t "Debian's root can be made" tests/tools/debian-root.sh "$TOP/build/debian-root.tar"
mkdir "$TEST_TMP/deb"
tar -C "$TEST_TMP/deb" --exclude='./dev/*' -xf "$TOP/build/debian-root.tar"
: >"$TEST_TMP/deb/dev/null"
tar -C "$TEST_TMP/deb/opt" -xf "$bundle"
t "Debian: everything is installed" run "$TEST_TMP/deb" /bin/sh /opt/runtime-dependencies/install.sh
t "Debian: the supervisor runs" test -x "$TEST_TMP/deb/usr/local/bin/runsvdir"

# Debian's own runit package, unpacked: its tools stay, only what it lacks is added.
rm -rf "$TEST_TMP/deb/usr/local/bin"; mkdir "$TEST_TMP/deb/usr/local/bin"
(cd "$TEST_TMP" && apt-get download -qq runit >/dev/null 2>&1 && dpkg-deb --fsys-tarfile runit_*.deb | tar -C deb --keep-directory-symlink -xf -)
if [ -x "$TEST_TMP/deb/usr/bin/runsvdir" ]; then
	run "$TEST_TMP/deb" /bin/sh /opt/runtime-dependencies/install.sh >"$TEST_TMP/said"
	t "a root with runit keeps its own" grep -qx "runsvdir: already there, /usr/bin/runsvdir" "$TEST_TMP/said"
	t "and gets what it lacks" grep -q "^ifconfig: installed, " "$TEST_TMP/said"
	t "and nothing else" test "$(cd "$TEST_TMP/deb/usr/local/bin" && echo *)" = "cage-tools ifconfig"
else
	t_skip "a root with runit keeps its own" "Debian's runit package is not to be had"
fi

# ---- a service -------------------------------------------------------------------------------------------------------
root=$TEST_TMP/bb
mkdir -p "$root/etc/service/echo/log" "$root/var/log/echo"
printf '#!/bin/sh\necho "started $$"\nexec sleep 1000\n' >"$root/etc/service/echo/run"
printf '#!/bin/sh\nexec svlogd /var/log/echo\n' >"$root/etc/service/echo/log/run"
chmod 755 "$root/etc/service/echo/run" "$root/etc/service/echo/log/run"
ln -s busybox "$root/bin/timeout"
wait_for() { for _ in $(seq 100); do if eval "$1"; then return 0; fi; sleep 0.1; done; return 1; }
env -i PATH=/usr/local/bin:/bin "$chroot" "$root" timeout 60 runsvdir /etc/service >/dev/null 2>&1 &
supervisor=$!
log=$root/var/log/echo/current
t "the service is started and logged" wait_for "grep -q '^started' $log 2>/dev/null"
first=$(cat "$root/etc/service/echo/supervise/pid")
kill -9 "$first"
t "a killed service is started again" wait_for "[ \$(grep -c '^started' $log) -ge 2 ]"
second=$(cat "$root/etc/service/echo/supervise/pid")
t "as another process" test "$first" != "$second"
t "sv sees it running" bash -c '"$@" | grep -q "^run: "' - env -i "$chroot" "$root" /usr/local/bin/sv status /etc/service/echo
t "sv stops it" env -i "$chroot" "$root" /usr/local/bin/sv down /etc/service/echo
t "and it stays down" wait_for "! kill -0 $second 2>/dev/null"
env -i "$chroot" "$root" /usr/local/bin/sv exit /etc/service/echo >/dev/null 2>&1
kill -HUP $supervisor 2>/dev/null; kill $supervisor 2>/dev/null
wait $supervisor 2>/dev/null
t_done
