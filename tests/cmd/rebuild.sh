#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# rebuild: the same from a record's pins, in another place, offline; a refusal for any other input; 1 and a reason when
# something else comes out. policy: the KMS condition for one and several records.
. tests/lib.sh
images=testdata/images P=testdata/images/platform W=$TEST_TMP

# A build with as many choices as there are.
echo '{"team":"x"}' >"$W/meta.json"
printf 'module bytes' >"$W/m.ko"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes -keyout "$W/k.pem" -out "$W/c.pem" -subj /CN=t -days 9 2>/dev/null
eifgen build $images/user --blobs $P --cmdline 'a=b  c' --module "$W/m.ko" --no-nsm --mtime clamp --epoch 1500000007 --cmd '["/bin/app","é \"q\""]' \
	--env A=1 --user 5:6 --workdir /w --name n --image-version v --metadata "$W/meta.json" --scrub safe -o "$W/a.eif" >/dev/null
eifgen build $images/links --blobs $P -o "$W/p.eif" >/dev/null
eifgen -q build $images/layers --blobs $P --layout nitro-cli -o "$W/n.eif" >/dev/null
eifgen build $images/plain --blobs $P --sign-key "$W/k.pem" --sign-cert "$W/c.pem" -o "$W/s.eif" >/dev/null

# ---- the same
cp -r $images/user "$W/moved"
t_exit 0 "every choice is a pin" env SOURCE_DATE_EPOCH=5 "$EIFGEN_BIN/eifgen" rebuild "$W/a.eif.record.json" --image "oci:$W/moved:latest" \
	--blobs $P --module "$W/m.ko" -o "$W/a2.eif"
t "the file is the same" cmp "$W/a.eif" "$W/a2.eif"
t "and it says so" jq -e '.Reproduced and .Differences == []' "$W/out"
t_exit 0 "without --image the record's reference is used" eifgen rebuild "$W/p.eif.record.json" --blobs $P
mkdir -p "$W/tmp/eifgen-rebuild"
t_exit 0 "without -o no name matters" eifgen rebuild "$W/p.eif.record.json" --blobs $P --tmpdir "$W/tmp"
rmdir "$W/tmp/eifgen-rebuild"
python3 - "$EIFGEN_BIN/eifgen" "$W" "$P" <<'PY'
import subprocess, sys, time
# Killed at any moment, it leaves nothing behind.
for i in range(12):
    p = subprocess.Popen([sys.argv[1], "-q", "rebuild", sys.argv[2] + "/p.eif.record.json", "--blobs", sys.argv[3], "--tmpdir",
                          sys.argv[2] + "/tmp"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.004 * i)
    p.kill()
    p.wait()
PY
t "… and nothing is left, however it ends" test -z "$(ls -A "$W/tmp")"
truncate -s 8M "$W/big.ko"
eifgen -q build $images/links --blobs $P --module "$W/big.ko" -o "$W/big.eif" >/dev/null
t_exit 2 "a disk that is full in the bootstrap ramdisk" bash -c 'ulimit -f 2000; exec "$@"' - "$EIFGEN_BIN/eifgen" -q rebuild "$W/big.eif.record.json" \
	--blobs $P --module "$W/big.ko" --tmpdir "$W/tmp"
t_says "is named by its directory" "temporary file in \"$W/tmp\": bootstrap ramdisk: output file: write: File too large"
t_exit 0 "the nitro-cli layout" eifgen -q rebuild "$W/n.eif.record.json" --blobs $P
t_exit 0 "a signed build without its key" eifgen rebuild "$W/s.eif.record.json" --blobs $P
t "is compared but for the signature" jq -e '.Reproduced and (.SignatureCompared | not)' "$W/out"
t_exit 0 "a signed build with its key" eifgen rebuild "$W/s.eif.record.json" --blobs $P --sign-key "$W/k.pem" --sign-cert "$W/c.pem" -o "$W/s2.eif"
t "is the same file" cmp "$W/s.eif" "$W/s2.eif"

# ---- other inputs
t_exit 2 "another image is refused" eifgen rebuild "$W/p.eif.record.json" --image $images/plain --blobs $P
t_says "by its config" "Image.Config is"
cp -r $P "$W/other"; printf 'x' >>"$W/other/init"
t_exit 2 "another init is refused" eifgen rebuild "$W/p.eif.record.json" --blobs "$W/other"
t_says "by name" "Platform.Init.Sha256 is"
t_exit 2 "a missing module is refused" eifgen rebuild "$W/a.eif.record.json" --image "$W/moved" --blobs $P
t_exit 2 "a command line is not the caller's to choose" eifgen rebuild "$W/p.eif.record.json" --blobs $P --cmdline x
t_exit 2 "another layout version is refused" eifgen rebuild <(jq -c '.Layout.Version = 2' "$W/p.eif.record.json") --blobs $P
t_exit 2 "a record of another schema is refused" eifgen rebuild <(jq -c '.Schema = "eifgen-record/2"' "$W/p.eif.record.json") --blobs $P
t_exit 2 "what is no record is refused" eifgen rebuild $images/plain/index.json --blobs $P
t_exit 2 "a record without epoch is refused" eifgen rebuild <(jq -c 'del(.Epoch)' "$W/p.eif.record.json") --blobs $P

# ---- something else comes out: the record claims what its inputs do not give
zero=$(printf '1%.0s' {1..96})
jq -cS --arg z "$zero" '.Measurements.PCR0 = $z | .Measurements.PCR2 = $z | .Sections[4].Sha384 = $z | .Eif.Sha256 = "00"' "$W/p.eif.record.json" >"$W/lie.json"
t_exit 1 "a record that its inputs do not give" eifgen rebuild "$W/lie.json" --blobs $P
t "is told from the truth" test "$(jq -c '[.Differences[].What]' "$W/out")" = '["PCR0","PCR2","section 5 (ramdisk)","EIF"]'
t_says "with diff's reason" "application ramdisk differs"
t "of a file that has no name" grep -qx "B: the rebuilt EIF" "$W/err"
t_exit 1 "one that is kept" eifgen rebuild "$W/lie.json" --blobs $P -o "$W/kept.eif"
t "is called by its name" grep -qx "B: $W/kept.eif" "$W/err"
t_exit 1 "the file alone" eifgen rebuild <(jq -c '.Eif.Sha256 = "00"' "$W/p.eif.record.json") --blobs $P -q
t "is a difference, too" test "$(jq -c '[.Differences[].What]' "$W/out")" = '["EIF"]'
jq -cS '.Sections += [{"Type":"ramdisk","Size":1,"Sha384":"00"}]' "$W/p.eif.record.json" >"$W/more.json"
t_exit 1 "a section that is not built" eifgen rebuild "$W/more.json" --blobs $P -q
t "is a difference" test "$(jq -c '[.Differences[] | [.What, .Rebuilt]]' "$W/out")" = '[["section 6 (ramdisk)",null]]'
jq -cS '.Measurements.PCR0 |= ascii_upcase | .Eif.Sha256 |= ascii_upcase' "$W/p.eif.record.json" >"$W/upper.json"
t_exit 0 "digits in capitals are the same digits" eifgen rebuild "$W/upper.json" --blobs $P
jq -c '.Epoch.Seconds = -1' "$W/p.eif.record.json" >"$W/epoch.json"
t_exit 2 "an epoch before all epochs" eifgen rebuild "$W/epoch.json" --blobs $P
t "names the record no more than twice" test "$(grep -o epoch.json "$W/err" | wc -l)" -le 2

# ---- policy
t_exit 0 "policy of one record" eifgen policy "$W/p.eif.record.json"
k=kms:RecipientAttestation
t "asks for PCR0 by both names, PCR1 and PCR2" test "$(jq -c '.Condition.StringEqualsIgnoreCase | keys' "$W/out")" = \
	"[\"$k:ImageSha384\",\"$k:PCR0\",\"$k:PCR1\",\"$k:PCR2\"]"
t "with the record's values" test "$(jq -r ".Condition.StringEqualsIgnoreCase[\"$k:PCR1\"][0]" "$W/out")" = \
	"$(jq -r .Measurements.PCR1 "$W/p.eif.record.json")"
t_exit 0 "policy of two releases" eifgen policy "$W/p.eif.record.json" "$W/lie.json"
t "takes either" test "$(jq -c ".Condition.StringEqualsIgnoreCase[\"$k:ImageSha384\"]" "$W/out")" = \
	"$(jq -sc '[.[].Measurements.PCR0]' "$W/p.eif.record.json" "$W/lie.json")"
t "says a value once" test "$(jq ".Condition.StringEqualsIgnoreCase[\"$k:PCR1\"] | length" "$W/out")" = 1
t "lists each record" test "$(jq '.Records | length' "$W/out")" = 2
t_exit 0 "policy of a signed build" eifgen policy "$W/s.eif.record.json"
t "asks for PCR8" jq -e ".Condition.StringEqualsIgnoreCase[\"$k:PCR8\"]" "$W/out"
t_exit 0 "policy of signed and unsigned builds" eifgen policy "$W/s.eif.record.json" "$W/p.eif.record.json"
t "does not" test "$(jq ".Condition.StringEqualsIgnoreCase[\"$k:PCR8\"]" "$W/out")" = null
t_says "and says so" "does not ask for PCR8"
t_exit 2 "policy of nothing" eifgen policy
t_exit 2 "policy of what is no record" eifgen policy $images/plain/index.json
t_done
