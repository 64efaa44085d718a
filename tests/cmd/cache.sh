#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The warm-prediction cache changes how long an answer takes and never the answer: cold, warm, after a change, after
# damage of every kind, from several runs at once.
. tests/lib.sh

cd "$TEST_TMP" || exit 1
export XDG_CACHE_HOME=$TEST_TMP/xdg
cache=$XDG_CACHE_HOME/eifgen
python3 - <<'PY'
import io, tarfile
# Forty files of 2 MiB in order of name, so that there are marks; the top layer replaces one of them.
def layer(name, files):
    out = tarfile.open(name, "w", format=tarfile.GNU_FORMAT)
    for path, seed in files:
        t = tarfile.TarInfo(path)
        t.size, t.mtime = 2 << 20, 1700000000
        out.addfile(t, io.BytesIO(bytes((seed * 7 + i) & 255 for i in range(256)) * (t.size // 256)))
    out.close()
layer("base-0.tar", [("f%02d" % i, i) for i in range(20)])
layer("base-1.tar", [("f%02d" % i, i) for i in range(20, 40)])
layer("top-a.tar", [("f39", 90)])
layer("top-b.tar", [("f39", 91)])
layer("top-c.tar", [("f00", 92)])
layer("top-d.tar", [("f00", 92), ("f39", 93)])
layer("top-e.tar", [("f00", 92), ("f38", 94), ("f39", 93)])
PY
for x in a b c d e; do python3 "$TOP/tests/bench/oci-layout.py" "img-$x" base-0.tar base-1.tar "top-$x.tar"; done
mkdir plat
printf kernel >plat/bzImage; printf cmdline >plat/cmdline; printf init >plat/init

predict() { # predict IMAGE OUT [OPTION…]
	local image=$1 out=$2; shift 2
	eifgen -q pcr "oci:$image:bench" --blobs plat --no-nsm --epoch 7 "$@" >"$out"
}
warm_equals_cold() { predict "$1" warm --cache && cmp cold-"${1#img-}" warm; }
known() { # known IMAGE: how many bytes -v says were known
	eifgen -v pcr "oci:$1:bench" --blobs plat --no-nsm --epoch 7 --cache 2>&1 >/dev/null |
		sed -n 's/.* before, \([0-9]*\) bytes .*measured before.*/\1/p'
}
inflated() { # inflated IMAGE: how many of its layers the cache did not have
	eifgen -v pcr "oci:$1:bench" --blobs plat --no-nsm --epoch 7 --cache 2>&1 >/dev/null |
		sed -n 's/.*cache: \([0-9]*\) of \([0-9]*\) layers .*/\2 - \1/p' | { read -r sum && echo $((sum)); }
}
for x in a b c d e; do t "cold prediction of $x" predict "img-$x" "cold-$x"; done
t "without --cache nothing is kept" test ! -e "$cache"

t "the first run fills the cache" warm_equals_cold img-a
t "… with its three layers and the marks" sh -c "test \$(ls $cache/*.layer | wc -l) = 3 && test \$(ls $cache/*.marks | wc -l) = 1"
t "the second run finds them" warm_equals_cold img-a
t "… and skips most" test "$(known img-a)" -gt 60000000
t "… and inflates nothing" test "$(inflated img-a)" = 0
t "another top layer: no other is inflated" test "$(inflated img-b)" = 1
t "… nor is it a second time" test "$(inflated img-b)" = 0
t "what is kept is nobody else's to read" test -z "$(find "$cache" -type f ! -perm 600)"
rm "$cache"/*.marks; for f in "$cache"/*.layer; do [ "$(stat -c %s "$f")" -gt 4000000 ] || rm "$f"; done
t "the cache again as after the first image" warm_equals_cold img-a
t "another top layer" warm_equals_cold img-b
first_mark() { python3 -c 'import sys; print(int.from_bytes(open(sys.argv[1], "rb").read()[32:40], "big"))' "$cache"/*.marks; }
t "the marks it went by stand before those it made" test "$(first_mark)" -lt 8000000
t "a change in the last file leaves the rest known" test "$(known img-b)" -gt 60000000
t "a change in the first file" warm_equals_cold img-c
t "a top layer with an early and a late file" warm_equals_cold img-d
t "the same early file in a new top layer: only what changed is measured" test "$(known img-e)" -gt 60000000
t "… with the same result" warm_equals_cold img-e
t "one thread" predict img-b one --cache --threads 1
t "… says the same" cmp cold-b one

t "build uses the cached layers" eifgen -q build oci:img-a:bench --blobs plat --no-nsm --epoch 7 --cache -o w.eif --no-record
t "build without" eifgen -q build oci:img-a:bench --blobs plat --no-nsm --epoch 7 -o c.eif --no-record
t "… the same file" cmp w.eif c.eif

# A cached layer is used without its blob.
cp -r img-a img-nolayers
python3 - <<'PY'
import glob, json, os
m = json.load(open(glob.glob("img-nolayers/index.json")[0]))["manifests"][0]["digest"].split(":")[1]
for l in json.load(open("img-nolayers/blobs/sha256/" + m))["layers"]:
    os.truncate("img-nolayers/blobs/sha256/" + l["digest"].split(":")[1], l["size"])  # still its size
    open("img-nolayers/blobs/sha256/" + l["digest"].split(":")[1], "r+b").write(b"spoilt")
PY
t "a layer seen before is not read again" sh -c "\"$EIFGEN_BIN/eifgen\" -q pcr oci:img-nolayers:bench --blobs plat --no-nsm --epoch 7 --cache >nolayers"
t "… and gives the same" cmp cold-a nolayers

spoil() { # spoil FILE OFFSET: one byte becomes another, if the file is that long
	python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2]), 0 if int(sys.argv[2]) >= 0 else 2); b = f.read(1); b or sys.exit(); f.seek(-1, 1); f.write(bytes([b[0] ^ 1]))' "$@"
}
for at in 1 5000000 -1 -50 -200; do
	for f in "$cache"/*.layer; do spoil "$f" "$at"; done
	rm -f "$cache"/*.marks
	t "layers damaged at $at are read anew" warm_equals_cold img-c
done
for f in "$cache"/*.layer; do truncate -s 1000 "$f"; done
rm -f "$cache"/*.marks
t "layers cut short are read anew" warm_equals_cold img-c
for f in "$cache"/*.marks; do spoil "$f" 100; done
t "damaged marks are dropped" warm_equals_cold img-c
for f in "$cache"/*.layer; do spoil "$f" 5000000; done
rm -f "$cache"/*.marks
t "build begins again when a cached layer is damaged" eifgen -q build oci:img-a:bench --blobs plat --no-nsm --epoch 7 --cache \
	-o d.eif --no-record
t "… the same file" cmp c.eif d.eif

# ---- damage that shows in the middle: what is said and recorded is what a cold run says and records ------------------
python3 - <<'PY'
import io, tarfile
# A directory that no layer lists, a file that loses an attribute, and contents in which the damage lies behind both.
out = tarfile.open("base-n.tar", "w", format=tarfile.PAX_FORMAT)
for path in ["aa-implied/f", "ab"] + ["f%02d" % i for i in range(10)]:
    t = tarfile.TarInfo(path)
    t.size, t.mtime = 1 << 20, 1700000000
    if path == "ab":
        t.pax_headers = {"SCHILY.xattr.user.mime": "x"}
    out.addfile(t, io.BytesIO(path.encode() * (t.size // len(path)) + b"." * (t.size % len(path))))
out.close()
PY
for x in a b; do python3 "$TOP/tests/bench/oci-layout.py" "img-n$x" base-n.tar "top-$x.tar"; done
nitro=(--layout nitro-cli --blobs plat --no-nsm --epoch 7)
spoil_late() { for f in "$cache"/*.layer; do spoil "$f" 11500000; done; }
late() { # late NAME [OPTION…]: builds l.eif; what it said and recorded becomes NAME.*
	local name=$1; shift
	eifgen build oci:img-na:bench "${nitro[@]}" -o l.eif "$@" >"$name.said" 2>"$name.err" &&
		mv l.eif "$name.eif" && mv l.eif.record.json "$name.record" && grep '^eifgen: warning' "$name.err" >"$name.warned"
}
rm -rf "$cache"
t "a cold build" late n-cold
t "… warns once, of the attribute" test "$(grep -c "extended attributes" n-cold.warned)" = 1
t "… and lists the directory" jq -e '.Unpredictable | length > 0' n-cold.said
t "the cache is filled" late n-fill --cache
spoil_late
t "a build over damage in the last contents" late n-damaged --cache
for x in eif said record warned; do t "… is as the cold one: $x" cmp n-cold.$x n-damaged.$x; done
spoil_late
t "hits of a void try do not count" test "$(eifgen -v build oci:img-na:bench "${nitro[@]}" -o l.eif --no-record --cache \
	2>&1 >/dev/null | sed -n 's/.*cache: \([0-9]*\) of .*/\1/p')" = 1
compare() { eifgen -q diff oci:img-na:bench oci:img-nb:bench --json "$@"; }
compare >diff-cold
t_exit 1 "diff with a full cache" compare --cache
spoil_late
t_exit 1 "diff over a damaged one" compare --cache
t "… says the same" cmp diff-cold out
eifgen -q build oci:img-na:bench --blobs plat --no-nsm --epoch 7 -o e.eif >/dev/null
predict img-nb first --cache
spoil_late
t_exit 1 "pcr --expect over a damaged one" eifgen pcr oci:img-nb:bench --blobs plat --no-nsm --epoch 7 --cache \
	--expect e.eif.record.json
t_says "… says why" "ramdisk-2"
# What a cold run refuses a warm one refuses too: another size in the descriptor, and the caps.
rm -rf "$cache"
predict img-a warm --cache
python3 - <<'PY'
import hashlib, json, os, shutil
shutil.copytree("img-a", "img-size")
index = json.load(open("img-size/index.json"))
d = index["manifests"][0]
m = json.load(open("img-size/blobs/sha256/" + d["digest"].split(":")[1]))
m["layers"][0]["size"] += 1
text = json.dumps(m).encode()
d["digest"], d["size"] = "sha256:" + hashlib.sha256(text).hexdigest(), len(text)
open("img-size/blobs/sha256/" + d["digest"].split(":")[1], "wb").write(text)
json.dump(index, open("img-size/index.json", "w"))
PY
refuse() { t_exit 2 "$1" eifgen -q pcr "oci:$2:bench" --blobs plat --no-nsm --epoch 7 "${@:4}"; t_says "… says why" "$3"; }
refuse "a false size, cold" img-size "size"
refuse "a false size, warm" img-size "size" --cache
python3 - <<'PY'
import io, tarfile
def tar(name, *members):
    out = tarfile.open(name, "w", format=tarfile.PAX_FORMAT)
    for t in members: out.addfile(t, io.BytesIO(b"x" * (t.size if not t.pax_headers else 0)))
    out.close()
long, short, link = tarfile.TarInfo("./" * 300 + "f"), tarfile.TarInfo("f"), tarfile.TarInfo("l")
link.type, link.linkname = tarfile.SYMTYPE, "x/" * 300
tar("long.tar", long); tar("link.tar", link)
tar("six.tar", *[tarfile.TarInfo(".wh..wh.aufs%d" % i) for i in range(5)], short)
PY
truncate -s 6000000 hole; echo end >>hole; tar --format=pax -Scf sparse.tar hole
for x in long link six sparse; do python3 "$TOP/tests/bench/oci-layout.py" "img-$x" "$x.tar"; done
for row in "long --max-path 500" "link --max-path 500" "six --max-entries 5" "sparse --max-expanded 5000000"; do
	read -r x option n <<<"$row"
	predict "img-$x" "cold-$x"
	t "… without $option" warm_equals_cold "img-$x"
	refuse "$option, cold" "img-$x" "($option)" "$option" "$n"
	refuse "$option, warm" "img-$x" "($option)" "$option" "$n" --cache
	t "… and the entry stays" test "$(inflated "img-$x")" = 0
	t "… is used" warm_equals_cold "img-$x"
done
t "a hole takes no room in the cache" test "$(du -B1 "$cache"/*.layer | sort -n | awk '$1 < 1000000' | wc -l)" -ge 4

# An entry is named by what made it: form, sources, libarchive, layer. Whoever changes one of them finds nothing.
code=$(cd "$TOP" && printf '%s\n' base/*.[ch] layerfs/*.[ch] pcr/*.[ch] eifgen/eif_writer.c eifgen/warm.c | sort | xargs cat | sha256sum | cut -c1-32)
digest=sha256:$(gzip -6nc long.tar | sha256sum | cut -c1-64)
name=$(printf 'eifgenL4 %s libarchive %s %s sha256:%s 1' "$code" "$(pkg-config --modversion libarchive)" "$digest" \
	"$(sha256sum <long.tar | cut -c1-64)" | sha256sum | cut -c1-64)
t "the sources' digest is in an entry's name" test -f "$cache/$name.layer"

# Few descriptors: no layer is read again for want of them.
many=()
for i in $(seq 30); do tar -cf "n-$i.tar" --transform "s,.*,n$i," plat/init; many+=("n-$i.tar"); done
python3 "$TOP/tests/bench/oci-layout.py" img-many "${many[@]}"
predict img-many cold-many
few() { (ulimit -n 64; "$@"); }
t "thirty layers and few descriptors" few warm_equals_cold img-many
before=$(ls -i "$cache"/*.layer)
t "… all are found" test "$(few inflated img-many)" = 0
t "… with the same result" few warm_equals_cold img-many
t "… and none is stored again" test "$before" = "$(ls -i "$cache"/*.layer)"

rm -rf "$cache"
for i in 1 2 3 4 5 6; do predict img-a "many-$i" --cache & done
wait
for i in 1 2 3 4 5 6; do t "run $i of six at once" cmp cold-a "many-$i"; done
t "… leave no temporary file" test -z "$(find "$cache" -name '*.tmp-*')"

t_exit 0 "cache info" eifgen cache info
t "… counts" test "$(jq .Files "$TEST_TMP/out")" = 4
t_exit 0 "cache clean" eifgen cache clean
t "… empties" test -z "$(ls -A "$cache")"
t_exit 0 "cache info of an empty cache" eifgen cache info

# Only the cache's own names are its own; the directory is believed, so it must be the user's alone.
h=$(printf '%064d' 0)
mkdir "$cache/$h.layer"
for f in README.md x.eif "${h%0}.layer" "$h.layers" "$h.layer.tmp-12345" "$h.layer.tmp-1234567" "${h%0}A.marks" "x$h.layer"; do echo mine >"$cache/$f"; done
for f in "$h.marks" "$h.marks.tmp-aB3xyz" "$h.layer.tmp-000000"; do echo old >"$cache/$f"; done
t_exit 0 "cache info beside foreign files" eifgen cache info
t "… counts its own" test "$(jq -c '[.Files, .Foreign]' "$TEST_TMP/out")" = "[3,9]"
t_exit 0 "cache clean beside foreign files" eifgen cache clean
t "… removes its own" test "$(jq -c '[.FilesRemoved, .Foreign]' "$TEST_TMP/out")" = "[3,9]"
t "… and nothing else" test "$(ls -A "$cache" | wc -l)" = 9
rm -r "$cache"
refused() { # refused WHAT TEXT: the directory, as it is now, is no cache
	local what=$1 text=$2
	t_exit 2 "$what: pcr" eifgen -q pcr oci:img-a:bench --blobs plat --no-nsm --epoch 7 --cache
	t_says "… says why" "$text"
	t_exit 2 "$what: cache info" eifgen cache info
	t_exit 2 "$what: cache clean" eifgen cache clean
	t_says "… says why, too" "$text"
}
mkdir -m 700 elsewhere && echo mine >"elsewhere/$h.layer" && ln -s ../elsewhere "$cache"
refused "a symlink" "is a symlink or no directory"
t "… and what it names is untouched" test -s "elsewhere/$h.layer"
rm "$cache"; echo >"$cache"
refused "a file" "is a symlink or no directory"
rm "$cache"
for mode in 770 702; do
	mkdir "$cache"; chmod "$mode" "$cache"
	refused "a directory of mode $mode" "may be written by others"
	rmdir "$cache"
done
if [ "$(id -u)" = 0 ]; then
	mkdir "$cache"; chown 1 "$cache"
	refused "another user's directory" "belongs to another user"
	rmdir "$cache"
else
	t_skip "another user's directory" "only root can make one"
fi
t_exit 2 "cache of nowhere" env -u XDG_CACHE_HOME -u HOME "$EIFGEN_BIN/eifgen" cache info
t_exit 2 "cache what" eifgen cache what
t_done
