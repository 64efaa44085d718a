#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build and pcr: what they print, the record, lock files, overrides, warnings, refusals; nothing half-written.
. tests/lib.sh
images=testdata/images P=testdata/images/platform W=$TEST_TMP
build() { eifgen build "$@" --blobs "$P"; }
pcr() { eifgen pcr "$@" --blobs "$P"; }
pcr2() { jq -r .Measurements.PCR2 "$1"; }

# ---- what comes out
t_exit 0 "an image builds" build $images/user -o "$W/a.eif"
cp "$W/out" "$W/a.json"
t "stdout is one JSON object with the PCRs" jq -e '.Measurements | .PCR0 and .PCR1 and .PCR2 and .HashAlgorithm' "$W/a.json"
t "stderr says one line" grep -qxE 'eifgen: [0-9.]+ MB of layers read and [0-9.]+ MB of EIF measured in [0-9.]+ s' "$W/err"
t "… and no other" test "$(wc -l <"$W/err")" = 1
t_exit 0 "-q" eifgen -q pcr $images/user --blobs $P
t "… silences it" test ! -s "$W/err"
t "the EIF's digest is what is said" test "$(jq -r .Sha256 "$W/a.json")" = "$(sha256sum <"$W/a.eif" | cut -d' ' -f1)"
t "no temporary file is left" test "$(find "$W" -name '*.tmp-*' | wc -l)" = 0
t "verify finds it sound" eifgen verify "$W/a.eif"
t "describe finds no anomaly" test "$(eifgen describe "$W/a.eif" | jq -c .Anomalies)" = '[]'
t "the kernel's version comes from its config" test "$(eifgen describe "$W/a.eif" | jq -r .Metadata.KernelVersion)" = 6.1.0
t "the build time is the epoch" test "$(eifgen describe "$W/a.eif" | jq -r .Metadata.BuildTime)" = 1980-01-01T00:00:01Z
t "ImageVersion is the config's digest" test "$(eifgen describe "$W/a.eif" | jq -r .ImageVersion)" = \
	"$(jq -r .ImageConfig "$W/a.json" | sed s/sha256://)"

t_exit 0 "-v" eifgen -v pcr $images/user --blobs $P
t_says "explains the inputs" "layout canonical version 1, epoch 315532801 from default"

# ---- the record
r=$W/a.eif.record.json
t "the record is canonical JSON" cmp "$r" <(jq -cS . "$r")
t "the record has the EIF's digest" test "$(jq -r .Eif.Sha256 "$r")" = "$(sha256sum <"$W/a.eif" | cut -d' ' -f1)"
t "the record has the listing's digest" test "$(jq -r .Listing "$r")" = "$(eifgen ls --json "$W/a.eif" | sha256sum | cut -d' ' -f1)"
t_exit 0 "with one thread" build $images/user -o "$W/t1.eif" --threads 1
t "the same record" cmp <(jq -cS . "$r") <(jq -cS . "$W/t1.eif.record.json")
for l in canonical nitro-cli; do
	t_exit 0 "$l: its digest is taken on the way" eifgen -v build $images/user --blobs $P -o "$W/v.eif" --layout $l
	t "$l: nothing is read again" bash -c '! grep -q "read once more" "$0"' "$TEST_TMP/err"
	t "$l: the record has the EIF's digest" test "$(jq -r .Eif.Sha256 "$W/v.eif.record.json")" = "$(sha256sum <"$W/v.eif" | cut -d' ' -f1)"
done
t "the record has each section's SHA-384" test "$(jq -r '.Sections[0].Sha384' "$r")" = "$(sha384sum <$P/bzImage | cut -d' ' -f1)"
t "the record names platform files by digest" test "$(jq -r .Platform.Init.Sha256 "$r")" = "$(sha256sum <$P/init | cut -d' ' -f1)"
t "the record says nothing of this machine" sh -c '! grep -q "$1\|$(hostname)\|$(id -un)@" "$2"' - "$W" "$r"
t_exit 0 "the same build elsewhere" sh -c "cd '$W' && TZ=Asia/Tokyo LC_ALL=C.UTF-8 '$EIFGEN_BIN/eifgen' build --blobs '$TOP/$P' '$TOP/$images/user' -o b.eif"
t "gives the same file" cmp "$W/a.eif" "$W/b.eif"
t "and the same record but for the reference" cmp <(jq -cS 'del(.Image.Reference)' "$r") <(jq -cS 'del(.Image.Reference)' "$W/b.eif.record.json")
t_exit 0 "--no-record" build $images/plain -o "$W/n.eif" --no-record
t "writes none" test ! -e "$W/n.eif.record.json"
t_exit 0 "--record FILE" build $images/plain -o "$W/n.eif" --record "$W/elsewhere"
t "writes it there" jq -e .Schema "$W/elsewhere"

# ---- locked, expected
t_exit 0 "--locked with the same inputs builds" build $images/user -o "$W/l.eif" --locked "$r"
t "the same file" cmp "$W/a.eif" "$W/l.eif"
t_exit 2 "--locked refuses another image" build $images/plain -o "$W/x.eif" --locked "$r"
t_says "and says which member" "Image.Config is"
t_exit 2 "--locked refuses another command line" build $images/user --cmdline other -o "$W/x.eif" --locked "$r"
t_says "and says which member" "Platform.Cmdline is"
t_exit 2 "--locked refuses another layout" build $images/user --layout nitro-cli -q -o "$W/x.eif" --locked "$r"
t_exit 2 "--locked refuses another epoch" build $images/user --epoch 7 -o "$W/x.eif" --locked "$r"
t_says "and says which" "Epoch.Seconds is 7"
t_exit 2 "--locked refuses overrides that the record has not" build $images/user --env A=1 -o "$W/x.eif" --locked "$r"
t_exit 2 "--locked refuses a file that is no record" build $images/user -o "$W/x.eif" --locked $images/user/index.json
t "nothing was written" test ! -e "$W/x.eif"
t_exit 0 "--locked takes the record's epoch" env SOURCE_DATE_EPOCH=99 "$EIFGEN_BIN/eifgen" build --blobs $P $images/user -o "$W/l.eif" --locked "$r"
t_exit 0 "pcr --expect of the same inputs" pcr $images/user --expect "$r"
t "says so" jq -e .AsExpected "$W/out"
t_exit 1 "pcr --expect of another image" pcr $images/plain --expect "$r"
t_says "with the reason" "application ramdisk differs"
t "names the registers" test "$(jq -c '[.Differences[].Register]' "$W/out")" = '["PCR0","PCR2"]'
t_exit 0 "pcr --expect of the EIF" eifgen pcr "$W/a.eif" --expect "$r"
t_exit 0 "pcr --pcr2 as it is" pcr $images/user --pcr2 "$(pcr2 "$W/a.json")"
t_exit 1 "pcr --pcr2 as it is not" pcr $images/user --pcr2 "$(pcr2 "$W/a.json" | tr 0-9a-f 1-9a-f0)"
t_exit 1 "pcr --pcr8 of an unsigned file" eifgen pcr "$W/a.eif" --pcr8 "$(pcr2 "$W/a.json")"
t_exit 2 "pcr --pcr0 takes hex" eifgen pcr "$W/a.eif" --pcr0 12
t_exit 2 "zeros are no expectation" eifgen pcr "$W/a.eif" --pcr0 "$(printf '0%.0s' {1..96})"

# ---- epoch, mtime, overrides
t_exit 0 "--epoch" build $images/plain -o "$W/e.eif" --epoch 1600000001
t "moves the PCRs" test "$(jq -r .Measurements.PCR2 "$W/out")" != "$(pcr $images/plain 2>/dev/null | jq -r .Measurements.PCR2)"
t_exit 0 "SOURCE_DATE_EPOCH" env SOURCE_DATE_EPOCH=1600000001 "$EIFGEN_BIN/eifgen" build --blobs $P $images/plain -o "$W/s.eif"
t "is the same as --epoch" cmp "$W/e.eif" "$W/s.eif"
t "and the record knows the difference" test "$(jq -r .Epoch.Source "$W/s.eif.record.json")" = SOURCE_DATE_EPOCH
t_exit 0 "--epoch image" build $images/plain -o "$W/i.eif" --epoch image
t "is the config's time" test "$(jq -r .Epoch "$W/out")" = 1600000000
t_exit 0 "overrides" build $images/user -o "$W/o.eif" --cmd '["/x","a b"]' --env LANG=C --env NEW=1 --user 5:6 --workdir /w
mkdir "$W/o"; eifgen extract "$W/o.eif" -C "$W/o" >/dev/null
file() { (cd "$W/o" && rm -f cmd env user workdir && cpio -i --quiet "$1" <ramdisk-2.cpio && cat "$1"); }
t "cmd is what was said" test "$(file cmd)" = $'/x\na b'
t "env keeps its order" test "$(file env)" = $'LANG=C\nEMPTY=\nNEW=1\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/'
t "user" test "$(file user)" = 5:6:
t "workdir" test "$(file workdir)" = /w
t "they are recorded" test "$(jq -c .Overrides "$W/o.eif.record.json")" = \
	'{"Cmd":["/x","a b"],"Env":["LANG=C","NEW=1"],"User":"5:6","Workdir":"/w"}'
echo '{"b":1,"a":[2]}' >"$W/meta.json"
t_exit 0 "--metadata, --name, --image-version" build $images/plain -o "$W/m.eif" --metadata "$W/meta.json" --name N --image-version V
t "are in the file" test "$(eifgen describe "$W/m.eif" | jq -c '[.ImageName,.ImageVersion,.Metadata.a,.Metadata.b]')" = '["N","V",[2],1]'
t "and do not move a PCR" test "$(jq -r .Measurements.PCR0 "$W/out")" = "$(pcr $images/plain | jq -r .Measurements.PCR0)"

# ---- signed
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes -keyout "$W/k.pem" -out "$W/c.pem" -subj /CN=t -days 9 2>/dev/null
t_exit 0 "a signed build" eifgen -v build $images/plain --blobs $P -o "$W/sig.eif" --sign-key "$W/k.pem" --sign-cert "$W/c.pem"
t_says "is read once more: the signature depends on its bytes" "the finished EIF is read once more for its digest"
cp "$W/out" "$W/sig.json"
t "verifies" eifgen verify "$W/sig.eif" --require-signed
t "has PCR8 of the certificate" test "$(jq -r .Measurements.PCR8 "$W/sig.json")" = "$(eifgen pcr "$W/sig.eif" | jq -r .Measurements.PCR8)"
t "which the certificate alone predicts" test "$(jq -r .Measurements.PCR8 "$W/sig.json")" = \
	"$(pcr $images/plain --sign-cert "$W/c.pem" | jq -r .Measurements.PCR8)"
t "and which moves no other" test "$(jq -r .Measurements.PCR0 "$W/sig.json")" = "$(pcr $images/plain | jq -r .Measurements.PCR0)"
t_exit 0 "the same again" build $images/plain -o "$W/sig2.eif" --sign-key "$W/k.pem" --sign-cert "$W/c.pem"
t "is the same file" cmp "$W/sig.eif" "$W/sig2.eif"
t "the record has the signed EIF's digest" test "$(jq -r .Eif.Sha256 "$W/sig.eif.record.json")" = "$(sha256sum <"$W/sig.eif" | cut -d' ' -f1)"
t "the record has the signed EIF's listing" test "$(jq -r .Listing "$W/sig.eif.record.json")" = "$(eifgen ls --json "$W/sig.eif" | sha256sum | cut -d' ' -f1)"
t "the record names the certificate" test "$(jq -r .Signature.CertificateSha256 "$W/sig.eif.record.json")" = \
	"$(openssl x509 -in "$W/c.pem" -outform DER | sha256sum | cut -d' ' -f1)"
t_exit 2 "a certificate without its key" build $images/plain -o "$W/no.eif" --sign-cert "$W/c.pem"
t_exit 2 "a key without its certificate" build $images/plain -o "$W/no.eif" --sign-key "$W/k.pem"
t_exit 2 "a key file with the certificate" build $images/plain -o "$W/no.eif" --sign-key "$W/k.pem" --sign-cert "$W/k.pem"

# ---- warnings and refusals
printf 'not ours' >"$W/init"
t_exit 0 "an init that is not ours" build $images/user --init "$W/init" -o "$W/w.eif"
t_says "brings a warning" "user and working directory are ignored by this init"
t_exit 2 "which is an error under --strict" build $images/user --init "$W/init" --strict -o "$W/no.eif"
t_exit 2 "an image of another arch" build $images/user --arch aarch64 --kernel $P/bzImage -o "$W/no.eif"
t_exit 2 "a missing image" build $images/none -o "$W/no.eif"
t_exit 2 "a missing platform file" eifgen build $images/user --blobs "$W" -o "$W/no.eif"
t_says "is named" bzImage
t_exit 2 "a command that is no list of strings" build $images/user --cmd '[1]' -o "$W/no.eif"
t_exit 2 "an env without =" build $images/user --env A -o "$W/no.eif"
t_exit 2 "an unknown layout" build $images/user --layout other -o "$W/no.eif"
t_exit 2 "a user that is not in the image" build $images/user --user nobody -o "$W/no.eif"
t_says "is named" '"nobody" has no entry'
t_exit 2 "a cap" build $images/links --max-entries 3 -o "$W/no.eif"
t_says "names its option" --max-entries
t_exit 2 "no output named" build $images/user
t_exit 2 "an output that is a directory" build $images/user -o "$W/o"
t_exit 2 "an output without a name" build $images/user -o ''
ln -s /dev/null "$W/device"
t_exit 2 "an output that is a symlink to a device, as /dev/stdout" build $images/user -o "$W/device"
t "leaves the symlink" test -L "$W/device"
t_exit 2 "a record in the EIF's place" build $images/user -o "$W/no.eif" --record "$W/./no.eif"
t "no failed build left a file" test ! -e "$W/no.eif"
cp "$W/a.eif" "$W/keep.eif"
t_exit 2 "a failed build over a file" build $images/none -o "$W/keep.eif"
t "leaves it as it was" cmp "$W/a.eif" "$W/keep.eif"

# ---- ls
eifgen ls $images/links --json >"$W/ls.json"
t "ls of an image names the layer" test "$(jq -r '.entries[] | select(.path == "times/old") | .layer' "$W/ls.json")" = \
	"$(jq -r '.layers[1].digest' "$images/links/blobs/sha256/$(jq -r '.manifests[0].digest[7:]' $images/links/index.json)")"
t "and the first name of a hard link" test "$(jq -r '.entries[] | select(.path == "b/late") | .hardlink' "$W/ls.json")" = a/again
t "and keeps bytes that are no UTF-8" test "$(jq -r '.entries[] | select(.path_hex) | .path_hex' "$W/ls.json")" = 6e616d65732f6c6174696e2de9ff
t "text has an entry a line" test "$(eifgen ls $images/links | wc -l)" = "$(jq '.entries | length' "$W/ls.json")"
head -c 3000 "$W/a.eif" >"$W/cut.eif"
t_exit 2 "ls of a file that was cut" eifgen ls "$W/cut.eif"
t_says "says that the list is not whole" "the file is not whole: section"
t_exit 2 "ls of nothing" eifgen ls "$W/nothing"
t_done
