#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The drop-in commands: nitro-cli's flags, its JSON, its PCRs; and where they are stricter.
. tests/lib.sh
V=testdata/eif I=testdata/images W=$TEST_TMP
export NITRO_CLI_BLOBS=$I/platform

# describe-eif: the very text that AWS's prints, and a failure where its reader fails.
for d in "$V"/good/* "$V"/bad/*; do
	f=$d/image.eif
	if [ -s "$d/describe.json" ]; then
		eifgen -q describe-eif --eif-path "$f" >"$W/d.json" 2>"$W/err"
		printf '\n' | cat "$d/describe.json" - >"$W/want"
		t "${d#"$V"/}: describe-eif prints what AWS's prints" sh -c "cmp '$W/d.json' '$W/want' || cmp '$W/d.json' '$d/describe.json'"
	elif [ "${d##*/}" != 22-meta-array ] && [ "${d##*/}" != 23-meta-string ]; then
		t_exit 2 "${d#"$V"/}: describe-eif fails where AWS's fails" eifgen -q describe-eif --eif-path "$f"
	fi
done
t_exit 2 "an option twice" eifgen describe-eif --eif-path "$V/good/01-one-ramdisk/image.eif" --eif-path "$V/good/01-one-ramdisk/image.eif"
t_exit 2 "describe-eif needs its flag" eifgen describe-eif "$V/good/01-one-ramdisk/image.eif"

# pcr
t_exit 0 "pcr --input" eifgen pcr --input $V/inputs/rd2.cpio
t "in nitro-cli's form" cmp "$TEST_TMP/out" <(printf '{\n  "PCR": "%s"\n}\n' "$(jq -r .PCR "$TEST_TMP/out")")
t "one extend by the file" test "$(jq -r .PCR "$TEST_TMP/out")" = \
	"$({ head -c 48 /dev/zero; sha384sum <$V/inputs/rd2.cpio | cut -d' ' -f1 | xxd -r -p; } | sha384sum | cut -d' ' -f1)"
t_exit 0 "pcr --signing-certificate" eifgen pcr --signing-certificate $V/inputs/p384.cert.pem
p8=$(jq -r .Measurements.PCR8 $V/good/31-signed-p384/describe.json)
t "is PCR8, under that name, as nitro-cli prints it" cmp "$TEST_TMP/out" <(printf '{\n  "PCR8": "%s"\n}\n' "$p8")
t_exit 0 "pcr --input of a certificate" eifgen pcr --input $V/inputs/p384.cert.pem
t "measures its text" test "$(jq -r 'keys[0] + " " + .PCR' "$TEST_TMP/out")" = \
	"PCR $({ head -c 48 /dev/zero; sha384sum <$V/inputs/p384.cert.pem | cut -d' ' -f1 | xxd -r -p; } | sha384sum | cut -d' ' -f1)"
t_exit 2 "a file's register is compared with nothing" eifgen pcr --input $V/inputs/rd2.cpio --pcr0 "$p8"
t_exit 2 "both at once" eifgen pcr --input $V/inputs/rd2.cpio --signing-certificate $V/inputs/p384.cert.pem
t_exit 2 "a file that is not there" eifgen pcr --input "$W/none"
t_exit 2 "a certificate that is none" eifgen pcr --signing-certificate $V/inputs/rd2.cpio
t_exit 2 "two questions at once" eifgen pcr --input $V/inputs/rd2.cpio $V/good/01-one-ramdisk/image.eif

# build-enclave
machine=$(uname -m)
if [ "$machine" = x86_64 ]; then
	t_exit 2 "a Docker name that is nowhere" eifgen -q build-enclave --docker-uri 127.0.0.1:1/plain --output-file "$W/no.eif"
	t_exit 0 "build-enclave with a reference of ours" eifgen -q build-enclave --docker-uri oci:$I/plain --output-file "$W/a.eif" --name shop --version 1.4
	cp "$TEST_TMP/out" "$W/a.json"
	t "prints Measurements and nothing else" jq -e 'keys == ["Measurements"] and (.Measurements | keys) == ["HashAlgorithm", "PCR0", "PCR1", "PCR2"]' "$W/a.json"
	t "the PCRs of the nitro-cli layout" test "$(jq -S .Measurements "$W/a.json")" = \
		"$(eifgen -q pcr oci:$I/plain --blobs "$NITRO_CLI_BLOBS" --layout nitro-cli | jq -S .Measurements)"
	t "name and version as given" test "$(eifgen describe "$W/a.eif" | jq -r '.ImageName + " " + .ImageVersion')" = "shop 1.4"
	t "no record appears" test ! -e "$W/a.eif.record.json"
	openssl ecparam -name secp384r1 -genkey -noout -out "$W/k.pem"
	openssl req -x509 -new -key "$W/k.pem" -subj /CN=drop-in -days 30 -out "$W/c.pem" 2>/dev/null
	t_exit 0 "signed" eifgen -q build-enclave --docker-uri oci:$I/plain --output-file "$W/s.eif" --signing-certificate "$W/c.pem" --private-key "$W/k.pem"
	t "prints PCR8" test "$(jq -r .Measurements.PCR8 "$TEST_TMP/out")" = "$(eifgen pcr --signing-certificate "$W/c.pem" | jq -r .PCR8)"
	cp "$TEST_TMP/out" "$W/s.json"
	t_exit 0 "sign-eif" eifgen sign-eif --eif-path "$W/a.eif" --signing-certificate "$W/c.pem" --private-key "$W/k.pem"
	t "prints what the signed build printed, byte for byte" cmp "$TEST_TMP/out" "$W/s.json"
	t "in nitro-cli's form" cmp "$TEST_TMP/out" <(jq --indent 2 . "$W/s.json")
	t "HashAlgorithm first, PCR8 last" test "$(jq -c '.Measurements | keys_unsorted' "$TEST_TMP/out")" = '["HashAlgorithm","PCR0","PCR1","PCR2","PCR8"]'
	t_exit 0 "verifies" eifgen verify --require-signed "$W/a.eif"
	t "and no record appears" test ! -e "$W/a.eif.record.json"
	eifgen -q build $I/plain --blobs "$NITRO_CLI_BLOBS" -o "$W/r.eif" >/dev/null
	eifgen -q build $I/plain --blobs "$NITRO_CLI_BLOBS" --sign-key "$W/k.pem" --sign-cert "$W/c.pem" -o "$W/rs.eif" >/dev/null
	t_exit 0 "sign-eif beside a record of ours" eifgen sign-eif --eif-path "$W/r.eif" --signing-certificate "$W/c.pem" --private-key "$W/k.pem"
	t "gives what the signed build gives" cmp "$W/r.eif" "$W/rs.eif"
	t "and its record" cmp "$W/r.eif.record.json" "$W/rs.eif.record.json"
	cp "$W/a.eif" "$W/before.eif"
	t_exit 2 "sign-eif with a key in KMS is told the way" eifgen sign-eif --eif-path "$W/a.eif" --signing-certificate "$W/c.pem" \
		--private-key arn:aws:kms:eu-west-1:123456789012:key/x
	t_says "by detached signature" "sign --detached"
	t_exit 2 "sign-eif with another's key" eifgen sign-eif --eif-path "$W/a.eif" --signing-certificate $V/inputs/p384.cert.pem --private-key "$W/k.pem"
	t_exit 2 "sign-eif without a key" eifgen sign-eif --eif-path "$W/a.eif" --signing-certificate "$W/c.pem"
	t_exit 2 "an option twice" eifgen sign-eif --eif-path "$W/a.eif" --eif-path "$W/a.eif" --signing-certificate "$W/c.pem" --private-key "$W/k.pem"
	t "none of them touched the file" cmp "$W/a.eif" "$W/before.eif"
	t_exit 2 "a key that cannot be read is no unsigned image" eifgen -q build-enclave --docker-uri oci:$I/plain --output-file "$W/no.eif" \
		--signing-certificate "$W/c.pem" --private-key "$W/none"
	t "none at all" test ! -e "$W/no.eif"
else
	t_skip "build-enclave" "the golden platform is x86_64"
fi
t_exit 2 "a key without certificate" eifgen build-enclave --docker-uri oci:$I/plain --output-file "$W/no.eif" --private-key "$W/k"
t_exit 2 "a KMS key is told the way" eifgen build-enclave --docker-uri oci:$I/plain --output-file "$W/no.eif" --signing-certificate "$W/c.pem" \
	--private-key arn:aws:kms:eu-west-1:123456789012:key/x
t_says "by detached signature" "sign --detached"
t_exit 2 "an option twice" eifgen build-enclave --docker-uri oci:$I/plain --output-file "$W/no.eif" --name a --name b
t_exit 2 "no output file" eifgen build-enclave --docker-uri oci:$I/plain
t_done
