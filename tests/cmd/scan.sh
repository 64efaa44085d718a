#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# scan names what varies with layer and remedy, --fail-on gates, and build --scrub mends what it names.
. tests/lib.sh
cd "$TEST_TMP" || exit 1
mkoci() { python3 "$TOP/tests/tools/mkoci.py" "$@"; }
cfg='{"created":"2026-11-21T10:00:00Z","config":{"Cmd":["/bin/app"]}}'
mkdir -p base/bin top/etc top/var/log top/srv
echo app >base/bin/app; echo 0123 >top/etc/machine-id; echo "2026-11-21 x" >top/var/log/dpkg.log
echo "made 2026-11-21" >top/srv/readme
find base top -exec touch -d @1700000000 {} +
mkoci img "$cfg" base top
layer=$(jq -r '.layers[1].digest' "img/blobs/sha256/$(jq -r '.manifests[0].digest' img/index.json | cut -d: -f2)")

t_exit 0 "scan reports" eifgen scan oci:img --json
cp out scan.json
t "the rules that match" test "$(jq -r '[.Findings[].Rule] | join(" ")' scan.json)" = "machine-id build-date dpkg-log"
t "the layer that brought it" test "$(jq -r '[.Findings[].Layer] | unique | join(" ")' scan.json)" = "$layer"
t "the register it moves" test "$(jq -r '[.Findings[].Moves | join("+")] | unique | join(" ")' scan.json)" = PCR0+PCR2
t_exit 1 "--fail-on high fails" eifgen scan oci:img --fail-on high
t_exit 0 "the text says the remedy" eifgen scan oci:img
t "in words" grep -q 'remedy: rm -f /var/log' out
t_exit 1 "under nitro-cli times count" eifgen scan oci:img --layout nitro-cli --fail-on high --json
t "as one finding" test "$(jq -r '.Findings[] | select(.Rule == "file-times") | .Count > 4' out)" = true
mkoci clean "$cfg" base
t_exit 0 "a clean image passes" eifgen scan oci:clean --fail-on low
t_exit 2 "an unknown severity" eifgen scan oci:img --fail-on severe
t_exit 0 "the rules can be listed" eifgen scan --rules
t "one a line" grep -q '^machine-id .*empty' out

mkdir plat; head -c 5000 /dev/zero >plat/bzImage; echo 'console=ttyS0' >plat/cmdline; echo '#!init' >plat/init
cp -r top top2; echo 4567 >top2/etc/machine-id; echo "2026-11-22 y" >top2/var/log/dpkg.log
find top2 -exec touch -d @1700000000 {} +
mkoci img2 "$cfg" base top2
eifgen pcr -q oci:img --blobs plat >1.json; eifgen pcr -q oci:img2 --blobs plat >2.json
t "two builds of it differ" test "$(jq -r .Measurements.PCR2 1.json)" != "$(jq -r .Measurements.PCR2 2.json)"
t_exit 0 "scrubbed" eifgen build -q oci:img --blobs plat --scrub machine-id,dpkg-log -o 1.eif
t_exit 0 "both" eifgen build -q oci:img2 --blobs plat --scrub machine-id,dpkg-log -o 2.eif
t "their PCRs are the same" test "$(jq -c .Measurements 1.eif.record.json)" = "$(jq -c .Measurements 2.eif.record.json)"
t "the record lists what was scrubbed" test "$(jq -c '[.Scrub.Changed[] | [.Path, .Rule]]' 1.eif.record.json)" = \
	'[["etc/machine-id","machine-id"],["var/log/dpkg.log","dpkg-log"]]'
t "machine-id stays, empty" test "$(eifgen ls --json 1.eif | jq '.entries[] | select(.path == "rootfs/etc/machine-id") | .size')" = 0
t_exit 2 "an unknown rule" eifgen build -q oci:img --blobs plat --scrub nosuch -o 3.eif
t_done
