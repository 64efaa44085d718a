# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests that need a registry: Debian's docker-registry on loopback, filled by skopeo, and the fault proxy before it.
# Source it after tests/lib.sh. Servers are ended by their pids when the script ends, and end by themselves later.
#   make_image DIR            an OCI layout oci:DIR:v1 of two layers (about 3 MB) and oci:DIR:v2 of one, sets nothing
#   registry_start [tls] [htpasswd]   sets REGISTRY to HOST:PORT; user and password are `user` and `secret`
#   proxy_start [OPTION…]     sets PROXY to HOST:PORT and OTHER to that of its second address; rules in $RULES
SERVERS=()
servers_stop() {
	[ ${#SERVERS[@]} -eq 0 ] || kill "${SERVERS[@]}" 2>/dev/null
	wait 2>/dev/null
	SERVERS=()
}
trap servers_stop EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# wait_for FILE-OR-PORT: until the file is there, or the port takes connections; ten seconds at most.
wait_for() {
	for _ in $(seq 100); do
		case $1 in
		*[!0-9]*) [ ! -e "$1" ] || return 0 ;;
		*) ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null || return 0 ;;
		esac
		sleep 0.1
	done
	return 1
}

make_image() {
	local dir=$1 tree=$TEST_TMP/make-image
	mkdir -p "$tree" && umoci init --layout "$dir" && umoci new --image "$dir:v1"
	umoci config --image "$dir:v1" --config.cmd /bin/hello --config.env A=b
	umoci unpack --rootless --image "$dir:v1" "$tree/one" >/dev/null 2>&1 || return 1
	mkdir -p "$tree/one/rootfs/bin" "$tree/one/rootfs/data"
	echo '#!hello' >"$tree/one/rootfs/bin/hello"
	umoci repack --image "$dir:v1" "$tree/one" >/dev/null 2>&1 || return 1
	cp "$dir/index.json" "$tree/index.json"
	umoci tag --image "$dir:v1" v2
	umoci unpack --rootless --image "$dir:v1" "$tree/two" >/dev/null 2>&1 || return 1
	head -c 3000000 /dev/urandom >"$tree/two/rootfs/data/noise"
	umoci repack --image "$dir:v1" "$tree/two" >/dev/null 2>&1
}

# A key and a certificate for 127.0.0.1, localhost and registry.example in $TEST_TMP/tls.{key,crt}, and another nobody trusts.
make_certificates() {
	local name
	for name in tls other; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \
			-addext 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.example' -keyout "$TEST_TMP/$name.key" \
			-out "$TEST_TMP/$name.crt" 2>/dev/null || return 1
	done
}

registry_start() {
	local port word config=$TEST_TMP/registry-$((${#SERVERS[@]} + 1)).yml
	port=$(free_port)
	{
		echo "version: 0.1"
		echo "log: {level: error}"
		echo "storage: {filesystem: {rootdirectory: $config.data}, delete: {enabled: true}}"
		echo "http:"
		echo "  addr: 127.0.0.1:$port"
		for word in "$@"; do
			[ "$word" != tls ] || echo "  tls: {certificate: $TEST_TMP/tls.crt, key: $TEST_TMP/tls.key}"
		done
		for word in "$@"; do
			[ "$word" != htpasswd ] || echo "auth: {htpasswd: {realm: test, path: $config.htpasswd}}"
		done
	} >"$config"
	python3 -W ignore -c 'import crypt; print("user:" + crypt.crypt("secret", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)))' \
		>"$config.htpasswd"
	timeout 400 docker-registry serve "$config" >"$config.log" 2>&1 &
	SERVERS+=($!)
	export REGISTRY=127.0.0.1:$port
	wait_for "$port"
}

proxy_start() {
	local at=$TEST_TMP/proxy-$((${#SERVERS[@]} + 1))
	RULES=$at.rules PROXY_LOG=$at.log
	: >"$RULES"
	: >"$PROXY_LOG"
	python3 tests/tools/fault_proxy.py --port-file "$at.port" --log "$PROXY_LOG" --rules "$RULES" "$@" >"$at.out" 2>&1 &
	SERVERS+=($!)
	wait_for "$at.port" || return 1
	read -r PROXY OTHER <"$at.port"
	PROXY=127.0.0.1:$PROXY OTHER=127.0.0.1:$OTHER
}

# rules [RULE…]: the proxy's rules from now on, its log emptied.
rules() {
	printf '%s\n' "$@" >"$RULES"
	: >"$PROXY_LOG"
}
