#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# libcage-attest, as a client's author meets it: header, libraries, man page and example installed, the example built from
# there against the shared and the static library, and run against a mock cage: it gets its page from a sound one and says
# no word to any other.
. tests/lib.sh
W=$TEST_TMP A=testdata/attestation
CAGE=$TOP/build/san/tests/tools/mock_cage
L=build/rel/lib R=$W/root/opt/cage

t "install-client" make -s VARIANT=rel install-client DESTDIR="$W/root" PREFIX=/opt/cage
export PKG_CONFIG_PATH=$R/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$W/root
t "the header stands alone in C" sh -c "echo '#include <cage_attest.h>' | gcc -std=c99 -pedantic -Wall -Werror -x c -fsyntax-only \$(pkg-config --cflags cage-attest) -"
t "and in C++, if there is a compiler" sh -c "! command -v clang++ >/dev/null || echo '#include <cage_attest.h>' | clang++ -Wall -Werror -x c++ -fsyntax-only \$(pkg-config --cflags cage-attest) -"
t "the man page is there" grep -q "cage_attest_verify_cert" "$R/share/man/man3/libcage-attest.3"
t "pkg-config --static adds what the static library needs" sh -c "pkg-config --static --libs cage-attest | grep -q -- -lcrypto"
t "and without it only the library itself" test "$(pkg-config --libs-only-l cage-attest | xargs)" = "-lcage-attest"

# The example, from where it was installed; the tests' root comes by the linker, the example has no way to name one.
E=$R/share/doc/libcage-attest/curl_cage.c
t "the example is the installed one, and has forty lines of code at most" test "$(grep -cvE '^[[:space:]]*(//.*)?$' "$E")" -le 40
warn="-std=gnu11 -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla -Werror"
ssl=$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --cflags --libs libcurl libssl libcrypto)
wrap="-Wl,--wrap=cage_attest_new $TOP/tests/client/test_root.c"
# shellcheck disable=SC2046,SC2086 # lists of flags, here and below
t "the example alone, as its user builds it" gcc $warn -o "$W/plain" "$E" $(pkg-config --cflags --libs cage-attest) $ssl
# shellcheck disable=SC2046,SC2086
t "clang has no warning for it either" clang $warn -fsyntax-only "$E" $(pkg-config --cflags cage-attest)
# shellcheck disable=SC2046,SC2086
t "the example, shared" gcc $warn $wrap -o "$W/shared" "$E" $(pkg-config --cflags --libs cage-attest) $ssl
# shellcheck disable=SC2086
t "the example, static" gcc $warn $wrap -o "$W/static" "$E" "-I$R/include" "$R/lib/libcage-attest.a" $ssl
t "the static one needs no libcage-attest at run time" sh -c "! readelf -d '$W/static' | grep -q cage-attest"

t "the shared library exports its interface alone" test "$(nm -D --defined-only $L/libcage-attest.so.0 | grep -v ' A ' | awk '{ print $3 }' | sed 's/@.*//' | sort)" = \
	"$(grep -o '^	cage_attest_[a-z_]*' pcr/client/cage_attest.map | tr -d '\t' | sort)"
t "every symbol with its version" test "$(nm -D --defined-only $L/libcage-attest.so.0 | grep -v ' A ' | grep -vc '@@CAGE_ATTEST_0$')" = 0
t "and the static one too" test "$(nm -g --defined-only $L/libcage-attest.a | awk 'NF == 3 { print $3 }' | grep -vc '^cage_attest_')" = 0
t "the map, the header and the man page name the same functions" bash -c '
	in_map=$(grep -o "cage_attest_[a-z_]*;" pcr/client/cage_attest.map | tr -d ";" | sort)
	[ "$in_map" = "$(grep -o "cage_attest_[a-z_]*(" pcr/client/cage_attest.h | tr -d "(" | sort -u)" ] &&
	[ "$in_map" = "$(sed -n "/^# SYNOPSIS/,/^# DESC/p" man/libcage-attest.3.scd | grep -o "cage_attest_[a-z_]*(" | tr -d "(" | sort -u)" ]'

# What no server can show: forgotten, empty and wrong settings.
openssl x509 -in $A/cage-certificate.pem -outform der -out "$W/real.der"
p0_real=$(jq -r '.pcrs["0"]' $A/cage-certificate.json)
# shellcheck disable=SC2046,SC2086
t "the contract's test, shared" gcc $warn -o "$W/contract" tests/client/contract.c $(pkg-config --cflags --libs cage-attest) -lcrypto
# shellcheck disable=SC2086
t "the contract's test, static and under the sanitizers" gcc $warn -fsanitize=address,undefined -o "$W/contract-san" tests/client/contract.c \
	"-I$R/include" "$R/lib/libcage-attest.a" -lcrypto
t "what is forgotten or wrong is a no" env LD_LIBRARY_PATH="$R/lib" "$W/contract" "$W/real.der" "$p0_real"
t "in the static library too" "$W/contract-san" "$W/real.der" "$p0_real"

pid=
stop() { [ -z "$pid" ] || { kill "$pid"; wait "$pid"; } 2>/dev/null; pid=; }
trap stop EXIT
start() { # MODE FAULT
	stop; rm -rf "$W/cage"; mkdir "$W/cage"
	"$CAGE" "$W/cage" "$1" "$2" 2>"$W/cage/log" & pid=$!
	for _ in $(seq 100); do [ -e "$W/cage/port" ] && break; sleep 0.1; done
	openssl x509 -in "$W/cage/root.pem" -outform der -out "$W/cage/root.der"
	export TEST_ROOT=$W/cage/root.der
}
reg() { printf "$1%.0s" $(seq 48); }
p0=$(reg 10) p1=$(reg 11) p2=$(reg 12) p8=$(reg 18)
client() { LD_LIBRARY_PATH=$R/lib "$W/$1" localhost "$(cat "$W/cage/port")" "${@:2}"; }
silent() { t "$1: and no word was said to it" test ! -s "$W/cage/log"; }

start san sound
for kind in shared static; do
	t_exit 0 "$kind: a page from a sound cage" client $kind "$p0" "$p1" "$p2" "$p8"
	t "$kind: here it is" grep -q hello "$TEST_TMP/out"
done
t_exit 0 "PCR0 alone" client shared "$p0"
: >"$W/cage/log"
t_exit 1 "another PCR0" client shared "$p1" "$p1" "$p2" "$p8"
t_exit 1 "another PCR1" client shared "$p0" "$p0" "$p2" "$p8"
t_exit 1 "another PCR2" client shared "$p0" "$p1" "$p0" "$p8"
t_exit 1 "another PCR8" client shared "$p0" "$p1" "$p2" "$p0"
t_says "is named" "PCR8 is"
t_exit 1 "an empty PCR0" client shared ""
t_exit 1 "an empty PCR8 beside a right PCR0" client shared "$p0" "$p1" "$p2" ""
t_exit 1 "a PCR0 with a digit too many" client shared "${p0}0"
t_exit 1 "zeros" client shared "$(reg 00)"
t_not "no PCR at all" client shared
t_exit 1 "Amazon's root did not sign it" env -u TEST_ROOT LD_LIBRARY_PATH="$R/lib" "$W/shared" localhost "$(cat "$W/cage/port")" "$p0"
t_exit 1 "the program that its user builds" client plain "$p0"
TEST_ROOT=$W/none t_exit 1 "a root that is not there" client shared "$p0"
silent "a no for the client's own reasons"
for fault in other-root forged-chain bundle-order bundle-short expired-link future-link path-length not-ca no-cert-sign \
	sha256-link link-p256 leaf-p256 leaf-is-ca signature-short signature-other-key payload-changed trailing payload-trailing duplicate-field \
	duplicate-pcr indefinite unprotected pcr-absent pcr-zero pcr-short pcr-other nonce-other nonce-absent binding-other \
	too-old too-new; do
	start san $fault
	t_exit 1 "fault $fault" client static "$p0"
	silent $fault
done
start none sound
t_exit 1 "no document at all" client shared "$p0"
silent "none"
start well-known sound
t_exit 1 "a document beside the handshake does not count here" client shared "$p0"
silent "well-known"
t_done
