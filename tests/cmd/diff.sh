#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# diff over images, EIFs and records: every kind of difference named with its cause, and exit 0, 1, 2 as the answer is.
. tests/lib.sh
cd "$TEST_TMP" || exit 1
mkoci() { python3 "$TOP/tests/tools/mkoci.py" "$@"; }
cfg='{"created":"2026-11-21T10:00:00Z","config":{"Cmd":["/bin/app"],"Env":["A=1"]}}'

tree() { # tree DIR: the common part of both images
	mkdir -p "$1/bin" "$1/var/log/apt" "$1/srv" "$1/etc"
	printf 'app' >"$1/bin/app"; chmod 755 "$1/bin/app"
	printf 'same' >"$1/srv/same"
	ln -s app "$1/bin/link"
	find "$1" -exec touch -h -d @1700000000 {} +
}
tree a1; tree b1
printf 'Start-Date: 2026-11-21  10:00:01\n' >a1/var/log/apt/history.log
printf 'Start-Date: 2026-11-22  10:00:01\n' >b1/var/log/apt/history.log
printf 'built 2026-11-21\n' >a1/etc/stamp; printf 'built 2026-11-22\n' >b1/etc/stamp
printf 'x' >a1/srv/mode; printf 'x' >b1/srv/mode; chmod 600 b1/srv/mode
ln -sfn other b1/bin/link
printf 'new' >b1/srv/new; printf 'old' >a1/srv/old
mkoci a "$cfg" a1; mkoci b "$cfg" b1; cp -r a a-again

plat=$TEST_TMP/plat; mkdir "$plat"
head -c 5000 /dev/zero | tr '\0' k >"$plat/bzImage"; echo 'console=ttyS0' >"$plat/cmdline"; echo '#!init' >"$plat/init"
cp -r "$plat" plat2; echo '#!init 2' >plat2/init
build() { eifgen build -q "$@" >/dev/null; }
t "EIFs are built" build oci:a --blobs plat -o a.eif
t "the other too" build oci:b --blobs plat -o b.eif
t "and one with another init" build oci:a --blobs plat2 -o a2.eif
t "and one with another command line" build oci:a --blobs plat --cmdline other -o a3.eif

t_exit 0 "an image equals its copy" eifgen diff -q oci:a oci:a-again
t_exit 0 "an EIF equals itself" eifgen diff -q a.eif a.eif
t_exit 0 "an EIF equals the image it was built from" eifgen diff -q a.eif oci:a --blobs plat
t_exit 0 "an EIF equals its record" eifgen diff -q a.eif a.eif.record.json
t_exit 1 "two images differ" eifgen diff -q oci:a oci:b --json
cp out img.json
cause() { jq -r --arg p "rootfs/$1" '.Entries[] | select(.Path == $p) | .Cause' "$2"; }
what() { jq -r --arg p "rootfs/$1" '.Entries[] | select(.Path == $p) | .What | join(",")' "$2"; }
t "a log is the package manager's" test "$(cause var/log/apt/history.log img.json)" = apt-log
t "a stamp is a date" test "$(cause etc/stamp img.json)" = embedded-date
t "a mode is a mode" test "$(what srv/mode img.json)" = mode
t "a symlink's target" test "$(cause bin/link img.json)" = symlink-target
t "added" test "$(what srv/new img.json)" = added
t "removed" test "$(what srv/old img.json)" = removed
t "nothing else is listed" test "$(jq '.Entries | length' img.json)" = 6
t "each moves PCR0 and PCR2" test "$(jq -r '[.Entries[].Moves | join("+")] | unique | join(" ")' img.json)" = PCR0+PCR2
t "each has its layer" test "$(jq -r '[.Entries[] | .B // .A | .Layer] | unique | length' img.json)" = 2
t "each has a remedy" test "$(jq '[.Entries[].Remedy | length > 0] | all' img.json)" = true
t "without a platform PCR0 is unknown" test "$(jq -r '.PCRs | .PCR0 + " " + .PCR2' img.json)" = "unknown differs"

t_exit 1 "the EIFs of both differ alike" eifgen diff -q a.eif b.eif --json
cp out eif.json
t "in the same entries" test "$(jq -c '[.Entries[] | [.Path, .Cause]]' eif.json)" = "$(jq -c '[.Entries[] | [.Path, .Cause]]' img.json)"
t "PCR1 is the same" test "$(jq -r '.PCRs | .PCR0 + " " + .PCR1 + " " + .PCR2' eif.json)" = "differs same differs"
t_exit 1 "another init" eifgen diff -q a.eif a2.eif --json
t "is an entry of the bootstrap ramdisk" test "$(jq -r '.Entries[] | [.Ramdisk, .Path, .Cause, (.Moves | join("+"))] | join(" ")' out)" = "1 init platform PCR0+PCR1"
t_exit 1 "another command line" eifgen diff -q a.eif a3.eif --json
t "is named with both" test "$(jq -r '.Parts[] | [.Part, .A, .B] | join(" ")' out)" = "cmdline console=ttyS0 other"
t "and no entry differs" test "$(jq '.Entries | length' out)" = 0
cp -r plat plat3; head -c 5000 /dev/zero | tr '\0' K >plat3/bzImage
t "an EIF with another kernel" build oci:a --blobs plat3 -o a4.eif
t_exit 1 "another kernel" eifgen diff -q a.eif a4.eif --json
t "is a part that moves PCR0 and PCR1" test "$(jq -r '.Parts[] | [.Part, (.Moves | join("+"))] | join(" ")' out)" = "kernel PCR0+PCR1"
t "an EIF of the other layout" build oci:a --blobs plat --layout nitro-cli -o a5.eif
t_exit 1 "records: another layout" eifgen diff -q a.eif.record.json a5.eif.record.json --json
t "is named" test "$(jq -r '[.Parts[] | select(.Part == "layout") | .Remedy] | length' out)" = 1
for k in 1 2; do
	eifgen cert new --key-out k$k.pem --cert-out c$k.pem --subject "CN=$k" >/dev/null
	eifgen sign a.eif --no-record --key k$k.pem --cert c$k.pem -o signed$k.eif >/dev/null
done
t_exit 1 "another certificate" eifgen diff -q signed1.eif signed2.eif --json
t "is a part that moves PCR8" test "$(jq -r '.Parts[] | [.Part, (.Moves | join("+"))] | join(" ")' out)" = "certificate PCR8"
t "which alone differs" test "$(jq -r '.PCRs | [.PCR0, .PCR1, .PCR2, .PCR8] | join(" ")' out)" = "same same same differs"
t_exit 1 "one is signed, the other is not" eifgen diff -q a.eif signed1.eif --json
t "is a part that moves PCR8" test "$(jq -r '.Parts[] | [.Part, (.Moves | join("+"))] | join(" ")' out)" = "signed PCR8"
t_exit 1 "records: another init" eifgen diff -q a.eif.record.json a2.eif.record.json --json
t "is known by digest" test "$(jq -r '[.Parts[].Part] | join(" ")' out)" = "init ramdisk-1"
t_exit 1 "a record against an EIF" eifgen diff -q a.eif.record.json b.eif --json
t "names the ramdisk" test "$(jq -r '[.Parts[] | select(.Moves | length > 0) | .Part] | join(" ")' out)" = ramdisk-2
t_exit 1 "other times are timestamps" eifgen diff -q oci:a a.eif --epoch 1700000000 --json
t "and only that" test "$(jq -r '[.Entries[].Cause] | unique | join(" ")' out)" = timestamp

t "an EIF whose command line speaks to the terminal" build oci:a --blobs plat --cmdline $'x\e[2J\neifgen: all is well' -o a6.eif
t_exit 1 "is shown" eifgen diff -q a.eif a6.eif
t_not "without a word of its own" grep -q $'^eifgen\|\e' out
t "as one line" grep -qF 'B: "x\x1b[2J\x0aeifgen: all is well"' out
t_exit 1 "each side's layer is named where they differ" eifgen diff -q oci:a oci:b
t "in one line" grep -Eq 'etc/stamp.*\(layer 1, sha256:[0-9a-f]{12} -> layer 1, sha256:[0-9a-f]{12}\)' out

t_exit 1 "a page is written" eifgen diff -q a.eif b.eif --html page.html
t "it is whole" grep -q '</html>' page.html
t "it asks nothing of a network" bash -c '! grep -Eo "(src|href)=.https?:[^ ]*|@import|fetch\(|XMLHttpRequest" page.html'
t "it holds the small files" grep -q '"ContentA":"' page.html
t "text says the remedies" grep -q 'remedy: ' out
t_exit 2 "something that is neither" eifgen diff nowhere a.eif
t_exit 2 "one argument" eifgen diff a.eif
head -c 6000 a.eif >cut.eif
t_exit 2 "a cut EIF" eifgen diff cut.eif a.eif
echo '{"Schema":"other"}' >bad.json
t_exit 2 "a file that is no record" eifgen diff bad.json a.eif
t_exit 2 "a page that cannot be written" eifgen diff -q a.eif a.eif --html no/such/dir.html
t_done
