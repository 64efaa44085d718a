#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes the demo's container image with Debian's own tools: a busybox and two more layers, which between them hold a deletion,
# a hard link to a lower layer, a symlink, an odd owner, a user and a working directory, and a service that says hello. No
# root: the layers are tars whose owners are written, not set.
#
#   image.sh DIR NONCE      DIR/image (an OCI layout, tag hello) and DIR/image.tar (the same as an oci-archive)
set -eu
dir=$1 nonce=$2 now=$(date +%s) # live times, as any build has; the layout sets them
export LC_ALL=C
rm -rf "$dir/layers" "$dir/image" "$dir/image.tar"
mkdir -p "$dir/layers"
cd "$dir/layers"

# pack N OWNER GROUP NAME…: adds these of the directory N to its layer.
pack() {
	local n=$1 owner=$2 group=$3; shift 3
	tar -C "$n" --sort=name --format=pax --mtime="@$now" --numeric-owner --owner="$owner" --group="$group" -rf "$n.tar" "$@"
}
add() { umoci --log=error raw add-layer --image ../image:hello "$1.tar"; }
umoci --log=error init --layout ../image
umoci --log=error new --image ../image:hello

mkdir -p 1/bin 1/etc 1/usr/share/words 1/home/guest
cp /bin/busybox 1/bin/busybox
for a in sh cat echo id sleep uname; do ln -s busybox "1/bin/$a"; done
printf 'root:x:0:0:root:/:/bin/sh\nguest:x:4242:4243:a guest:/home/guest:/bin/sh\n' >1/etc/passwd
printf 'root:x:0:\nguest:x:4243:\nwheel:x:10:guest\n' >1/etc/group
echo "a file that the next layer deletes" >1/etc/draft
echo "hello" >1/usr/share/words/greeting
pack 1 0 0 bin etc usr
pack 1 4242 4243 home/guest
add 1

mkdir -p 2/usr/share/words 2/etc 2/home/guest
cp 1/usr/share/words/greeting 2/usr/share/words/greeting
ln 2/usr/share/words/greeting 2/usr/share/words/salutation
ln -s /usr/share/words/greeting 2/etc/motd
: >2/etc/.wh.draft
echo "mine" >2/home/guest/note
pack 2 0 0 etc usr/share/words
pack 2 4242 4243 home/guest
add 2

mkdir -p 3/srv
cat >3/srv/service <<'END'
#!/bin/sh
echo "$(cat /etc/motd) from $(id -un), uid $(id -u), in $(pwd), on $(uname -s) $(uname -r): nonce $1"
[ ! -e /etc/draft ] || echo "but a deleted file came back"
exec sleep 3600
END
chmod 755 3/srv/service
pack 3 0 0 srv
add 3

umoci --log=error config --image ../image:hello --config.user guest --config.workingdir /home/guest \
	--config.env COLOUR=green --config.entrypoint /srv/service --config.cmd "$nonce"
skopeo copy -q --insecure-policy oci:../image:hello oci-archive:../image.tar:hello
