#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# serial
#
# A cage that ends TLS and asks for API keys, booted whole: init, the supervisor, the real data plane and a service, nothing
# of it replaced. The certificate is made in the enclave by a service directory of the image's own, the digests of the API
# keys are measured in. In the same guest stands the host's half, the real control plane, which reaches the data plane over
# vsock (the kernel's loopback, CID 1), and curl in front of it:
#
#   curl ─TLS─► control plane ─vsock 1:7777, PROXY header─► data plane (TLS ends, API key) ─► 127.0.0.1:8080, USER app
#
# What curl saw is on the console. A second cage holds certificate and key as files: built, and warned of.
. tests/lib.sh
. tests/tools/boot-lib.sh

platform=$TOP/build/debian-platform
t "Debian's kernel can be had" tests/tools/debian-platform.sh "$platform"
modules=()
while read -r m; do modules+=(--module "$platform/modules/${m##*/}"); done <"$platform/modules.list"
modules+=(--module "$platform/modules/vsock_loopback.ko")
control=$TOP/build/rel/bin/cage-control-plane-no-egress
t "the runtime can be built" make -s bundle "$control"

# ---- the project -----------------------------------------------------------------------------------------------------
P=$TEST_TMP/project R=$TEST_TMP/project/root
mkdir -p "$R"/{bin,etc/service/certificate,etc/service/outside,etc/cage,srv/www,lib64}
cp /bin/busybox "$R/bin/"
for a in sh cat id mkdir mv sleep httpd cut; do ln -s busybox "$R/bin/$a"; done
# Programs of the machine, with the libraries that they ask for, at the same places.
for p in "$(command -v curl)" "$(command -v openssl)" "$control"; do
	cp "$p" "$R/bin/"
	for l in $(ldd "$p" | grep -o '/[^ ]*'); do mkdir -p "$R$(dirname "$l")"; cp -nL "$l" "$R$l"; done
done
echo "app:x:1234:1234::/srv:/bin/sh" >"$R/etc/passwd"
echo "the service says hello" >"$R/srv/www/hello.txt"
printf '[req]\ndistinguished_name = dn\n[dn]\n' >"$R/etc/openssl.cnf"
printf '# who may\n%s\n' "$(printf %s "let me in" | sha512sum | cut -d' ' -f1)" >"$R/etc/cage/api-keys"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$TEST_TMP/other.key" -out "$R/etc/cage/other.pem" -days 2 \
	-subj /CN=cage.example 2>/dev/null # of the same name
cat >"$R/bin/service" <<'END_SH'
#!/bin/sh
echo "service: started as $(id -u):$(id -g)"
exec httpd -f -p 127.0.0.1:8080 -h /srv/www
END_SH
cat >"$R/etc/service/certificate/run" <<'END_SH'
#!/bin/sh
mkdir -p /run/cage/tls && cd /run/cage/tls || exit 1
sleep 2 # so that the data plane is seen to start without
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.new -out cert.new -days 2 \
	-config /etc/openssl.cnf -subj /CN=cage.example -addext subjectAltName=DNS:cage.example 2>/dev/null || exit 1
mv key.new key.pem && mv cert.new cert.pem && echo "certificate: made in the enclave"
exec sleep 100000
END_SH
cat >"$R/etc/service/outside/run" <<'END_SH'
#!/bin/sh
cage-control-plane-no-egress --ingress=tcp:127.0.0.1:8443 --enclave=vsock:1:7777 --enclave-health=vsock:1:7779 \
	--health=tcp:127.0.0.1:3032 --control=unix:/run/control --metrics-in=none &
until [ -e /run/cage/up ]; do sleep 1; done # made by the gate when the data plane has said ready
ask() { curl -sS --max-time 30 -o /run/answer -w '%{http_code} HTTP/%{http_version}' --resolve cage.example:8443:127.0.0.1 "$@" 2>&1; }
tls="--cacert /run/cage/tls/cert.pem"
echo "outside: with a key: $(ask --retry 30 --retry-delay 1 --retry-all-errors $tls -H 'api-key: let me in' https://cage.example:8443/hello.txt): $(cat /run/answer)"
echo "outside: by HTTP/1.1: $(ask $tls --http1.1 -H 'api-key: let me in' https://cage.example:8443/hello.txt): $(cat /run/answer)"
echo "outside: with another key: $(ask $tls -H 'api-key: let me out' https://cage.example:8443/hello.txt)"
echo "outside: without one: $(ask $tls https://cage.example:8443/hello.txt)"
echo "outside: with no trust in the certificate: $(ask --cacert /etc/cage/other.pem https://cage.example:8443/ | cut -c1-9)"
echo "outside: without TLS: $(ask http://cage.example:8443/ >/dev/null; echo $?)"
echo "outside: health: $(curl -sS --max-time 30 -o /dev/null -w '%{http_code}' http://127.0.0.1:3032/ 2>&1)"
echo "outside: done"
exec sleep 100000
END_SH
chmod 755 "$R/bin/service" "$R"/etc/service/*/run
cat >"$P/Dockerfile" <<'END_DOCKER'
FROM scratch
COPY root/ /
ENV PATH=/bin
USER app
EXPOSE 8080
CMD ["service"]
END_DOCKER
cat >"$P/cage.json" <<'END_JSON'
{"name": "hello", "api_key_auth": true, "api_keys_file": "/etc/cage/api-keys", "trx_logging": true, "healthcheck": {"path": "/hello.txt"}}
END_JSON
build() { # build OPTION…
	eifgen cage build "$P" --runtime build/bundle --blobs "$platform" --init build/bundle/init --no-nsm "${modules[@]}" --no-write "$@" \
		>"$TEST_TMP/answer" 2>"$TEST_TMP/said" || { tail -n 20 "$TEST_TMP/said"; return 1; }
}

# ---- the boot --------------------------------------------------------------------------------------------------------
t "the cage is built" build -o "$TEST_TMP/hello.eif"
t_not "nothing is warned of" grep "^eifgen: warning: cage.json" "$TEST_TMP/said"
t "the port is the image's EXPOSE" test "$(jq .Cage.Port "$TEST_TMP/answer")" = 8080
cd "$TEST_TMP" || exit 1
eifgen extract hello.eif -C parts >/dev/null
cat parts/ramdisk-*.cpio >initrd
BOOT_MEMORY=768 t "it boots and is asked" boot parts/kernel initrd "$(cat parts/cmdline)" console 300 "^outside: done"
says() { t "$1" grep -aqE -- "^$2.?\$" console || sed 's/^/# /' console | tail -50; }
line() { grep -anE -m 1 -- "$1" console | cut -d: -f1; }
says "the certificate is made there" "certificate: made in the enclave"
says "curl gets the service's answer, by HTTP/2 over TLS that the data plane ended" "outside: with a key: 200 HTTP/2: the service says hello"
says "and by HTTP/1.1" "outside: by HTTP/1.1: 200 HTTP/1.1: the service says hello"
says "another API key is refused" "outside: with another key: 401 HTTP/2"
says "no API key is refused" "outside: without one: 401 HTTP/2"
says "the certificate is the one made there: who trusts another of that name goes" "outside: with no trust in the certificate: curl: \\(60"
t "who speaks no TLS gets no answer" grep -aqE "^outside: without TLS: [1-9]" console
says "both planes are well" "outside: health: 200"
says "the service runs as its user" "service: started as 1234:1234"
t "the data plane ended until there was a certificate" grep -aq 'cage-data-plane-no-egress: .*/run/cage/tls/cert.pem' console
t "it served before the service was started" test "$(line '"plane.ready"')" -lt "$(line '^service: started')"
t "with TLS" grep -aq '"event":"plane.ready".*"tls":true' console

# ---- measured --------------------------------------------------------------------------------------------------------
cd "$TOP" || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$R/etc/cage/key.pem" -out "$R/etc/cage/cert.pem" -days 2 \
	-subj /CN=cage.example 2>/dev/null
jq '. + {tls: {cert_file: "/etc/cage/cert.pem", key_file: "/etc/cage/key.pem"}}' "$P/cage.json" >"$TEST_TMP/c" && mv "$TEST_TMP/c" "$P/cage.json"
t "a cage with its certificate measured in is built" build -o "$TEST_TMP/measured.eif"
t "the private key in the image is warned of" grep -qF "tls.key_file: the image holds the private key /etc/cage/key.pem" "$TEST_TMP/said"
t "and nothing else of cage.json" test "$(grep -c "^eifgen: warning: cage.json" "$TEST_TMP/said")" = 1
t "under --strict that is an error" bash -c '"$@" >/dev/null 2>&1; test $? = 2' - "$EIFGEN_BIN/eifgen" build "$(jq -r .Image "$TEST_TMP/answer")" \
	--cage "$P/cage.json" --runtime build/bundle --blobs "$platform" --init build/bundle/init --no-nsm --strict -o "$TEST_TMP/no.eif"
eifgen extract "$TEST_TMP/measured.eif" -C "$TEST_TMP/measured" >/dev/null
cd "$TEST_TMP/measured" || exit 1
cpio -i --quiet --to-stdout rootfs/opt/cage/config.cbor <ramdisk-2.cpio >config.cbor 2>/dev/null
t "the data plane is told where it is" grep -aq "/etc/cage/cert.pem" config.cbor
cat ramdisk-*.cpio >"$TEST_TMP/initrd"
BOOT_MEMORY=768 t "it boots and serves with that one" boot kernel "$TEST_TMP/initrd" "$(cat cmdline)" "$TEST_TMP/console2" 300 '"plane.ready"'
t "it does" grep -aq '"event":"plane.ready".*"tls":true' "$TEST_TMP/console2"
t_done
