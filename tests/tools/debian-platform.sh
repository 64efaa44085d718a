#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a platform directory of Debian's cloud kernel, for boots on this machine: bzImage, bzImage.config, cmdline,
# modules/*.ko and modules.list (their paths, in load order; modules/vsock_loopback.ko, which lets a guest talk to itself over
# vsock, is not in the list). The package is fetched by apt (which checks its signature) and taken apart, never installed.
# What is already there is kept.
#
#   debian-platform.sh DIR      version of the kernel package in DIR/version
set -eu
dir=${1:?usage: debian-platform.sh DIR}
whole() { [ -e "$dir/version" ] && [ -e "$dir/modules/vsock_loopback.ko" ]; }
if whole; then exit 0; fi
mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9 # two tests may want it at once
if whole; then exit 0; fi

# Virtio over MMIO and PCI, then vsock over virtio: each after those it needs.
modules="drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_mmio drivers/virtio/virtio_pci_legacy_dev
 drivers/virtio/virtio_pci_modern_dev drivers/virtio/virtio_pci net/vmw_vsock/vsock
 net/vmw_vsock/vmw_vsock_virtio_transport_common net/vmw_vsock/vmw_vsock_virtio_transport"
# What AWS's kernels are started with, and a heartbeat that may fail, for there is no parent instance here.
cmdline="reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd
 random.trust_cpu=on cage.heartbeat=optional loglevel=2 no_timer_check"

export LC_ALL=C
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
[ -n "$package" ] || { echo "debian-platform.sh: apt knows no linux-image-cloud-amd64: run apt-get update" >&2; exit 1; }
tmp=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
(cd "$tmp" && apt-get download -qq "$package" 2>/dev/null)
dpkg-deb -x "$tmp"/linux-image-*.deb "$tmp/x"
kernel=${package#linux-image-}
mkdir -p "$tmp/out/modules"
cp "$tmp/x/boot/vmlinuz-$kernel" "$tmp/out/bzImage"
cp "$tmp/x/boot/config-$kernel" "$tmp/out/bzImage.config"
# shellcheck disable=SC2086 # words on one line
echo $cmdline >"$tmp/out/cmdline"
for m in $modules; do
	cp "$tmp/x/lib/modules/$kernel/kernel/$m.ko" "$tmp/out/modules/"
	echo "$dir/modules/${m##*/}.ko" >>"$tmp/out/modules.list"
done
cp "$tmp/x/lib/modules/$kernel/kernel/net/vmw_vsock/vsock_loopback.ko" "$tmp/out/modules/"
basename "$tmp"/linux-image-*.deb .deb >"$tmp/out/version"
rm -rf "$dir"
mv "$tmp/out" "$dir"
