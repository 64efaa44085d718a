#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 900
# serial
#
# The demo, whole, twice; and the proof that what boots is what `ls` says: a manifest (type, mode, owner, content) of the root
# file system, printed by the guest itself, against the EIF's own listing.
. tests/lib.sh
. tests/tools/boot-lib.sh

t "the demo's bundle" make -s BUNDLE=build/demo/bundle BUNDLE_FILES=build/rel/bin/init bundle
t "the demo runs to its end" bash -c 'tests/demo/demo.sh >"$0" 2>&1' "$TEST_TMP/demo"
t "it boots and says hello" grep -q "hello from guest, uid 4242, in /home/guest" "$TEST_TMP/demo"
t "both builds are one file" grep -q "identical: sha256" "$TEST_TMP/demo"
t_not "nothing is warned of" grep -q "warning" "$TEST_TMP/demo"
t "a second run is as good" bash -c 'tests/demo/demo.sh >"$0" 2>&1' "$TEST_TMP/demo2"
t "and gives the same file" test "$(grep identical "$TEST_TMP/demo")" = "$(grep identical "$TEST_TMP/demo2")"

platform=build/debian-platform
# One line, for an argument cannot hold a line feed.
report='b=busybox; echo "--- manifest"; '
report+='$b find / -xdev \( -path /dev -o -path /proc -o -path /run -o -path /sys -o -path /tmp \) -prune -o -print | $b sort | '
report+='while read -r p; do if [ -L "$p" ]; then last=$($b readlink "$p"); elif [ -d "$p" ]; then last=; '
report+='else last=$($b sha256sum <"$p" | $b cut -c 1-64); fi; echo "$($b stat -c "%f %u %g" "$p") $p $last"; done; echo "--- end"'
t_exit 0 "the image with another command builds" eifgen build oci:build/demo/image:hello -o "$TEST_TMP/m.eif" --blobs $platform \
	--init build/demo/bundle/init --no-nsm --user 0 --workdir / --cmd "$(jq -nc --arg s "$report" '["/bin/sh", "-c", $s]')"
t_exit 0 "it is taken apart" eifgen extract "$TEST_TMP/m.eif" -C "$TEST_TMP/parts"
cat "$TEST_TMP"/parts/ramdisk-*.cpio >"$TEST_TMP/initrd"
t "it boots and ends" boot "$TEST_TMP/parts/kernel" "$TEST_TMP/initrd" "$(cat "$TEST_TMP/parts/cmdline")" "$TEST_TMP/console"
sed -n '/^--- manifest/,/^--- end/p' "$TEST_TMP/console" | sed '1d;$d; s/ *$//' >"$TEST_TMP/guest"
eifgen ls "$TEST_TMP/m.eif" --json >"$TEST_TMP/ls.json"
python3 - "$TEST_TMP/ls.json" >"$TEST_TMP/listed" <<'END'
import json, sys
kinds = {"dir": 0o040000, "file": 0o100000, "symlink": 0o120000}
rows, content = [], {}
for e in json.load(open(sys.argv[1]))["entries"]:
    if e["ramdisk"] != 2 or not (e["path"] + "/").startswith("rootfs/"):
        continue
    path = "/" + e["path"][7:]
    if e.get("sha256") and (e["size"] or e["nlink"] == 1):
        content[e["ino"]] = e["sha256"]
    rows.append((path, e))
for path, e in sorted(rows, key=lambda r: r[0].encode()):
    if path.split("/")[1] in ("dev", "proc", "run", "sys", "tmp"):
        continue
    last = {"dir": "", "symlink": e.get("target", ""), "file": content.get(e["ino"], "")}[e["type"]]
    print(("%x %d %d %s %s" % (kinds[e["type"]] | int(e["mode"], 8), e["uid"], e["gid"], path, last)).rstrip())
END
t "the guest saw a whole tree" test "$(wc -l <"$TEST_TMP/guest")" -gt 20
t "the guest's manifest is the EIF's listing" diff "$TEST_TMP/listed" "$TEST_TMP/guest"
t_done
