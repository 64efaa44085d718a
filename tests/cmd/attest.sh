#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# attest: real documents from files, and a mock cage over TLS with a test PKI, sound and with every kind of fault.
. tests/lib.sh
A=testdata/attestation
W=$TEST_TMP
CAGE=$TOP/build/san/tests/tools/mock_cage
pcr() { jq -r ".pcrs[\"$2\"]" "$A/$1.json"; }
att() { eifgen attest "$@"; }

p0=$(pcr production 0) p1=$(pcr production 1) p2=$(pcr production 2) p8=$(pcr production 8)
t_exit 0 "a real document at its own time" att --document $A/production.doc --at 2022-10-13T08:58:02Z --pcr0 "$p0" --pcr1 "$p1" --pcr2 "$p2" --pcr8 "$p8"
t "for people" grep -q "^attested: .*made 2022-10-13T08:58:02Z by i-020b6af9246d90e92-enc0183d09086c24190" "$TEST_TMP/out"
t_exit 1 "is refused today" att --document $A/production.doc --pcr0 "$p0"
t_exit 1 "and a day later, whatever its age may be" att --document $A/production.doc --at 2022-10-14T08:58:02Z --max-age 1000000 --pcr0 "$p0"
t "because its certificate has expired" grep -q "expired on" "$TEST_TMP/out"
t_exit 1 "another PCR is refused" att --document $A/production.doc --at 1665651482 --pcr0 "$p1"
t_exit 0 "one of two values passes" att --document $A/production.doc --at 1665651482 --pcr0 "$p1" --pcr0 "$p0"
t_exit 2 "nothing expected is an error, not a yes" att --document $A/production.doc --at 1665651482
t_exit 2 "an empty value too" att --document $A/production.doc --at 1665651482 --pcr0 ""
t_exit 2 "zeros too" att --document $A/production.doc --pcr0 "$(printf '0%.0s' $(seq 96))"
t_exit 0 "its nonce, given" att --document $A/production.doc --at 1665651482 --pcr0 "$p0" --nonce "$(jq -r .nonce $A/production.json)"
t_exit 1 "another nonce" att --document $A/production.doc --at 1665651482 --pcr0 "$p0" --nonce 00
t_exit 1 "a debug document, for its zeros" att --document $A/debug-mode.doc --at "$(($(jq .timestamp_ms $A/debug-mode.json) / 1000))" --pcr3 "$(pcr debug-mode 3)"
t "which is said" grep -q "debug mode" "$TEST_TMP/out"
t_exit 1 "PCR16 was not extended: absent" att --document $A/production.doc --at 1665651482 --pcr0 "$p0" --pcr16 "$p0"
t_exit 1 "a file that is no document" att --document $A/README.md --pcr0 "$p0"
t_exit 2 "a missing file is trouble" att --document "$W/none" --pcr0 "$p0"
t_exit 0 "JSON for scripts" att --json --document $A/production.doc --at 1665651482 --pcr0 "$p0"
t "it holds what the document says" jq -e --slurpfile d $A/production.json \
	'.Verified and .PCRs.PCR0 == $d[0].pcrs["0"] and .Nonce == $d[0].nonce and .TimestampMs == $d[0].timestamp_ms and .UserData == null' "$TEST_TMP/out"
t "and against what it was held" jq -e '.Policy == {Registers: ["PCR0"], Root: null, Nonce: false, Connection: false}' "$TEST_TMP/out"
t_exit 0 "-q hides no limit of a yes" eifgen -q attest --document $A/production.doc --at 1665651482 --pcr0 "$p0"
t "no nonce" grep -q "^  fresh by its timestamp alone" "$TEST_TMP/out"
t "no connection" grep -q "^  of no connection" "$TEST_TMP/out"
printf '{"Measurements":{"PCR0":"%s","PCR1":"%s","PCR2":"%s"}}' "$p0" "$p1" "$p2" >"$W/record.json"
t_exit 0 "a record" att --document $A/production.doc --at 1665651482 --record "$W/record.json"
for odd in '"PCR1":5' '"PCR2":["x"]' '"PCR8":false' '"pcr1":"'"$p1"'"' '"PCR1":"00"' '"PCR31":{}'; do
	printf '{"Measurements":{"PCR0":"%s",%s}}' "$p0" "$odd" >"$W/odd.json"
	t_exit 2 "a record with $odd expects nothing less" att --document $A/production.doc --at 1665651482 --record "$W/odd.json"
done
t_exit 2 "a root that is none is trouble, not a no" att --document $A/production.doc --at 1665651482 --pcr0 "$p0" --root $A/README.md

# A running cage. PCR i of the mock is 48 times 0x10 + i.
reg() { printf "$1%.0s" $(seq 48); }
good=(--pcr0 "$(reg 10)" --pcr1 "$(reg 11)" --pcr2 "$(reg 12)" --pcr8 "$(reg 18)")
pid=
start() { # MODE FAULT
	stop; rm -rf "$W/cage"; mkdir "$W/cage"
	"$CAGE" "$W/cage" "$1" "$2" 2>"$W/cage/log" & pid=$!
	for _ in $(seq 100); do [ -e "$W/cage/port" ] && break; sleep 0.1; done
	host=127.0.0.1:$(cat "$W/cage/port")
}
stop() { [ -z "$pid" ] || { kill "$pid"; wait "$pid"; } 2>/dev/null; pid=; }
trap stop EXIT
cage() { att "$host" --name localhost --root "$W/cage/root.pem" "${good[@]}" "$@"; }

start san sound
t_exit 0 "a document in the certificate, for our nonce" cage
t_says "another root is warned of, loudly" "warning: TRUSTING THE ROOT in"
t "in the answer, too" grep -q "^  by the root in $W/cage/root.pem, which is not Amazon's" "$TEST_TMP/out"
t "which names no other limit" test "$(grep -c '^  [a-z]' "$TEST_TMP/out")" = 1
t "from the certificate" grep -q "from the certificate" "$TEST_TMP/out"
t_exit 0 "for a nonce of the caller's, over two labels" cage --nonce "$(reg ab)"
t_exit 0 "-q does not silence that warning" eifgen -q attest "$host" --name localhost --root "$W/cage/root.pem" "${good[@]}"
t_says "never" "TRUSTING THE ROOT"
t_exit 1 "Amazon's root did not sign it" att "$host" --name localhost "${good[@]}"
t_exit 1 "another register" att "$host" --name localhost --root "$W/cage/root.pem" --pcr0 "$(reg 11)"
t_exit 1 "without SNI the nonce cannot arrive" att "$host" --root "$W/cage/root.pem" "${good[@]}"
t_exit 0 "and need not, if it is waived" att "$host" --root "$W/cage/root.pem" "${good[@]}" --no-nonce
t "nothing was asked of the server beside the handshake" test ! -s "$W/cage/log"
start well-known sound
t_exit 0 "a well-known document, for our nonce" cage
t "from there" grep -q "from the well-known" "$TEST_TMP/out"
start stale sound
t_exit 1 "a cached document has another nonce or none" cage
t "which is said" grep -q "nonce is absent" "$TEST_TMP/out"
t_exit 0 "and passes where the nonce is waived" cage --no-nonce
start none sound
t_exit 1 "a host that attests nothing" cage
start raw sound
said() { # REASON NAME: what the host answers is on standard input
	cat >"$W/cage/answer"; t_exit 1 "$2" cage; t "for that reason" grep -qF -- "$1" "$TEST_TMP/out"
}
ok='HTTP/1.1 200 OK\r\n' doc='{"attestation_doc":"hEOhAQ=="}' chunked='Transfer-Encoding: chunked\r\n'
said "a chunked answer that is broken" "a chunk whose size is cut" < <( # where the head was taken off, there were a CR and LF
	printf "$ok${chunked}X: %0200d\r\n\r\nea60\r\n" 0; printf 'z%.0s' $(seq 59990); printf '0123456789\r\nea00')
said "a chunked answer that is cut" "a chunk longer than the answer" < <(printf "$ok$chunked\r\n64\r\n$doc\r\n")
said "a chunked answer that is broken" "a negative chunk" < <(printf "$ok$chunked\r\n-1\r\n$doc\r\n")
said "at once" "chunks and a length" < <(printf "$ok${chunked}Content-Length: 30\r\n\r\n$doc")
said "two of them" "two lengths" < <(printf "${ok}Content-Length: 30\r\nContent-Length: 2\r\n\r\n$doc")
said "the answer is cut" "less than the length" < <(printf "${ok}Content-Length: 31\r\n\r\n$doc")
said "not chunked" "another coding" < <(printf "${ok}Transfer-Encoding: gzip, chunked\r\n\r\n$doc")
said "no HTTP answer" "a status that would speak to the terminal" < <(printf 'HTTP/1.1 \033[2J\r\n\r\n')
said "HTTP status 404" "no such page" < <(printf 'HTTP/1.1 404 No\r\n\r\n')
said "attestation document: COSE_Sign1" "sound chunks are joined and read" < <(
	printf "$ok${chunked}\r\n10;x=y\r\n{\"attestation_do\r\ne \r\nc\":\"hEOhAQ==\"}\r\n0\r\n\r\n")
said "attestation document: COSE_Sign1" "and a sound length is kept to" < <(printf "${ok}content-length:30\t\r\n\r\n${doc}x")
for fault in other-root forged-chain expired-link link-p256 pcr-absent pcr-zero pcr-other nonce-other nonce-absent binding-other signature-short \
	payload-changed trailing too-old; do
	[ "${mode:-}" = san ] && mode=well-known || mode=san
	start $mode $fault
	t_exit 1 "fault $fault is refused" cage
done
stop
t_exit 2 "nobody listens: trouble, not a no" cage
t_exit 2 "two sources" att "$host" --document $A/production.doc "${good[@]}"
t_exit 2 "no source" att "${good[@]}"
t_done
