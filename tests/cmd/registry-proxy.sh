#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Registries behind an HTTP proxy, as the environment names it: https through a tunnel, plain HTTP as a request to the
# proxy, loopback and what no_proxy names directly. The registry's name is one that no resolver knows: only the proxy
# leads there, so what arrives came through it.
. tests/lib.sh
. tests/tools/registry-lib.sh
export HOME=$TEST_TMP
unset REGISTRY_AUTH_FILE XDG_RUNTIME_DIR XDG_CONFIG_HOME DOCKER_CONFIG
unset http_proxy https_proxy HTTPS_PROXY HTTP_PROXY ALL_PROXY no_proxy NO_PROXY all_proxy
cd "$TOP" || exit 1
L=$TEST_TMP/layout
make_image "$L" || { t_fail "an image is made"; t_done; }
make_certificates || { t_fail "certificates are made"; t_done; }
eifgen ls --json "oci:$L:v1" >"$TEST_TMP/v1.json" || t_fail "the layout is read"

# forward NAME [OPTION…]: a proxy to $REGISTRY, sets FORWARD to its HOST:PORT and SEEN to its log
forward() {
	local at=$TEST_TMP/$1; shift
	SEEN=$at.log
	: >"$SEEN"
	python3 tests/tools/forward_proxy.py --to "$REGISTRY" --port-file "$at.port" --log "$SEEN" "$@" >"$at.out" 2>&1 &
	SERVERS+=($!)
	wait_for "$at.port" || return 1
	FORWARD=127.0.0.1:$(<"$at.port")
}
same() { # NAME ENVIRONMENT… -- OPTION… REFERENCE
	local name=$1 vars=(); shift
	while [ "$1" != -- ]; do vars+=("$1"); shift; done
	shift
	t_exit 0 "$name" env "${vars[@]}" "$EIFGEN_BIN/eifgen" ls --json "$@"
	t "$name: same as the layout" cmp "$TEST_TMP/out" "$TEST_TMP/v1.json"
}
fails() { # NAME TEXT ENVIRONMENT… -- OPTION… REFERENCE
	local name=$1 text=$2 vars=(); shift 2
	while [ "$1" != -- ]; do vars+=("$1"); shift; done
	shift
	t_exit 2 "$name" env "${vars[@]}" "$EIFGEN_BIN/eifgen" ls --json "$@"
	t_says "$name: says so" "$text"
}

# ---- TLS through a tunnel -----------------------------------------------------------------------------------------------
registry_start tls
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/app:v1"
forward tunnel
ref=docker://registry.example/app:v1 ca=(--tls-ca "$TEST_TMP/tls.crt")
fails "without a proxy nobody knows the registry" "resolve" -- "${ca[@]}" "$ref"
same "https_proxy" https_proxy="http://$FORWARD" -- "${ca[@]}" "$ref"
t "it is a tunnel to the registry" grep -qx "CONNECT registry.example:443 200" "$SEEN"
t_not "and nothing else: the proxy sees no request inside" grep -qv '^CONNECT registry.example:443 200$' "$SEEN"
same "HTTPS_PROXY" HTTPS_PROXY="$FORWARD" -- "${ca[@]}" "$ref"
same "ALL_PROXY" ALL_PROXY="http://$FORWARD" -- "${ca[@]}" "$ref"
same "https_proxy is asked first" https_proxy="http://$FORWARD" ALL_PROXY=http://127.0.0.1:1 -- "${ca[@]}" "$ref"
: >"$SEEN"
fails "no_proxy" "resolve" https_proxy="http://$FORWARD" no_proxy=other.example,registry.example -- "${ca[@]}" "$ref"
fails "NO_PROXY for everything" "resolve" https_proxy="http://$FORWARD" NO_PROXY='*' -- "${ca[@]}" "$ref"
fails "http_proxy is not for https" "resolve" http_proxy="http://$FORWARD" -- "${ca[@]}" "$ref"
same "loopback is reached directly" https_proxy="http://$FORWARD" -- "${ca[@]}" "docker://$REGISTRY/app:v1"
t "the proxy heard of none of these" test ! -s "$SEEN"
same "no_proxy for another host" https_proxy="http://$FORWARD" no_proxy=other.example -- "${ca[@]}" "$ref"
fails "the certificate must still be the registry's" "certificate" https_proxy="http://$FORWARD" -- "${ca[@]}" docker://other.example/app:v1
t_exit 0 "a push goes through it, too" env https_proxy="http://$FORWARD" "$EIFGEN_BIN/eifgen" push "${ca[@]}" --no-record \
	testdata/eif/good/01-one-ramdisk/image.eif docker://registry.example/eif:v1
forward password --user me:secret
same "a proxy with a password" https_proxy="http://me:secret@$FORWARD" -- "${ca[@]}" "$ref"
fails "without it" "407" https_proxy="http://$FORWARD" -- "${ca[@]}" "$ref"
forward refusing --refuse
fails "a proxy that refuses" "403" https_proxy="http://me:secret@$FORWARD" -- "${ca[@]}" "$ref"
t_not "its password is not printed" grep -q secret "$TEST_TMP/err"

# ---- plain HTTP ---------------------------------------------------------------------------------------------------------
registry_start
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/app:v1"
forward plain
same "http_proxy" http_proxy="http://$FORWARD" -- --plain-http "$ref"
t "asks the proxy for the whole URL" grep -q "^GET http://registry.example/v2/app/manifests/v1 200" "$SEEN"
: >"$SEEN"
fails "https_proxy is not for plain HTTP" "resolve" https_proxy="http://$FORWARD" -- --plain-http "$ref"
fails "nor is HTTP_PROXY, which a web server's client may set" "resolve" HTTP_PROXY="http://$FORWARD" -- --plain-http "$ref"
t "the proxy heard of neither" test ! -s "$SEEN"
t_done
