#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1500
#
# init on a real kernel: Debian's, in QEMU, with ramdisks made by GNU cpio (so that nothing of ours but init is in play).
# Each part of the boot contract is proved by what the guest itself prints: a nonce, the environment, its mounts, its ids.
. tests/lib.sh
. tests/tools/boot-lib.sh

platform=build/debian-platform
nonce=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
if ! tests/tools/debian-platform.sh $platform >"$TEST_TMP/platform.log" 2>&1; then
	t_fail "Debian's kernel can be had"; sed 's/^/# /' "$TEST_TMP/platform.log"; t_done
fi
cmdline=$(cat $platform/cmdline)
cd "$TEST_TMP" || exit 1

# pack DIR: DIR as a newc ramdisk on stdout, everything owned by root.
pack() { (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet); }

# The bootstrap ramdisk: init and the modules, in order.
mkdir -p b/dev b/modules.d
cp "$EIFGEN_BIN/init" b/init
while read -r ko; do
	cp "$TOP/$ko" b/modules.d/
	basename "$ko" >>b/modules
done <"$TOP/$platform/modules.list"
pack b >b.cpio

# The application ramdisk's image: busybox, and a service that reports.
mkdir -p root/rootfs/{bin,etc,opt/tool/bin,srv/work,proc,run,sys,tmp,dev}
cp /bin/busybox root/rootfs/bin/busybox
for a in sh echo cat id pwd stat sha256sum find sort grep sleep ls kill xargs ifconfig sed true; do ln -s busybox root/rootfs/bin/$a; done
echo "some text" >root/rootfs/etc/text
chmod 604 root/rootfs/etc/text
ln root/rootfs/etc/text root/rootfs/srv/hard
ln -s ../etc/text root/rootfs/srv/soft
cat >root/rootfs/opt/tool/bin/report <<'END'
#!/bin/sh
echo "nonce=$1 two=$2 three=$3"
echo "environ=$(/bin/busybox tr '\0' '|' </proc/$$/environ)"
echo "pwd=$(pwd) id=$(id -u):$(id -g) groups=$(sed -n 's/^Groups:\t//p' /proc/self/status)"
echo "lo=$(ifconfig lo | grep -c 'inet addr:127.0.0.1.*')"
echo "modules=$(sed 's/ .*//' /proc/modules | sort | xargs echo)"
for m in /dev /proc /run /tmp /dev/shm /dev/pts /sys /sys/fs/cgroup; do
	sed -n "s|^[^ ]* $m \([^ ]*\) .*|mount=$m \1|p" /proc/mounts
done
ls -l /dev/fd /dev/stdin /dev/stdout /dev/stderr | sed 's/.* \(.* ->\)/link=\1/'
(echo "stdout-opens=yes" >/dev/stdout) 2>/dev/null || echo "stdout-opens=no"
echo "tmp=$(stat -c %a /tmp) left=$(ls / | xargs echo)"
(sleep 0.2 & ) ; sleep 0.6
echo "zombies=$(grep -h '^State' /proc/[0-9]*/status 2>/dev/null | grep -c Z)"
echo "--- manifest"
find / -xdev \( -path /dev -o -path /proc -o -path /run -o -path /sys -o -path /tmp \) -prune -o -print | sort | xargs stat -c '%f %u %g %N'
find /bin /etc /opt /srv -type f | sort | xargs sha256sum
echo "--- end"
exit 7
END
chmod 755 root/rootfs/opt/tool/bin/report
printf 'PATH=/opt/tool/bin:/bin\nCOLOUR=dark blue\n' >root/env
printf 'report\n%s\n\nlast word\n' "$nonce" >root/cmd
printf '1000:1001:4,24\n' >root/user
printf '/srv/work\n' >root/workdir
cp -a root plain
pack root >root.cpio

# start NAME BOOTSTRAP APPLICATION…: boots the ramdisks; the console in NAME.
start() { local name=$1; shift; cat "$@" >"$name.initrd"; boot "$TOP/$platform/bzImage" "$name.initrd" "${LINE:-$cmdline}" "$name"; }
says() { t "$1" grep -qxF -- "$3" "$2" || { sed "s|^|# |" "$2" | tail -40; }; }

t "a service boots and ends within the limit" start main b.cpio root.cpio
says "the arguments reach the service, empty ones too" main "nonce=$nonce two= three=last word"
says "the environment is /env and nothing else" main "environ=PATH=/opt/tool/bin:/bin|COLOUR=dark blue|"
says "it runs in its working directory, as its user, with its groups" main "pwd=/srv/work id=1000:1001 groups=4 24 "
says "lo is up" main "lo=1"
says "the modules were loaded" main "modules=$(sed 's|.*/||; s|\.ko$||' "$TOP/$platform/modules.list" | sort | xargs echo)"
for m in "/dev devtmpfs" "/proc proc" "/run tmpfs" "/tmp tmpfs" "/dev/shm tmpfs" "/dev/pts devpts" "/sys sysfs" "/sys/fs/cgroup tmpfs"; do
	says "mounted: $m" main "mount=$m"
done
says "/dev/fd leads to the process's own" main "link=/dev/fd -> /proc/self/fd"
says "an unprivileged service may open /dev/stdout" main "stdout-opens=yes"
says "/tmp is open to all" main "tmp=1777 left=bin dev etc opt proc run srv sys tmp"
says "orphans are reaped" main "zombies=0"
says "a missing heartbeat is said and allowed by the command line" main \
	"cage-init: no vsock device (No such device): going on, as cage.heartbeat=optional says"
t "the exit status is init's last line" test "$(grep '^cage-init: ' main | tail -n 1)" = "cage-init: service exited with status 7"

# The tree the guest saw is the tree that was packed.
sed -n '/^--- manifest/,/^--- end/p' main | sed '1d;$d' >guest
(cd root/rootfs && {
	find . \( -path ./dev -o -path ./proc -o -path ./run -o -path ./sys -o -path ./tmp \) -prune -o -print | sed 's|^\.|/|; s|^//|/|' |
		LC_ALL=C sort | while read -r p; do
			if [ -L ".$p" ]; then n="$p -> $(readlink ".$p")"; else n=$p; fi
			echo "$(stat -c %f ".$p") 0 0 $n"
		done
	find ./bin ./etc ./opt ./srv -type f | LC_ALL=C sort | xargs sha256sum | sed 's|  \.|  |'
}) | sed "s/'//g" >tree
sed -i "s/'//g" guest
t "the guest's manifest of the root is the tree's" diff tree guest

# Failures: one clear line each, and the machine ends.
variant() { rm -rf v; cp -a plain v; }
rm -f plain/user plain/workdir

t "no application ramdisk: the machine ends" start noapp b.cpio
says "and init says what may be wrong" noapp \
	"cage-init: fatal: unable to read /env: No such file or directory (did the application ramdisk unpack? the machine needs about four times the image's size)"

LINE=${cmdline/cage.heartbeat=optional/} t "no vsock device and no leave to go without: the machine ends" start beat b.cpio root.cpio
says "and init says so" beat "cage-init: fatal: unable to send the heartbeat to vsock 3:9000: no vsock device: No such device"
t_not "and starts nothing" grep -q "nonce=" beat

variant; printf 'nosuchprogram\n' >v/cmd; pack v >v.cpio
t "a program that is not there: the machine ends" start nocmd b.cpio v.cpio
says "with where it was looked for" nocmd "cage-init: unable to run nosuchprogram: not found in PATH /opt/tool/bin:/bin"
says "and a shell's status" nocmd "cage-init: service exited with status 127"

variant; printf '/bin/sh\n-c\nkill -9 $$\n' >v/cmd; pack v >v.cpio
t "a killed service: the machine ends" start killed b.cpio v.cpio
says "and the signal is the last line" killed "cage-init: service killed by signal 9"

variant; printf '/etc/text\n' >v/cmd; printf '0:0\n' >v/user; pack v >v.cpio
t "a malformed user: the machine ends" start baduser b.cpio v.cpio
says "and init names the file" baduser "cage-init: fatal: unable to read /user: it is not UID:GID:GROUPS"

variant; printf '/etc/text\n' >v/cmd; pack v >v.cpio
t "a file that may not be executed: the machine ends" start noexec b.cpio v.cpio
says "and init says why" noexec "cage-init: unable to run /etc/text: Permission denied"

# The driver of the security module: any module can stand in for it where there is none.
cp -a b bn; mv "bn/modules.d/$(head -n 1 bn/modules)" bn/nsm.ko; sed -i 1d bn/modules; pack bn >bn.cpio
t "a bootstrap ramdisk with nsm.ko: the service boots" start nsm bn.cpio root.cpio
says "nsm.ko was loaded, before the modules that need it" nsm \
	"modules=$(sed 's|.*/||; s|\.ko$||' "$TOP/$platform/modules.list" | sort | xargs echo)"
says "and the service runs" nsm "nonce=$nonce two= three=last word"
echo "no module at all" >bn/nsm.ko; pack bn >bn.cpio
t "a broken nsm.ko: the machine ends" start badnsm bn.cpio root.cpio
says "and init names it" badnsm \
	"cage-init: fatal: unable to load the kernel module /nsm.ko: Exec format error (it was built for another kernel)"

cp -a b b2; echo "no module at all" >b2/modules.d/vsock.ko; pack b2 >b2.cpio
t "a broken module: the machine ends" start badmodule b2.cpio root.cpio
says "and init names it" badmodule \
	"cage-init: fatal: unable to load the kernel module /modules.d/vsock.ko: Exec format error (it was built for another kernel)"
t_done
