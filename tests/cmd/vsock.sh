#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib.sh
# timeout: 900
#
# Both planes over real vsock sockets: Debian's kernel in QEMU with vsock_loopback (CID 1 is the machine itself), the data
# plane with its default listeners in a network namespace that has nothing but lo, the control plane outside of it. What
# the guest saw is on its console.
. tests/lib.sh
. tests/tools/boot-lib.sh

[ "$EIFGEN_VARIANT" = rel ] || { t_skip "both planes over vsock" "built for the sanitizers"; t_done; }
platform=build/debian-platform
if ! tests/tools/debian-platform.sh $platform >"$TEST_TMP/platform.log" 2>&1; then
	t_fail "Debian's kernel can be had"; sed 's/^/# /' "$TEST_TMP/platform.log"; t_done
fi
cd "$TEST_TMP" || exit 1

mkdir -p r/{bin,dev,etc,proc,sys,tmp,run,www,srv/cgi-bin,modules}
cp /bin/busybox r/bin/
ln -s busybox r/bin/sh
cp "$TOP/$platform"/modules/{vsock,vmw_vsock_virtio_transport_common,vsock_loopback}.ko r/modules/
cp "$EIFGEN_BIN"/cage-{data,control}-plane r/bin/
cp "$(command -v curl)" r/bin/
ldd "$EIFGEN_BIN/cage-control-plane" r/bin/curl | grep -o '/[^ ]*' | grep -v ':$' | sort -u | xargs -I{} cp --parents -L {} r/
head -c 3000000 /dev/urandom >r/srv/blob
head -c 3000000 /dev/urandom >r/www/far
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout r/etc/key.pem -out r/etc/cert.pem -days 9000 \
	-subj /CN=cage.example -addext subjectAltName=DNS:cage.example 2>/dev/null
echo "93.184.216.34 api.example.com" >r/etc/hosts
echo "127.0.0.1 localhost" >r/etc/hosts.enclave # which has to ask for the name
echo "nameserver 127.0.0.1" >r/etc/resolv.conf
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"; curl -s -m 30 http://api.example.com/far | sha256sum\n' >r/srv/cgi-bin/fetch
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\n"; sha256sum\n' >r/srv/cgi-bin/sum
mkdir -p r/www/cgi-bin
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\nhalf"; sleep 60\n' >r/www/cgi-bin/half
chmod +x r/srv/cgi-bin/* r/www/cgi-bin/*
PYTHONPATH=$TOP/tests/tools python3 -B - >r/etc/config.cbor <<'PY'
import sys
from plane_rig import cbor
sys.stdout.buffer.write(cbor({
    "ingress": {"certificate": "/etc/cert.pem", "key": "/etc/key.pem"},  # listens at vsock:any:7777
    "service": {"health_path": "/blob", "health_interval_ms": 2000},
    "report": {"metrics": "vsock:1:8128", "interval_ms": 1000, "transactions": True, "transactions_to": "vsock:1:7776"},
    "control": {"host": "vsock:1:7776"},
    "egress": {"enabled": True, "allow": "api.example.com", "ports": ["80"], "host": "vsock:1:4433"}}))
PY
cat >r/init <<'INIT'
#!/bin/sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
for m in vsock vmw_vsock_virtio_transport_common vsock_loopback; do insmod /modules/$m.ko; done
ip link set lo up; ip addr add 93.184.216.34/32 dev lo
httpd -p 93.184.216.34:80 -h /www
control() {
	cage-control-plane --ingress tcp:127.0.0.1:8443 --enclave vsock:1:7777 --enclave-health vsock:1:7779 \
		--health tcp:127.0.0.1:3032 --allow api.example.com >>/tmp/control.log 2>&1 & control=$!
}
enclave() { # the network namespace is the enclave's; a vsock knows none
	unshare -n -m sh -c 'mount --bind /etc/hosts.enclave /etc/hosts
		cage-data-plane --config /etc/config.cbor >>/tmp/data.log 2>&1 & echo $! >/tmp/data.pid
		until grep -q plane.ready /tmp/data.log; do sleep 0.1; done; exec httpd -f -p 127.0.0.1:8008 -h /srv' & enclave=$!
}
get() { curl -s -f -m 30 --cacert /etc/cert.pem --resolve cage.example:8443:127.0.0.1 "$@"; }
say() { echo "vsock: $*"; }
control
enclave
n=0; until get http://127.0.0.1:3032/ >/dev/null || [ $n -gt 100 ]; do sleep 0.3; n=$((n + 1)); done
say "health $(get http://127.0.0.1:3032/ | grep -c '"status":"ok","controlPlane"')"
say "in $(get https://cage.example:8443/blob | sha256sum)"
say "up $(get https://cage.example:8443/cgi-bin/sum --data-binary @/srv/blob)"
say "out $(get https://cage.example:8443/cgi-bin/fetch)"
sleep 3
say "metrics $(get http://127.0.0.1:3032/metrics | grep -c '^cage_enclave_clock')"
say "transactions $(grep -c '"event":"transaction"' /tmp/control.log)"
nsenter -t "$(cat /tmp/data.pid)" -n -m /bin/curl -s -m 30 http://api.example.com/cgi-bin/half >/tmp/half & cut=$!
n=0; until [ -s /tmp/half ] || [ $n -gt 60 ]; do sleep 0.3; n=$((n + 1)); done
kill -9 $control; wait $cut
say "cut $? [$(cat /tmp/half)]"
control
n=0; until get http://127.0.0.1:3032/ >/dev/null || [ $n -gt 100 ]; do sleep 0.3; n=$((n + 1)); done
kill -9 "$(cat /tmp/data.pid)" $enclave; sleep 0.5; : >/tmp/data.log
say "gone [$(get https://cage.example:8443/blob | wc -c)]"
n=0; while get http://127.0.0.1:3032/ >/dev/null && [ $n -lt 40 ]; do sleep 0.3; n=$((n + 1)); done
say "gone-health [$(get http://127.0.0.1:3032/ | wc -c)]"
enclave
n=0; until get http://127.0.0.1:3032/ >/dev/null || [ $n -gt 100 ]; do sleep 0.3; n=$((n + 1)); done
say "back $(get https://cage.example:8443/blob | sha256sum)"
kill $control; sleep 3
say "end $(grep -c control.drained /tmp/control.log)"
cat /tmp/control.log /tmp/data.log
reboot -f
INIT
chmod +x r/init
(cd r && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >initrd
BOOT_MEMORY=512 t "the machine boots and ends" boot "$TOP/$platform/bzImage" initrd "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check" console 400
says() { t "$1" grep -qxF -- "vsock: $2" console || sed -n '/vsock: /,$s/^/# /p' console | tail -60; }
blob=$(sha256sum <r/srv/blob) far=$(sha256sum <r/www/far)
says "health crosses the vsock, and all is well" "health 1"
says "3 MB come out through TLS, whole" "in $blob"
says "3 MB go in, whole" "up $blob"
says "the service fetches 3 MB from outside, whole" "out $far"
says "metrics cross, with the host's clock beside the enclave's" "metrics 2"
t "transactions cross" grep -qE '^vsock: transactions [1-9]' console
says "a stream that the host breaks off is broken for the program, too, not ended" "cut 56 [half]"
says "without the data plane a client is closed" "gone [0]"
says "and health is red" "gone-health [0]"
says "a data plane that comes back is used" "back $blob"
says "the control plane drains and ends" "end 1"
t_done
