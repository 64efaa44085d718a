#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Where a build must agree with itself or stop: architectures, contradictory options, caps and the options that raise them,
# texts that no file of the ramdisk can hold; the metadata to the byte; a reader that goes away.
. tests/lib.sh
images=testdata/images P=testdata/images/platform W=$TEST_TMP
cp -r $P "$W/blobs"; cp "$W/blobs/bzImage" "$W/blobs/Image"
build() { eifgen -q build "$@" --blobs "$W/blobs"; }

# ---- one architecture: the EIF's, the index's, the config's
# index NAME [PLATFORM-ARCH CONFIG-ARCH]…: an OCI layout whose index lists images of images/plain so, less the key DROP.
index() {
	python3 - $images/plain "$W/$1" "${@:2}" <<-'P'
		import hashlib, json, os, shutil, sys
		src, out, pairs = sys.argv[1], sys.argv[2], sys.argv[3:]
		shutil.copytree(src, out)
		def blob(d): return os.path.join(out, "blobs/sha256", d[7:])
		def put(value):
		    data = json.dumps(value).encode()
		    digest = "sha256:" + hashlib.sha256(data).hexdigest()
		    open(blob(digest), "wb").write(data)
		    return {"digest": digest, "size": len(data)}
		first = json.load(open(os.path.join(out, "index.json")))["manifests"][0]
		manifest = json.load(open(blob(first["digest"])))
		config = json.load(open(blob(manifest["config"]["digest"])))
		config.pop(os.environ.get("DROP"), None)
		rows = []
		for listed, said in zip(pairs[::2], pairs[1::2]):
		    c = dict(manifest["config"], **put(dict(config, architecture=said)))
		    m = put(dict(manifest, config=c, annotations={"listed": listed}))
		    rows.append(dict(m, mediaType=first["mediaType"], platform={"os": "linux", "architecture": listed}))
		json.dump({"schemaVersion": 2, "manifests": rows}, open(os.path.join(out, "index.json"), "w"))
	P
}
flags() { od -An -tx1 -j6 -N2 "$1" | tr -d ' '; }
index both amd64 amd64 arm64 arm64
t_exit 0 "an index of two machines builds for x86_64" build "$W/both" -o "$W/x86.eif"
t "with no flag" test "$(flags "$W/x86.eif")" = 0000
t_exit 0 "and for aarch64 where that is asked for" build "$W/both" --arch aarch64 -o "$W/arm.eif"
t "with the flag of aarch64" test "$(flags "$W/arm.eif")" = 0001
t "both are sound" bash -c '"$0/eifgen" verify "$1" && "$0/eifgen" verify "$2"' "$EIFGEN_BIN" "$W/x86.eif" "$W/arm.eif"
t "and of different images" test "$(eifgen describe "$W/x86.eif" | jq .ImageVersion)" != "$(eifgen describe "$W/arm.eif" | jq .ImageVersion)"
t_exit 0 "--platform that agrees with --arch" build "$W/both" --arch aarch64 --platform linux/arm64 -o "$W/arm2.eif"
t "changes nothing" cmp "$W/arm.eif" "$W/arm2.eif"
t_exit 2 "--platform of another machine than the EIF's" build "$W/both" --platform linux/arm64 -o "$W/no.eif"
t_says "is told from what is wanted" 'platform "linux/arm64" is another machine than linux/amd64, which is wanted (--arch)'
t_exit 2 "and the other way" build "$W/both" --platform linux/amd64 --arch aarch64 -o "$W/no.eif"
t_exit 2 "in pcr too" eifgen pcr "$W/both" --platform linux/arm64 --blobs "$W/blobs"
index liar arm64 amd64
t_exit 2 "an image listed for arm64 whose config says amd64, picked as arm64" build "$W/liar" --platform linux/arm64 -o "$W/no.eif"
t_exit 2 "and asked for as aarch64" build "$W/liar" --arch aarch64 -o "$W/no.eif"
t_says "is told from its config" 'the image is for "linux" on "amd64", linux on "arm64" is wanted'
t_exit 2 "and by default" build "$W/liar" -o "$W/no.eif"
index liar2 amd64 arm64
t_exit 2 "an image listed for amd64 whose config says arm64" build "$W/liar2" -o "$W/no.eif"
t "nothing was written" test ! -e "$W/no.eif"

# ---- contradictions
echo other >"$W/other.ko"
t_exit 2 "--nsm and --no-nsm" build $images/plain --nsm "$W/other.ko" --no-nsm -o "$W/no.eif"
t_says "contradict each other" "--nsm and --no-nsm"
t_exit 2 "in any order" build $images/plain --no-nsm --nsm "$W/other.ko" -o "$W/no.eif"
t_exit 2 "and in pcr" eifgen pcr $images/plain --blobs "$W/blobs" --no-nsm --nsm "$W/other.ko"
t_exit 0 "--nsm alone" build $images/plain --nsm "$W/other.ko" -o "$W/nsm.eif"
t_exit 0 "--no-nsm alone" build $images/plain --no-nsm -o "$W/nonsm.eif"
t_not "are two files" cmp -s "$W/nsm.eif" "$W/nonsm.eif"

# ---- caps, and the options that move them
for cap in layers:1 entries:3 path:4 expanded:1000; do
	t_exit 2 "--max-${cap%:*}" build $images/layers "--max-${cap%:*}" "${cap#*:}" -o "$W/no.eif"
	t_says "is named by what it stops" "--max-${cap%:*}"
	t_exit 2 "--max-${cap%:*} takes a number from 1" build $images/layers "--max-${cap%:*}" 0 -o "$W/no.eif"
done
# A path of 20 000 bytes, over the default; and enough entries for a listing of several hundred KiB.
python3 - "$W" <<'P'
import io, sys, tarfile
deep = tarfile.open(sys.argv[1] + "/deep.tar", "w", format=tarfile.PAX_FORMAT)
deep.addfile(tarfile.TarInfo("/".join(["d" * 99] * 200)))
deep.close()
many = tarfile.open(sys.argv[1] + "/many.tar", "w", format=tarfile.PAX_FORMAT)
for i in range(6000):
    many.addfile(tarfile.TarInfo("some/directory/with/many/files/%05d" % i))
many.close()
P
umoci init --layout "$W/img" && for i in deep many; do
	umoci new --image "$W/img:$i" && umoci raw add-layer --image "$W/img:$i" "$W/$i.tar" &&
		umoci config --image "$W/img:$i" --config.cmd /x
done >/dev/null 2>&1
t_exit 2 "a path over the cap" eifgen ls "oci:$W/img:deep"
t_says "says which option raises it" "a path of 19999 bytes is over the limit of 16384 (--max-path)"
t_exit 0 "raised, it is read" eifgen ls "oci:$W/img:deep" --max-path 30000 --json
t "whole" test "$(jq '[.entries[].path | length] | max' "$TEST_TMP/out")" = 19999
t_exit 2 "and is still none that a ramdisk can hold" build "oci:$W/img:deep" --max-path 30000 -o "$W/no.eif"
t_says "which is said" "the kernel drops names past 4095"

truncate -s 4G "$W/big"; tar -C "$W" -S -cf "$W/big.tar" big; rm "$W/big"
umoci new --image "$W/img:big" && umoci raw add-layer --image "$W/img:big" "$W/big.tar" &&
	umoci config --image "$W/img:big" --config.cmd /x >/dev/null 2>&1
t_exit 2 "a sparse file of 4 GiB" build "oci:$W/img:big" -o "$W/no.eif"
t_says "does not fit, which is said with its path" 'entry "big": size 4294967296 does not fit newc'

# ---- memory does not grow with the image
truncate -s 400M "$W/zeros"; tar -C "$W" -S -cf "$W/zeros.tar" zeros; rm "$W/zeros"
umoci new --image "$W/img:zeros" && umoci raw add-layer --image "$W/img:zeros" "$W/zeros.tar" &&
	umoci config --image "$W/img:zeros" --config.cmd /x >/dev/null 2>&1
# peak KILOBYTES COMMAND…: the command ends with 0 and had at most that in memory (the sanitizers' own is another matter).
peak() {
	python3 -c 'import resource, subprocess, sys
status = subprocess.call(sys.argv[2:], stdout=subprocess.DEVNULL)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
sys.exit(status or (most > int(sys.argv[1]) and "%d KB" % most or 0))' "$@"
}
[ "${EIFGEN_VARIANT:-rel}" = rel ] && most=100000 || most=1000000000
t "an image of 400 MB is measured in less than 100 MB" peak "$most" "$EIFGEN_BIN/eifgen" pcr "oci:$W/img:zeros" --blobs "$W/blobs"
t_not "more would be seen" peak 1000 "$EIFGEN_BIN/eifgen" pcr "oci:$W/img:zeros" --blobs "$W/blobs"

# ---- a reader that goes away
for form in "" --json; do
	eifgen ls "oci:$W/img:many" $form >"$W/whole" 2>/dev/null
	t "the listing $form is long" test "$(stat -c %s "$W/whole")" -gt 300000
	bash -c '"$0/eifgen" ls "$1" $2 2>"$3/pipe.err" | head -n 1 >"$3/first"; exit "${PIPESTATUS[0]}"' \
		"$EIFGEN_BIN" "oci:$W/img:many" "$form" "$W"
	t "ls $form | head ends with trouble, not with a signal" test $? = 2
	t "in one line of words" grep -qxF "eifgen: unable to list oci:$W/img:many: standard output: write: Broken pipe" "$W/pipe.err"
	t "and no other" test "$(wc -l <"$W/pipe.err")" = 1
	t "head got the listing's first line" cmp "$W/first" <(head -n 1 "$W/whole")
done

# ---- a limit on file sizes, and a signal that would leave a core
mkdir "$W/small"
t_exit 2 "a limit on file sizes is an error" bash -c 'ulimit -f 1; exec "$0/eifgen" -q build "$1" --blobs "$2" -o "$3/o.eif"' \
	"$EIFGEN_BIN" $images/layers "$W/blobs" "$W/small"
t_says "in words" "File too large"
t "and nothing is left of it" test -z "$(ls "$W/small")"
mkfifo "$W/ramdisk"
(ulimit -c 0; exec "$EIFGEN_BIN/eifgen" assemble -o "$W/small/o.eif" --kernel "$W/blobs/bzImage" --cmdline c --ramdisk "$W/ramdisk") &
pid=$!
exec 7>"$W/ramdisk"; echo x >&7
for _ in $(seq 50); do compgen -G "$W/small/o.eif.tmp-*" >/dev/null && break; sleep 0.1; done
kill -QUIT $pid; wait $pid 2>/dev/null
t "SIGQUIT ends it" test $? -eq 131
exec 7>&-
t "and nothing is left of that" test -z "$(ls "$W/small")"

# ---- an error names its layer, once
cp -r $images/layers "$W/lacks"
manifest=$(jq -r '.manifests[0].digest[7:]' "$W/lacks/index.json")
layer=$(jq -r '.layers[1].digest[7:]' "$W/lacks/blobs/sha256/$manifest")
rm "$W/lacks/blobs/sha256/$layer"
t_exit 2 "a layer that is not there" build "$W/lacks" -o "$W/no.eif"
t "is named once" test "$(cat "$W/err")" = \
	"eifgen: unable to build $W/lacks: layer sha256:$layer: open \"blobs/sha256/$layer\": No such file or directory"

# ---- what newc cannot carry: a line each, and an error under --strict
python3 - "$W/lossy.tar" <<'P'
import base64, sys, tarfile
tar = tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT)
for name, records in (("cap", {"SCHILY.xattr.security.capability": "x"}), ("plain", {}), ("sub", {"mtime": "7.5"}),
                      ("xattr", {"SCHILY.xattr.user.note": "x"})):
    m = tarfile.TarInfo(name)
    m.pax_headers = records
    tar.addfile(m)
P
umoci new --image "$W/img:lossy" && umoci raw add-layer --image "$W/img:lossy" "$W/lossy.tar" &&
	umoci config --image "$W/img:lossy" --config.cmd /x >/dev/null 2>&1
t_exit 0 "an image that loses something builds" eifgen build "oci:$W/img:lossy" --blobs "$W/blobs" -o "$W/lossy.eif"
t "and each loss is one line" diff <(grep "^eifgen: warning: " "$W/err") - <<'END'
eifgen: warning: entry "cap": its file capability is lost: newc has none
eifgen: warning: entry "sub": its time's fraction of a second is lost
eifgen: warning: entry "xattr": its extended attributes are lost: newc has none
END
t_exit 2 "--strict makes them errors" build "oci:$W/img:lossy" --strict -o "$W/no.eif"
t_says "with the first one's path" 'entry "cap": its file capability is lost'

# ---- pcr predicts and writes nothing
mkdir "$W/empty"
t_exit 0 "pcr in an empty directory" env -C "$W/empty" TMPDIR="$W/empty" "$EIFGEN_BIN/eifgen" pcr "$TOP/$images/links" --blobs "$W/blobs"
t "leaves it empty" test -z "$(ls -A "$W/empty")"
t "and says what a build says" test "$(jq -c .Measurements "$W/out")" = "$(build $images/links -o "$W/l.eif" | jq -c .Measurements)"

# ---- the epoch of a build: a dirty tree is warned of and recorded, an image that says no time is an error
export HOME=$W GIT_CONFIG_NOSYSTEM=1
git init -q "$W/repo"; echo 1 >"$W/repo/file"
GIT_COMMITTER_DATE="1600000000 +0000" git -C "$W/repo" -c user.name=a -c user.email=a@b commit -q --allow-empty -m one
t_exit 0 "a build from a tree with a file that no commit has" eifgen build $images/plain --blobs "$W/blobs" --epoch "git:$W/repo" -o "$W/g.eif"
t_says "warns" "eifgen: warning: the epoch is that of a commit, but the work tree differs from it"
t "and records the commit, and that" test "$(jq -r '.Epoch | "\(.Seconds) \(.Commit) \(.Dirty)"' "$W/g.eif.record.json")" = \
	"1600000000 $(git -C "$W/repo" rev-parse HEAD) true"
t_exit 2 "which is an error under --strict" build $images/plain --epoch "git:$W/repo" --strict -o "$W/no.eif"
git -C "$W/repo" add file
GIT_COMMITTER_DATE="1600000001 +0000" git -C "$W/repo" -c user.name=a -c user.email=a@b commit -q -m two
t_exit 0 "and no matter once it is committed" build $images/plain --epoch "git:$W/repo" --strict -o "$W/g.eif"
DROP=created index timeless amd64 amd64
t_exit 2 "--epoch image of an image without a time" build "$W/timeless" --epoch image -o "$W/no.eif"
t_says "says so" "says no time of creation"
t_exit 2 "SOURCE_DATE_EPOCH that is no number" env SOURCE_DATE_EPOCH=now "$EIFGEN_BIN/eifgen" build $images/plain --blobs "$W/blobs" -o "$W/no.eif"
t_says "is named" "SOURCE_DATE_EPOCH"

# ---- texts that must be one line
t_exit 2 "a NUL in --cmd" build $images/plain --cmd '["a\u0000b"]' -o "$W/no.eif"
t_exit 2 "a line feed in --cmd" build $images/plain --cmd '["a\nb"]' -o "$W/no.eif"
t_exit 2 "more than an array in --cmd" build $images/plain --cmd '["a"],"b":1' -o "$W/no.eif"
t_says "is none" "--cmd: not one JSON array"
t_exit 2 "null in --cmd" build $images/plain --cmd null -o "$W/no.eif"
t_says "is no array" "--cmd: not one JSON array"
t_exit 2 "no command at all" build $images/plain --cmd '[]' -o "$W/no.eif"
t_exit 2 "a line feed in --env" build $images/plain --env $'A=b\nc' -o "$W/no.eif"
t_exit 2 "a line feed in --workdir" build $images/plain --workdir $'/a\nb' -o "$W/no.eif"
t_exit 2 "a workdir through a file" build $images/plain --workdir /hello/x -o "$W/no.eif"
t_exit 2 "a module twice" build $images/plain --module "$W/other.ko" --module "$W/other.ko" -o "$W/no.eif"
t_says "is named" other.ko
t "nothing was written" test ! -e "$W/no.eif"

# ---- the metadata section, to the byte
meta() { rm -rf "$W/m"; eifgen extract "$1" -C "$W/m" >/dev/null; cat "$W/m/metadata.json"; }
config=$(jq -r '.manifests[0].digest[7:]' $images/plain/index.json)
config=$(jq -r '.config.digest[7:]' "$images/plain/blobs/sha256/$config")
version=$(eifgen --version | cut -d' ' -f2)
t_exit 0 "a build" build $images/plain -o "$W/a.eif"
t "every key is there, in order" test "$(meta "$W/a.eif")" = "{\"ImageName\":\"image\",\"ImageVersion\":\"$config\",\"BuildMetadata\":{\"BuildTime\":\"1980-01-01T00:00:01Z\",\"BuildTool\":\"eifgen\",\"BuildToolVersion\":\"$version\",\"OperatingSystem\":\"Linux\",\"KernelVersion\":\"6.1.0\"},\"DockerInfo\":null,\"CustomMetadata\":null}"
printf '# a\n# b\n# Hurd/arm 9.8.7-odd Kernel\n' >"$W/hurd.config"
t_exit 0 "a build with another kernel's config" build $images/plain --kernel-config "$W/hurd.config" -o "$W/h.eif"
t "takes system and version from its third line" test "$(meta "$W/h.eif" | jq -r '.BuildMetadata | .OperatingSystem + " " + .KernelVersion')" = "Hurd 9.8.7"
t "which moves no register" test "$(eifgen pcr "$W/h.eif" | jq -c .Measurements)" = "$(eifgen pcr "$W/a.eif" | jq -c .Measurements)"
rm "$W/blobs/bzImage.config"
t_exit 0 "a build without one" build $images/plain -o "$W/n.eif"
t "says what is not known" test "$(meta "$W/n.eif" | jq -r '.BuildMetadata | .OperatingSystem + " " + .KernelVersion')" = "Linux unknown"
t_done
