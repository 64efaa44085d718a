#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# libcage-attest, as a client's author meets it: headers and libraries installed, the example built against the shared and
# the static one, and run against a mock cage: it gets its page from a sound one and says no word to any other.
. tests/lib.sh
W=$TEST_TMP
CAGE=$TOP/build/san/tests/tools/mock_cage
L=build/rel/lib

t "install-client" make -s VARIANT=rel install-client DESTDIR="$W/root" PREFIX=/opt/cage
export PKG_CONFIG_PATH=$W/root/opt/cage/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$W/root
t "the header stands alone in C" sh -c "echo '#include <cage_attest.h>' | gcc -std=c99 -pedantic -Wall -Werror -x c -fsyntax-only \$(pkg-config --cflags cage-attest) -"
ssl=$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --cflags --libs libcurl libssl libcrypto)
# shellcheck disable=SC2046,SC2086 # lists of flags
t "the example, shared" gcc -Wall -Wextra -Werror -o "$W/shared" tests/client/curl_cage.c $(pkg-config --cflags --libs cage-attest) $ssl
# shellcheck disable=SC2086
t "the example, static" gcc -Wall -Wextra -Werror -o "$W/static" tests/client/curl_cage.c "-I$W/root/opt/cage/include" "$W/root/opt/cage/lib/libcage-attest.a" $ssl
t "the shared library exports its interface alone" test "$(nm -D --defined-only $L/libcage-attest.so.0 | grep -v ' A ' | awk '{ print $3 }' | sed 's/@.*//' | sort)" = \
	"$(grep -o '^	cage_attest_[a-z_]*' pcr/client/cage_attest.map | tr -d '\t' | sort)"
t "with versions" bash -c "nm -D --defined-only $L/libcage-attest.so.0 | grep -q 'cage_attest_verify_cert@@CAGE_ATTEST_0'"
t "the static one too" test "$(nm -g --defined-only $L/libcage-attest.a | awk 'NF == 3 { print $3 }' | grep -vc '^cage_attest_')" = 0
t "the map, the header and the man page name the same functions" bash -c '
	in_map=$(grep -o "cage_attest_[a-z_]*;" pcr/client/cage_attest.map | tr -d ";" | sort)
	[ "$in_map" = "$(grep -o "cage_attest_[a-z_]*(" pcr/client/cage_attest.h | tr -d "(" | sort -u)" ] &&
	[ "$in_map" = "$(sed -n "/^# SYNOPSIS/,/^# DESC/p" man/libcage-attest.3.scd | grep -o "cage_attest_[a-z_]*(" | tr -d "(" | sort -u)" ]'

pid=
stop() { [ -z "$pid" ] || { kill "$pid"; wait "$pid"; } 2>/dev/null; pid=; }
trap stop EXIT
start() { # MODE FAULT
	stop; rm -rf "$W/cage"; mkdir "$W/cage"
	"$CAGE" "$W/cage" "$1" "$2" 2>"$W/cage/log" & pid=$!
	for _ in $(seq 100); do [ -e "$W/cage/port" ] && break; sleep 0.1; done
	openssl x509 -in "$W/cage/root.pem" -outform der -out "$W/cage/root.der"
}
p0=$(printf '10%.0s' $(seq 48)) p1=$(printf '11%.0s' $(seq 48))
client() { LD_LIBRARY_PATH=$W/root/opt/cage/lib "$W/$1" localhost "$(cat "$W/cage/port")" "${@:2}"; }
silent() { t "$1: and no word was said to it" test ! -s "$W/cage/log"; }

start san sound
for kind in shared static; do
	t_exit 0 "$kind: a page from a sound cage" client $kind "$p0" "$W/cage/root.der"
	t "$kind: here it is" grep -q hello "$TEST_TMP/out"
done
: >"$W/cage/log"
t_exit 1 "another PCR0" client shared "$p1" "$W/cage/root.der"
t_exit 1 "an empty PCR0" client shared "" "$W/cage/root.der"
t_exit 1 "zeros" client shared "$(printf '00%.0s' $(seq 48))" "$W/cage/root.der"
t_exit 1 "Amazon's root did not sign it" client shared "$p0"
t_exit 1 "a root that is not there" client shared "$p0" "$W/none"
silent "a no for the client's own reasons"
for fault in other-root forged-chain bundle-order expired-link path-length leaf-p256 signature-short signature-other-key \
	payload-changed trailing duplicate-field indefinite pcr-absent pcr-zero pcr-short pcr-other nonce-other nonce-absent \
	binding-other too-old too-new; do
	start san $fault
	t_exit 1 "fault $fault" client static "$p0" "$W/cage/root.der"
	silent $fault
done
start none sound
t_exit 1 "no document at all" client shared "$p0" "$W/cage/root.der"
silent "none"
t_done
