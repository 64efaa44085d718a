#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Signing: every curve and key form, the same bytes each time, keys in a token and elsewhere, and what must be refused.
. tests/lib.sh
V=testdata/eif
W=$TEST_TMP
B=$V/good/02-two-ramdisks/image.eif
cd_key() { openssl ecparam -name "$1" -genkey -noout -out "$W/$2.sec1" 2>/dev/null && openssl pkcs8 -topk8 -nocrypt -in "$W/$2.sec1" -out "$W/$2.key"; }
self_sign() { openssl req -x509 -new -key "$W/$1.key" -subj "/CN=$1" -days 30 -out "$W/$1.crt" 2>/dev/null; }
for c in "prime256v1 p256" "secp384r1 p384" "secp521r1 p521" "secp256k1 k1"; do set -- $c; cd_key "$1" "$2"; self_sign "$2"; done
openssl genrsa -out "$W/rsa.key" 2048 2>/dev/null; self_sign rsa
s() { eifgen sign "$B" --key "$W/$1.key" --cert "$W/$1.crt" -o "$W/$1.eif" "${@:2}"; }

for c in p256 p384 p521; do
	t_exit 0 "$c: sign" s $c
	cp "$W/$c.eif" "$W/first.eif"; cp "$TEST_TMP/out" "$W/$c.json"
	t_exit 0 "$c: verify" eifgen verify --require-signed "$W/$c.eif" --pcr8 "$(jq -r .Measurements.PCR8 "$W/$c.json")"
	t "$c: describe says the signature is good" jq -e '.SignatureCheck and .CheckCRC and .Anomalies == []' <(eifgen describe "$W/$c.eif")
	t "$c: the registers of the unsigned file stay" test "$(jq -r .Measurements.PCR0 "$W/$c.json")" = "$(jq -r .Measurements.PCR0 $V/good/02-two-ramdisks/describe.json)"
	t_exit 0 "$c: sign again" s $c
	t "$c: the same bytes" cmp "$W/$c.eif" "$W/first.eif"
	t "$c: an independent reader agrees" python3 tests/tools/eif_check.py "$W/$c.eif"
done
der=$(openssl x509 -in "$W/p384.crt" -outform der | openssl dgst -sha384 -binary | cat <(head -c 48 /dev/zero) - | sha384sum | cut -d' ' -f1)
t "PCR8 is one extend by the certificate's DER" test "$(jq -r .Measurements.PCR8 "$W/p384.json")" = "$der"

# Key forms
cp "$W/p384.sec1" "$W/form.key"; cp "$W/p384.crt" "$W/form.crt"
t_exit 0 "a SEC1 key" s form
t "gives the same bytes as PKCS#8" cmp "$W/form.eif" "$W/p384.eif"
{ openssl ecparam -name secp384r1; cat "$W/p384.sec1"; } >"$W/form.key"
t_exit 0 "a SEC1 key behind EC PARAMETERS" s form
t "gives the same bytes too" cmp "$W/form.eif" "$W/p384.eif"
openssl pkcs8 -topk8 -in "$W/p384.key" -passout pass:secret -out "$W/form.key"
cp "$W/form.key" "$W/locked.key"
t_exit 2 "an encrypted key without a passphrase" s form
t_says "is told what it needs" "--passphrase-file"
echo secret >"$W/pass"; echo wrong >"$W/wrong"
t_exit 0 "and opens with it" s form --passphrase-file "$W/pass"
t "to the same bytes" cmp "$W/form.eif" "$W/p384.eif"
t_exit 2 "a wrong passphrase" s form --passphrase-file "$W/wrong"
printf 'secret\r\nnext line\n' >"$W/crlf"
t_exit 0 "a passphrase with CR LF and more behind it" s form --passphrase-file "$W/crlf"
t_exit 0 "one from a pipe" s form --passphrase-file <(printf secret)
t "to the same bytes" cmp "$W/form.eif" "$W/p384.eif"
printf 'secret\0x' >"$W/nul"
t_exit 2 "one with a NUL is not cut there" s form --passphrase-file "$W/nul"
t_says "and that is said" "a NUL in the passphrase"
: >"$W/empty"
t_exit 2 "an empty one" s form --passphrase-file "$W/empty"
t_exit 2 "an endless one" s form --passphrase-file /dev/zero
t_exit 2 "a passphrase for no key" eifgen sign "$B" --cert "$W/p384.crt" --detached --passphrase-file "$W/pass"
t_exit 2 "--detached and -o" eifgen sign "$B" --cert "$W/p384.crt" --detached -o "$W/no.eif"

# Refusals: never an unsigned image with exit 0
rm -f "$W/no.eif"
no() { eifgen sign "$B" -o "$W/no.eif" "$@"; }
t_exit 2 "RSA" no --key "$W/rsa.key" --cert "$W/rsa.crt"
t_says "is named" "RSA"
t_exit 2 "another curve" no --key "$W/k1.key" --cert "$W/k1.crt"
t_says "is named" "secp256k1"
t_exit 2 "a key that is not the certificate's" no --key "$W/p256.key" --cert "$W/p384.crt"
t_says "is told before anything is signed" "the key $W/p256.key is not that of the certificate"
cd_key secp384r1 other
t_exit 2 "another key on the same curve" no --key "$W/other.key" --cert "$W/p384.crt"
t_says "is told, too" "the key $W/other.key is not that of the certificate"
cat "$W/p384.crt" "$W/p384.key" >"$W/both.crt"
t_exit 2 "a private key inside the certificate file" no --key "$W/p384.key" --cert "$W/both.crt"
t_says "would be published" "would be published"
t_exit 2 "an expired certificate" no --key "$W/p384.key" --cert "$W/p384.crt" --at 2100-01-01T00:00:00Z
t_says "says when" "expired on"
t_exit 2 "a certificate that is not valid yet" no --key "$W/p384.key" --cert "$W/p384.crt" --at 2020-01-01T00:00:00Z
t_exit 2 "a missing key" no --key "$W/none" --cert "$W/p384.crt"
t_exit 2 "a DER certificate" no --key "$W/p384.key" --cert $V/inputs/p384.cert.der
t_exit 2 "no certificate" no --key "$W/p384.key"
t_exit 2 "no key" no --cert "$W/p384.crt"
{ cat "$W/p384.crt"; head -c 40000 /dev/zero | tr '\0' x; } >"$W/long.crt"
t_exit 2 "a certificate file too long for the section" no --key "$W/p384.key" --cert "$W/long.crt"
t_exit 2 "an image with a wrong CRC" eifgen sign $V/bad/signed-kernel-bit/image.eif --key "$W/p384.key" --cert "$W/p384.crt" -o "$W/no.eif"
t_exit 2 "an image with bytes behind its end" eifgen sign $V/bad/tail-5-ff/image.eif --key "$W/p384.key" --cert "$W/p384.crt" -o "$W/no.eif"
t_exit 2 "32 sections" eifgen sign $V/good/82-sign-32-sections/image.eif --key "$W/p384.key" --cert "$W/p384.crt" -o "$W/no.eif"
t "none of these wrote anything" test ! -e "$W/no.eif"

# Signing again
cp "$W/p521.eif" "$W/again.eif"
t_exit 0 "replace a signature in place" eifgen sign "$W/again.eif" --key "$W/p384.key" --cert "$W/p384.crt"
t "every header field is made anew" cmp "$W/again.eif" "$W/p384.eif"
for g in 70-sign-after 72-resign-smaller 86-resign-nsec-zero; do
	cp $V/good/$g/image.eif "$W/aws.eif"
	t_exit 0 "replace a signature of AWS's ($g)" eifgen sign "$W/aws.eif" --key "$W/p384.key" --cert "$W/p384.crt"
	t "with the same result" cmp "$W/aws.eif" "$W/p384.eif"
done
cp $V/bad/sig-short/image.eif "$W/broken.eif"
cp "$B" "$W/private.eif"; chmod 600 "$W/private.eif"; ln -s private.eif "$W/link.eif"
t_exit 0 "in place, through a symlink" eifgen sign "$W/link.eif" --key "$W/p384.key" --cert "$W/p384.crt"
t "the file itself is signed" cmp "$W/private.eif" "$W/p384.eif"
t "the link is still one" test -L "$W/link.eif"
t "and the file still its owner's alone" test "$(stat -c %a "$W/private.eif")" = 600
cp "$B" "$W/private.eif"
t_exit 0 "as nitro-cli does" eifgen sign-eif --eif-path "$W/link.eif" --private-key "$W/p384.key" --signing-certificate "$W/p384.crt"
t "here, too" cmp "$W/private.eif" "$W/p384.eif"
t "with its permissions" test "$(stat -c %a "$W/private.eif")" = 600
mkdir "$W/store" # the record beside the link that the EIF is called by, as build, push and pull name it
signed_record() { test "$(jq -r .Eif.Sha256 "$1")" = "$(sha256sum <"$2" | cut -c1-64)"; }
for how in "sign LINK --key KEY --cert CERT" "sign-eif --eif-path LINK --private-key KEY --signing-certificate CERT"; do
	rm -f "$W"/store/* "$W"/named*
	eifgen -q build testdata/images/plain --blobs testdata/images/platform -o "$W/named" >/dev/null
	mv "$W/named" "$W/store/n.eif"; ln -s store/n.eif "$W/named"
	how=${how//LINK/$W/named}; how=${how//KEY/$W/p384.key}; how=${how//CERT/$W/p384.crt}
	# shellcheck disable=SC2086 # words
	t_exit 0 "${how%% *}: the record is beside the link" eifgen $how
	t "… it is the signed file's now" signed_record "$W/named.record.json" "$W/store/n.eif"
	t "… and nothing was said" test ! -s "$W/err"
	cp "$W/named.record.json" "$W/store/n.eif.record.json"
	# shellcheck disable=SC2086
	t_exit 0 "${how%% *}: there are two" eifgen $how
	t_says "… the one beside the link is told of" "named.record.json is left as it is"
done
for at in store/n.eif named; do # -o reads the same record that is replaced in place without it
	rm -f "$W"/store/*.json "$W"/named.record.json "$W"/away*
	eifgen -q build testdata/images/plain --blobs testdata/images/platform -o "$W/store/n.eif" >/dev/null
	[ $at = store/n.eif ] || mv "$W/store/n.eif.record.json" "$W/$at.record.json"
	t_exit 0 "-o through a link: the record is beside $at" eifgen sign "$W/named" --key "$W/p384.key" --cert "$W/p384.crt" -o "$W/away"
	t "… and that of what was written" signed_record "$W/away.record.json" "$W/away"
	t "… the unsigned one's stays" signed_record "$W/$at.record.json" "$W/store/n.eif"
done
exec 9<"$W/store/n.eif"; rm "$W/store/n.eif"
t_exit 0 "-o of a file that has lost its name" eifgen sign /dev/fd/9 --key "$W/p384.key" --cert "$W/p384.crt" -o "$W/away2"
t "… gives the same" cmp "$W/away2" "$W/away"
exec 9<&-; mv "$W/away" "$W/store/n.eif"; mv "$W/away.record.json" "$W/store/n.eif.record.json"
ln -sf store/n.eif.record.json "$W/named.record.json"
t_exit 0 "a link to the record beside the file" eifgen sign "$W/named" --key "$W/p521.key" --cert "$W/p521.crt"
t "is one record" test ! -s "$W/err"
t "and stays a link" test -L "$W/named.record.json"
t "to what was signed" signed_record "$W/named.record.json" "$W/store/n.eif"
ln -s nowhere "$W/loose.eif"
t_exit 2 "a link that leads nowhere" eifgen sign "$W/loose.eif" --key "$W/p384.key" --cert "$W/p384.crt"
t_exit 0 "a broken signature can be replaced" eifgen sign "$W/broken.eif" --key "$W/p384.key" --cert "$W/p384.crt"
t_exit 0 "and verifies then" eifgen verify --require-signed "$W/broken.eif"

# A key that is elsewhere
for c in p256 p384 p521; do
	case $c in p256) md=sha256 ;; p384) md=sha384 ;; p521) md=sha512 ;; esac
	eifgen sign "$B" --cert "$W/$c.crt" --detached >"$W/tbs" 2>"$W/said"
	t "$c: the digest that is said is that of the bytes" grep -q "$(openssl dgst -$md <"$W/tbs" | sed 's/.* //')" "$W/said"
	openssl dgst -$md -sign "$W/$c.key" -out "$W/sig.der" "$W/tbs"
	t_exit 0 "$c: attach openssl's DER signature" eifgen sign "$B" --cert "$W/$c.crt" --attach "$W/sig.der" -o "$W/att.eif"
	t_exit 0 "$c: verify" eifgen verify --require-signed "$W/att.eif"
	eifgen -q sign "$B" --cert "$W/$c.crt" --detached --digest >"$W/digest" 2>/dev/null
	t "$c: --digest gives the digest's bytes" cmp "$W/digest" <(openssl dgst -$md -binary <"$W/tbs")
	openssl pkeyutl -sign -inkey "$W/$c.key" -in "$W/digest" -out "$W/sig2.der"
	t_exit 0 "$c: attach a signature over the digest" eifgen sign "$B" --cert "$W/$c.crt" --attach "$W/sig2.der" -o "$W/att.eif"
	python3 - "$W/sig.der" "$W/sig.raw" $c <<-'PY'
		import sys
		d = open(sys.argv[1], "rb").read(); at = 2 if d[1] < 128 else 3; out = b""
		width = {"p256": 32, "p384": 48, "p521": 66}[sys.argv[3]]
		for _ in range(2):
		    n = d[at + 1]; out += int.from_bytes(d[at + 2:at + 2 + n], "big").to_bytes(width, "big"); at += 2 + n
		open(sys.argv[2], "wb").write(out)
	PY
	t_exit 0 "$c: attach r and s raw" eifgen sign "$B" --cert "$W/$c.crt" --attach "$W/sig.raw" -o "$W/raw.eif"
	eifgen -q sign "$B" --cert "$W/$c.crt" --attach "$W/sig.der" -o "$W/att.eif" >/dev/null
	t "$c: to the same bytes as from DER" cmp "$W/raw.eif" "$W/att.eif"
	head -c -1 "$W/sig.raw" >"$W/short.raw"
	t_exit 2 "$c: a byte less is neither" eifgen sign "$B" --cert "$W/$c.crt" --attach "$W/short.raw" -o "$W/no.eif"
done
printf '\001' | dd of="$W/sig.raw" bs=1 seek=50 conv=notrunc 2>/dev/null; rm -f "$W/att.eif"
t_exit 2 "a signature that does not verify is refused" eifgen sign "$B" --cert "$W/p521.crt" --attach "$W/sig.raw" -o "$W/att.eif"
t_exit 2 "one of another image too" eifgen sign $V/good/01-one-ramdisk/image.eif --cert "$W/p521.crt" --attach "$W/sig.der" -o "$W/att.eif"
t "and nothing is written" test ! -e "$W/att.eif"

# A token (the sanitizer needs whole stacks to know libp11's own leaks, tests/lsan.supp, from ours)
asan_before=${ASAN_OPTIONS:-}; export ASAN_OPTIONS="$asan_before:fast_unwind_on_malloc=0"
if command -v softhsm2-util >/dev/null && [ -e /usr/lib/softhsm/libsofthsm2.so ]; then
	mkdir "$W/tokens"; echo "directories.tokendir = $W/tokens" >"$W/softhsm2.conf"; export SOFTHSM2_CONF=$W/softhsm2.conf
	softhsm2-util --init-token --free --label eif --pin 1234 --so-pin 5678 >/dev/null 2>&1
	softhsm2-util --import "$W/p384.key" --token eif --label signer --id 01 --pin 1234 >/dev/null 2>&1
	uri='pkcs11:token=eif;object=signer;type=private?module-path=/usr/lib/softhsm/libsofthsm2.so'
	t_exit 0 "sign with a key in a token" eifgen sign "$B" --key "$uri&pin-value=1234" --cert "$W/p384.crt" -o "$W/token.eif"
	t "the token's nonce is recorded as its own" test "$(jq -r .Nonce "$TEST_TMP/out")" = "token"
	t_exit 0 "verify" eifgen verify --require-signed "$W/token.eif"
	n=2
	for c in p256 p521; do
		softhsm2-util --import "$W/$c.key" --token eif --label "$c" --id 0$n --pin 1234 >/dev/null 2>&1; n=$((n + 1))
		t_exit 0 "$c: in a token" eifgen sign "$B" --key "${uri/signer/$c}&pin-value=1234" --cert "$W/$c.crt" -o "$W/token.eif"
		t_exit 0 "$c: verify" eifgen verify --require-signed "$W/token.eif"
	done
	t_exit 2 "another object's certificate" eifgen sign "$B" --key "${uri/signer/p256}&pin-value=1234" --cert "$W/p384.crt" -o "$W/no.eif"
	t "the PIN is not in the error" bash -c '! grep -q 1234 "$1"' - "$TEST_TMP/err"
	t_exit 2 "a key given twice" eifgen sign-eif --eif-path "$B" --private-key "$uri&pin-value=1234" --private-key x --signing-certificate "$W/p384.crt"
	t "nor in that of an option given twice" bash -c '! grep -q 1234 "$1"' - "$TEST_TMP/err"
	softhsm2-util --init-token --free --label odd --pin 'a%2&c d' --so-pin 5678 >/dev/null 2>&1
	softhsm2-util --import "$W/p384.key" --token odd --label signer --id 01 --pin 'a%2&c d' >/dev/null 2>&1
	t_exit 0 "a PIN with bytes that a URI encodes" eifgen sign "$B" --key "${uri/=eif/=odd}&pin-value=a%252%26c%20d" --cert "$W/p384.crt" -o "$W/token.eif"
	for bad in 'a%2' '%zz' '%00'; do
		t_exit 2 "a PIN that is not encoded: $bad" eifgen sign "$B" --key "${uri/=eif/=odd}&pin-value=$bad" --cert "$W/p384.crt" -o "$W/no.eif"
		t_says "is said" "pin-value is not percent-encoded"
	done
	t_exit 2 "a pin-source" eifgen sign "$B" --key "$uri&pin-source=file:$W/pin" --cert "$W/p384.crt" -o "$W/no.eif"
	t_says "is not passed over" "name the file by --passphrase-file"
	t_exit 0 "a build signs with a token too" eifgen -q build testdata/images/plain --blobs testdata/images/platform \
		--sign-key "$uri&pin-value=1234" --sign-cert "$W/p384.crt" -o "$W/tb.eif"
	t "and records whose nonce it is" test "$(jq -r .Signature.Nonce "$W/tb.eif.record.json")" = token
	echo 1234 >"$W/pin"
	t_exit 0 "the PIN from a file" eifgen sign "$B" --key "$uri" --passphrase-file "$W/pin" --cert "$W/p384.crt" -o "$W/token.eif"
	t_exit 2 "a wrong PIN is an error" eifgen sign "$B" --key "$uri&pin-value=9999" --cert "$W/p384.crt" -o "$W/token.eif"
	t_exit 2 "an unknown object is an error" eifgen sign "$B" --key "${uri/signer/nobody}&pin-value=1234" --cert "$W/p384.crt" -o "$W/token.eif"
else
	t_skip "sign with a key in a token" "softhsm2 is not installed"
fi
export ASAN_OPTIONS=$asan_before

# As part of a build
P=testdata/images/platform I=testdata/images/plain
b() { eifgen build "$I" --blobs $P "$@"; }
t_exit 0 "build and sign" b --sign-key "$W/p384.key" --sign-cert "$W/p384.crt" -o "$W/b1.eif"
cp "$TEST_TMP/out" "$W/b1.json"
t_exit 0 "and again" b --sign-key "$W/p384.key" --sign-cert "$W/p384.crt" -o "$W/b2.eif"
t "the same file" cmp "$W/b1.eif" "$W/b2.eif"
t_exit 0 "verify" eifgen verify --require-signed "$W/b1.eif" --record "$W/b1.eif.record.json"
t "the record names the certificate and whose nonce it is" test "$(jq -r '.Inputs.Signature // .Signature | .CertificateSha256 + " " + .Nonce' "$W/b1.eif.record.json")" = \
	"$(openssl x509 -in "$W/p384.crt" -outform der | sha256sum | cut -d' ' -f1) RFC 6979"
t_exit 0 "pcr predicts PCR8 from the certificate alone" eifgen pcr $I --blobs $P --sign-cert "$W/p384.crt" --pcr8 "$(jq -r .Measurements.PCR8 "$W/b1.json")"
b -o "$W/b3.eif" >/dev/null; eifgen sign "$W/b3.eif" --key "$W/p384.key" --cert "$W/p384.crt" >/dev/null
t "built signed and signed later are the same file" cmp "$W/b1.eif" "$W/b3.eif"
t "with the same record" cmp "$W/b1.eif.record.json" "$W/b3.eif.record.json"

# The record of what is signed
sign() { eifgen sign "$@" --key "$W/p384.key" --cert "$W/p384.crt"; }
again() { rm -f "$W"/r.* "$W"/r2.*; b -o "$W/r.eif" >/dev/null; }
again
t_exit 0 "signed elsewhere" sign "$W/r.eif" -o "$W/r2.eif"
t "the record goes there" cmp "$W/r2.eif.record.json" "$W/b1.eif.record.json"
t "and is named" test "$(jq -r .Record "$W/out")" = "$W/r2.eif.record.json"
t "the unsigned one's stays" test "$(jq -r .Eif.Sha256 "$W/r.eif.record.json")" = "$(sha256sum <"$W/r.eif" | cut -d' ' -f1)"
t_exit 0 "signed again with another key" eifgen sign "$W/r2.eif" --key "$W/p256.key" --cert "$W/p256.crt"
t_exit 0 "its record follows" eifgen verify --require-signed "$W/r2.eif" --record "$W/r2.eif.record.json"
t_exit 0 "and back" sign "$W/r2.eif"
t "to the same record" cmp "$W/r2.eif.record.json" "$W/b1.eif.record.json"
t_exit 0 "rebuild takes a record that sign wrote" eifgen rebuild "$W/r2.eif.record.json" --blobs $P --sign-key "$W/p384.key" --sign-cert "$W/p384.crt"
again; mv "$W/r.eif.record.json" "$W/r.rec"
t_exit 0 "a record of another name" sign "$W/r.eif" --record "$W/r.rec"
t "is rewritten in its place" cmp "$W/r.rec" "$W/b1.eif.record.json"
again; eifgen sign "$W/r.eif" --cert "$W/p384.crt" --detached --digest -q >"$W/r.tbs"
openssl pkeyutl -sign -inkey "$W/p384.key" -in "$W/r.tbs" -out "$W/r.sig"
t_exit 0 "a signature made elsewhere" eifgen sign "$W/r.eif" --cert "$W/p384.crt" --attach "$W/r.sig"
t_exit 0 "has its record" eifgen verify --require-signed "$W/r.eif" --record "$W/r.eif.record.json"
t "with a nonce that is not ours" test "$(jq -r .Signature.Nonce "$W/r.eif.record.json")" = token
again; cp "$W/r.eif.record.json" "$W/r.rec"; cp "$W/b1.eif.record.json" "$W/r.eif.record.json"
t_exit 0 "beside another EIF's record" sign "$W/r.eif"
t_says "that is said" "the record of another EIF; it is left as it is"
t "and done" cmp "$W/r.eif.record.json" "$W/b1.eif.record.json"
again
t_exit 2 "another EIF's record, named" sign "$W/r.eif" --record "$W/b1.eif.record.json"
t_exit 2 "a record that is not there, named" sign "$W/r.eif" --record "$W/none.json"
t_exit 2 "--record and --no-record" sign "$W/r.eif" --record "$W/r.eif.record.json" --no-record
t "left the file unsigned" test "$(jq -r .Eif.Sha256 "$W/r.eif.record.json")" = "$(sha256sum <"$W/r.eif" | cut -d' ' -f1)"
cp "$W/r.eif.record.json" "$W/r.rec"
t_exit 0 "--no-record" sign "$W/r.eif" --no-record
t "leaves it alone" cmp "$W/r.eif.record.json" "$W/r.rec"
rm -f "$W/no.eif"
t_exit 2 "a key without its certificate" b --sign-key "$W/p384.key" -o "$W/no.eif"
t_exit 2 "a certificate without its key" b --sign-cert "$W/p384.crt" -o "$W/no.eif"
t_exit 2 "a key that cannot be read" b --sign-key "$W/none" --sign-cert "$W/p384.crt" -o "$W/no.eif"
faketime '2020-01-01 00:00:00' openssl req -x509 -new -key "$W/p384.key" -subj /CN=old -days 10 -out "$W/old.crt" 2>/dev/null
faketime '2090-01-01 00:00:00' openssl req -x509 -new -key "$W/p384.key" -subj /CN=later -days 10 -out "$W/later.crt" 2>/dev/null
t_exit 2 "an expired certificate" b --sign-key "$W/p384.key" --sign-cert "$W/old.crt" -o "$W/no.eif"
t_says "says when" "expired on Jan 11"
t_exit 2 "one that is not valid yet" b --sign-key "$W/p384.key" --sign-cert "$W/later.crt" -o "$W/no.eif"
t_says "says when" "not valid before Jan  1"
t_exit 2 "RSA" b --sign-key "$W/rsa.key" --sign-cert "$W/rsa.crt" -o "$W/no.eif"
t_exit 2 "another curve" b --sign-key "$W/k1.key" --sign-cert "$W/k1.crt" -o "$W/no.eif"
t_exit 2 "an encrypted key" b --sign-key "$W/locked.key" --sign-cert "$W/p384.crt" -o "$W/no.eif"
t_says "is told what it needs" "passphrase-file"
t_exit 0 "and gets it" b --sign-key "$W/locked.key" --sign-cert "$W/p384.crt" --sign-passphrase-file "$W/pass" -o "$W/b4.eif"
t "to the same file" cmp "$W/b1.eif" "$W/b4.eif"
t_exit 2 "a private key inside the certificate file" b --sign-key "$W/p384.key" --sign-cert "$W/both.crt" -o "$W/no.eif"
t_exit 2 "another's key" b --sign-key "$W/p256.key" --sign-cert "$W/p384.crt" -o "$W/no.eif"
t "none of them leaves an unsigned image" test ! -e "$W/no.eif"

t "one file alone lowers OPENSSL_API_COMPAT" test "$(grep -rl --include='*.[ch]' '^#define OPENSSL_API_COMPAT' base pcr eifgen layerfs epoch runtime)" = pcr/openssl_old.c

# cert new
# A company's CA: root, intermediate, signer; the intermediate stands behind the signer in the certificate file.
issue() { # NAME ISSUER EXTENSIONS [OPTION…]: NAME.crt for NAME.key by ISSUER
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$W/$1.key" 2>/dev/null
	openssl req -new -key "$W/$1.key" -subj "/CN=$1" -out "$W/$1.csr"
	printf '%b' "$3" >"$W/ext"
	openssl x509 -req -in "$W/$1.csr" -CA "$W/$2.crt" -CAkey "$W/$2.key" -days 30 -extfile "$W/ext" -out "$W/$1.crt" "${@:4}" 2>/dev/null
}
ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' leaf='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$W/root.key" 2>/dev/null
openssl req -x509 -new -key "$W/root.key" -subj /CN=root -days 30 -out "$W/root.crt"
by() { # SIGNER INTERMEDIATE: signs with them, and asks whether that leads to the root
	cat "$W/$1.crt" "$W/$2.crt" >"$W/chain.crt"
	eifgen sign "$B" --key "$W/$1.key" --cert "$W/chain.crt" -o "$W/chain.eif" >/dev/null && eifgen verify "$W/chain.eif" --ca "$W/root.crt" "${@:3}"
}
issue mid root "$ca"; issue leaf mid "$leaf"
t_exit 0 "a certificate under an intermediate leads to the root" by leaf mid
t "whose signature it is was asked" jq -e .SignerExpected "$TEST_TMP/out"
t_exit 0 "a signature by anybody" eifgen verify "$W/chain.eif" --require-signed
t_says "is said to be by anybody" "signed by whom is not looked at"
t "in the answer, too" jq -e '.Verified and .SignerExpected == false' "$TEST_TMP/out"
t_exit 0 "one that PCR8 names" eifgen verify "$W/chain.eif" --require-signed --pcr8 "$(jq -r .Measurements.PCR8 "$TEST_TMP/out")"
t "needs no such word" test ! -s "$TEST_TMP/err"
t_exit 1 "not without the intermediate" by leaf leaf
t_exit 1 "nor when all of them have expired" by leaf mid --at 2099-01-01T00:00:00Z
issue code mid "${leaf}extendedKeyUsage=codeSigning\n"
t_exit 0 "one for signing code" by code mid
issue server mid "${leaf}extendedKeyUsage=serverAuth\n"
t_exit 1 "a TLS server's signs no images" by server mid
t "which is said" grep -q "other purposes" "$TEST_TMP/out"
issue cipher mid 'keyUsage=critical,keyAgreement\n'
t_exit 1 "one that may not sign" by cipher mid
t "which is said" grep -q "allows no signatures" "$TEST_TMP/out"
issue half root 'keyUsage=critical,keyCertSign\n'
issue under half "$leaf"
t_exit 1 "an intermediate that is a CA by its key usage alone" by under half
issue end root "$leaf"; issue below end "$leaf"
t_exit 1 "one that is none at all" by below end
issue short root "$ca" -sha1; issue weak short "$leaf"
t_exit 1 "an intermediate signed over SHA-1" by weak short
issue named root "${ca}nameConstraints=critical,permitted;DNS:example.org\n"; issue outside named "${leaf}subjectAltName=DNS:example.com\n"
t_exit 1 "a name that the intermediate may not give" by outside named

t_exit 0 "cert new" eifgen cert new --key-out "$W/new.key" --cert-out "$W/new.crt" --subject "CN=build,O=Company" --days 10
cp "$TEST_TMP/out" "$W/new.json"
t "the key is its owner's alone" test "$(stat -c %a "$W/new.key")" = 600
t "openssl likes the certificate" openssl verify -CAfile "$W/new.crt" "$W/new.crt"
t "it is P-384 with the subject asked for" grep -q "CN = build, O = Company.*secp384r1" <(openssl x509 -in "$W/new.crt" -noout -text -subject | tr '\n' ' ' | sed 's/.*\(ASN1 OID: [^ ]*\).*subject=\(.*\)/\2 \1/')
t_exit 0 "it signs" eifgen sign "$B" --key "$W/new.key" --cert "$W/new.crt" -o "$W/new.eif"
t "with the PCR8 that was told" test "$(jq -r .Measurements.PCR8 "$TEST_TMP/out")" = "$(jq -r .PCR8 "$W/new.json")"
t_exit 2 "a key is never overwritten" eifgen cert new --key-out "$W/new.key" --cert-out "$W/new2.crt"
t_exit 2 "nor a certificate" eifgen cert new --key-out "$W/new2.key" --cert-out "$W/new.crt"
t "which stays as it was" openssl verify -CAfile "$W/new.crt" "$W/new.crt"
t_exit 2 "one file for both would lose the key" eifgen cert new --key-out "$W/one.pem" --cert-out "$W/one.pem"
t_exit 2 "no directory for the certificate" eifgen cert new --key-out "$W/one.pem" --cert-out "$W/none/one.crt"
t_exit 2 "an answer that nobody gets" bash -c '"$0" cert new --key-out "$1/one.pem" --cert-out "$1/one.crt" >/dev/full' "$EIFGEN_BIN/eifgen" "$W"
t "none leaves anything behind" test ! -e "$W/new2.key" -a ! -e "$W/one.pem" -a ! -e "$W/one.crt"
t_exit 2 "a subject that is none" eifgen cert new --key-out "$W/n.key" --cert-out "$W/n.crt" --subject nonsense
t_exit 2 "no days" eifgen cert new --key-out "$W/n.key" --cert-out "$W/n.crt" --days 0
t "neither leaves a key behind" test ! -e "$W/n.key"
t_done
