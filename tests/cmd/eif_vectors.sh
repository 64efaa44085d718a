#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# describe, verify and extract over every file of testdata/eif: describe agrees with AWS's describe-eif key by key wherever
# that has an answer; our own verdicts are those of verdicts.tsv, row by row, word by word.
. tests/lib.sh
V=testdata/eif
W=$TEST_TMP
AT=1735689600 # 2025-01-01: within the dates of the vectors' certificates

reference_keys='{EifVersion, Measurements, IsSigned, SigningCertificate, CheckCRC, SignatureCheck, ImageName, ImageVersion, Metadata}'
# said_by_reference DIR: AWS's verdict in the table's words, from what its reader printed.
said_by_reference() {
	if [ -s "$1/describe.json" ]; then
		jq -r '"describes it" + (if .CheckCRC then "" else ", CRC false" end) +
			(if .IsSigned then ", signature \(.SignatureCheck)" else "" end)' "$1/describe.json"
	elif grep -qs -e panicked -e "memory allocation" "$1/describe.stderr"; then
		echo crashes
	else
		echo fails
	fi
}

compared=0
while IFS=$'\t' read -r file rc anomalies vrc reasons reference why; do
	f=$V/$file/image.eif
	eifgen describe "$f" >"$W/d.json" 2>"$W/d.err"; got=$?
	if [ $got = 0 ]; then said=$(jq -r '.Anomalies | join(" | ")' "$W/d.json"); else said=$(sed 's/^eifgen: unable to describe [^ ]*: //' "$W/d.err"); fi
	t "$file: describe ends with $rc" test $got = "$rc"
	t "$file: describe says so" test "${said:--}" = "$anomalies"
	if [ $got = 0 ] && [ -s "$V/$file/describe.json" ]; then
		jq -S "$reference_keys" "$W/d.json" >"$W/ours"; jq -S "$reference_keys" "$V/$file/describe.json" >"$W/theirs"
		t "$file: describe agrees with AWS's" cmp "$W/ours" "$W/theirs"
		compared=$((compared + 1))
	fi
	eifgen -q verify --at $AT "$f" >"$W/v.json" 2>"$W/v.err"; got=$?
	said=$(jq -r '.Reasons | join(" | ")' "$W/v.json")
	t "$file: verify ends with $vrc" test "$got" = "$vrc"
	t "$file: verify says why" test "${said:--}" = "$reasons"
	t "$file: Verified goes with it" test "$(jq .Verified "$W/v.json")" = "$([ "$vrc" = 0 ] && echo true || echo false)"
	t "$file: the table says what AWS's reader said" test "${reference%; run check*}" = "$(said_by_reference "$V/$file")"
	if [ "$vrc" = 1 ] && [[ $reference == describes* ]]; then
		t "$file: and why we differ" test "$why" != -
	fi
done < <(tail -n +2 $V/verdicts.tsv)
t "the table has a row for every file, and each once" diff <(tail -n +2 $V/verdicts.tsv | cut -f1 | sort) \
	<(cd $V && find good bad -name image.eif | sed 's|/image.eif$||' | sort)
t "describe was held against AWS's wherever that answers" test $compared = "$(find $V/good $V/bad -name describe.json -size +0 | wc -l)"

g=$V/good/31-signed-p384
p0=$(jq -r .Measurements.PCR0 $g/describe.json) p8=$(jq -r .Measurements.PCR8 $g/describe.json)
v() { eifgen verify --at $AT "$@"; }
t_exit 0 "the right registers pass" v $g/image.eif --pcr0 "$p0" --pcr8 "$p8"
t_exit 1 "a wrong one does not" v $g/image.eif --pcr0 "$p8"
t "and is named" grep -q "PCR0 is $p0, not $p8" "$TEST_TMP/out"
t_exit 0 "any of several values passes" v $g/image.eif --pcr0 "$p8" --pcr0 "$p0"
t_exit 2 "zeros cannot be expected" v $g/image.eif --pcr0 "$(printf '0%.0s' $(seq 96))"
t_exit 2 "half a register cannot be expected" v $g/image.eif --pcr0 "${p0:0:64}"
t_exit 2 "nor an empty one" v $g/image.eif --pcr0 ""
t_exit 0 "the measurements of a file serve as record" v $g/image.eif --record $g/describe.json
t_exit 1 "those of another do not" v $g/image.eif --record $V/good/01-one-ramdisk/describe.json
t_exit 1 "PCR8 is wanted and absent" v $V/good/01-one-ramdisk/image.eif --pcr8 "$p8"
t "which is said" grep -q "PCR8 is absent" "$TEST_TMP/out"
t_exit 2 "a record without registers is no record" v $g/image.eif --record $V/inputs/meta_obj.json
t_exit 1 "unsigned where a signature is required" v $V/good/01-one-ramdisk/image.eif --require-signed
t_exit 0 "signed where a signature is required" v $g/image.eif --require-signed
fp=$(openssl x509 -in $V/inputs/p384.cert.pem -noout -fingerprint -sha384 | tr -d : | sed 's/.*=//')
t_exit 0 "the certificate is allowed by its fingerprint" v $g/image.eif --cert-sha384 "$fp"
t_exit 1 "another is not" v $V/good/30-signed-p256/image.eif --cert-sha384 "$fp"
t_exit 1 "no certificate is not either" v $V/good/01-one-ramdisk/image.eif --cert-sha384 "$fp"
t_exit 0 "a self-signed certificate leads to itself" v $g/image.eif --ca $V/inputs/p384.cert.pem
t_exit 1 "and not to another" v $g/image.eif --ca $V/inputs/p384other.cert.pem
t_exit 2 "a CA file without a certificate is an error" v $g/image.eif --ca $V/inputs/empty
t_exit 1 "before its dates the certificate is refused" eifgen verify --at 2023-12-31T23:59:59Z $g/image.eif
t_exit 0 "on its first second it is not" eifgen verify --at 2024-01-01T00:00:00Z $g/image.eif
t_exit 2 "a time that is none is an error" eifgen verify --at yesterday $g/image.eif
t_exit 2 "a missing file is trouble, not a no" v "$W/nowhere"
for odd in "$W" /dev/null; do
	t_exit 2 "so is what is no file: ${odd#"$TEST_TMP"}" v "$odd"
	t_says "which is said" "not a regular file"
done
mkfifo "$W/fifo"
t_exit 2 "and a pipe" bash -c 'printf x >"$1" & exec "$0/eifgen" verify "$1"' "$EIFGEN_BIN" "$W/fifo"
t_exit 1 "an empty file is a file, and a no" v $V/bad/empty/image.eif

# A num_sections of 0 is tolerated in one case alone: a file that is signed and has nothing else wrong with it.
spoilt() { # OUT IN [OFFSET HEX]…: bytes replaced, and the CRC made right again
	python3 - "$@" <<-'PY'
		import sys, zlib
		b = bytearray(open(sys.argv[2], "rb").read())
		for at, new in zip(sys.argv[3::2], sys.argv[4::2]):
		    b[int(at, 0):int(at, 0) + len(new) // 2] = bytes.fromhex(new)
		b[0x220:0x224] = zlib.crc32(b[0x224:], zlib.crc32(b[:0x220])).to_bytes(4, "big")
		open(sys.argv[1], "wb").write(b)
	PY
}
zero=$V/good/86-resign-nsec-zero/image.eif
t_exit 0 "a signed file that counts 0 sections" v $zero --require-signed
t_says "is warned of" "warning: num_sections is 0"
t "and the answer lists it" jq -e '.Verified and .Reasons == [] and (.Tolerated | length) == 1' "$TEST_TMP/out"
t_exit 1 "an unsigned one is refused" v $V/bad/nsec-0/image.eif
spoilt "$W/z.eif" $zero 0x1a 0005
t_exit 1 "another wrong count is refused, signed or not" v "$W/z.eif"
spoilt "$W/z.eif" $zero 0x1c 0000000000000225
t_exit 1 "and 0 beside a wrong table" v "$W/z.eif"
t "both are told, and nothing is tolerated" jq -e '(.Reasons | length) == 2 and .Tolerated == []' "$TEST_TMP/out"
spoilt "$W/z.eif" $zero 0x16 00000001
t_exit 1 "and 0 beside any other fault" v "$W/z.eif"
spoilt "$W/z.eif" $zero 0x300 00
t_exit 1 "and 0 with a signature for something else" v "$W/z.eif"
t "which is told with the count" jq -e '.Reasons | any(startswith("num_sections")) and any(contains("something else"))' "$TEST_TMP/out"
head -c 14880 $zero >"$W/z.eif"
t_exit 1 "and 0 in a file that is cut" v "$W/z.eif"
cp $zero "$W/z.eif"; printf x >>"$W/z.eif"
t_exit 1 "and 0 before stray bytes" v "$W/z.eif"

t_exit 0 "extract writes every section" eifgen extract $g/image.eif -C "$W/x"
t "kernel" cmp "$W/x/kernel" $V/inputs/kernel1.bin
t "cmdline" cmp "$W/x/cmdline" $g/cmdline
t "metadata" cmp "$W/x/metadata.json" $g/metadata.json
t "ramdisks" bash -c "cmp '$W/x/ramdisk-1.cpio' $V/inputs/rd1.cpio.gz && cmp '$W/x/ramdisk-2.cpio' $V/inputs/rd2.cpio"
t "signature" test "$(wc -c <"$W/x/signature.cbor")" = "$(jq '.Sections[] | select(.Type == "signature").Size' "$TEST_TMP/out")"
t_exit 0 "doubled sections are all written" eifgen extract $V/bad/two-kernels/image.eif -C "$W/y"
t "the second by number" test -f "$W/y/kernel-2"
mkdir -p "$W/z/metadata.json"; echo mine >"$W/z/kernel"
t_exit 2 "extract where a directory has a section's name" eifgen extract $g/image.eif -C "$W/z"
t "touches nothing" test "$(cat "$W/z/kernel"; ls "$W/z")" = "$(printf 'mine\nkernel\nmetadata.json')"
rmdir "$W/z/metadata.json"
t_exit 2 "extract that can tell nobody" bash -c '"$0/eifgen" extract "$1" -C "$2" >/dev/full' "$EIFGEN_BIN" $g/image.eif "$W/z"
t "touches nothing either" test "$(cat "$W/z/kernel"; ls "$W/z")" = "$(printf 'mine\nkernel')"
python3 - "$W/many.eif" <<'P'
import struct, sys, zlib
sections = b"".join(struct.pack(">HHQ", t, 0, 1) + b"x" for t in [1, 2] + [3] * 3000)
head = bytearray(0x220); head[0:6] = b".eif\0\4"
open(sys.argv[1], "wb").write(head + struct.pack(">I", zlib.crc32(head + sections)) + sections)
P
t_exit 0 "extract of 3002 sections with few descriptors" bash -c 'ulimit -n 40; exec "$0/eifgen" extract "$1" -C "$2"' "$EIFGEN_BIN" "$W/many.eif" "$W/many"
t "writes them all" test "$(find "$W/many" -type f -size 1c | wc -l)" = 3002
t_exit 2 "extract needs a directory" eifgen extract $g/image.eif
for cut in trunc-last-byte trunc-at-section-edge trunc-548 size-2e40 type-6; do
	t_exit 2 "extract of a file that is not whole: $cut" eifgen extract $V/bad/$cut/image.eif -C "$W/cut"
	t_says "says what is missing" "not whole: $(awk -F'\t' -v f=bad/$cut '$1 == f { print $3 }' $V/verdicts.tsv |
		sed 's/ | /\n/g' | grep -m 1 -e '^section [0-9]' -e ^num_sections)"
	t "and writes nothing" test ! -e "$W/cut"
	t_exit 2 "ls of it" eifgen ls $V/bad/$cut/image.eif
done
mkdir "$W/kept"; echo mine >"$W/kept/kernel"
t_exit 2 "extract of a cut file over another's parts" eifgen extract $V/bad/trunc-last-byte/image.eif -C "$W/kept"
t "leaves them" test "$(cat "$W/kept/kernel")" = mine
t_done
