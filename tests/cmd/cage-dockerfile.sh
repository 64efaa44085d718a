#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
#
# `eifgen cage dockerfile` and `cage init`. Each construct against its golden file (testdata/cage/dockerfile/NAME.in, NAME.want;
# UPDATE=1 writes them anew); and the printed file built by buildah gives the root file system that the overlay gives.
. tests/lib.sh

# A bundle whose bytes never change, so that the golden files hold its digests.
mkdir -p "$TEST_TMP/bundle"
python3 - "$TEST_TMP/bundle" <<'END'
import hashlib, io, json, sys, tarfile
top, files = sys.argv[1], {"cage-service": b"service", "cage-data-plane": b"plane", "cage-data-plane-no-egress": b"plane without"}
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as t:
    for name, data in (("PROVENANCE", b"runsvdir busybox 1\n"), ("bin/runsvdir", b"tool")):
        info = tarfile.TarInfo("runtime-dependencies/" + name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
files["runtime-dependencies.tar"] = tar.getvalue()
for name, data in files.items():
    open(top + "/" + name, "wb").write(data)
json.dump({"bundle": 1, "files": {n: hashlib.sha256(d).hexdigest() for n, d in files.items()}, "packages": {}},
          open(top + "/bundle.json", "w"), sort_keys=True)
END
echo '{"name": "x", "tls_termination": false}' >"$TEST_TMP/cage.json"
dir=testdata/cage/dockerfile
print() { eifgen cage dockerfile -f "$dir/$1.in" --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle" "${@:2}" >"$TEST_TMP/$1.out"; }
for in in "$dir"/*.in; do
	name=$(basename "$in" .in) more=()
	[ "$name" != base ] || more=(--base-config "$dir/base.config.json")
	t "$name: prints" print "$name" "${more[@]}"
	[ -z "${UPDATE:-}" ] || cp "$TEST_TMP/$name.out" "$dir/$name.want"
	t "$name: as the golden file" diff "$dir/$name.want" "$TEST_TMP/$name.out"
	t "$name: the project's own text comes first, byte for byte" cmp "$in" <(head -c "$(stat -c %s "$in")" "$TEST_TMP/$name.out")
done
t_exit 0 "an address makes ADD with checksums" eifgen cage dockerfile -f $dir/shell.in --config "$TEST_TMP/cage.json" \
	--runtime "$TEST_TMP/bundle" --runtime-from https://example.com/r
t "for each of the three files" test "$(grep -c '^ADD --checksum=sha256:[0-9a-f]\{64\} https://example.com/r/' "$TEST_TMP/out")" = 3
t_exit 2 "a base whose command is not known is refused" eifgen cage dockerfile -f $dir/base.in --config "$TEST_TMP/cage.json" \
	--runtime "$TEST_TMP/bundle"
t_says "with what to give" "give --base-config"
printf 'FROM scratch\nRUN <<EOF\n' >"$TEST_TMP/open"
t_exit 2 "a heredoc without an end is refused" eifgen cage dockerfile -f "$TEST_TMP/open" --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle"
t_says "with its line" "line 2: a heredoc has no end"

# ---- init ------------------------------------------------------------------------------------------------------------
mkdir "$TEST_TMP/My Project"
cp testdata/cage/full/Dockerfile "$TEST_TMP/My Project/"
t_exit 0 "init writes a cage.json" eifgen cage init "$TEST_TMP/My Project" --destination api.example.com:443
t "with the directory's name, as a label" test "$(jq -r .name "$TEST_TMP/My Project/cage.json")" = my-project
t "and the Dockerfile's port" test "$(jq .service.port "$TEST_TMP/My Project/cage.json")" = 8080
t "and the destination" test "$(jq -c .egress "$TEST_TMP/My Project/cage.json")" = '{"enabled":true,"destinations":["api.example.com:443"]}'
t "and a .dockerignore that names it" grep -qx cage.json "$TEST_TMP/My Project/.dockerignore"
t_exit 2 "init changes nothing that is there" eifgen cage init "$TEST_TMP/My Project"
t_says "and says so" "is there already: it was not changed"
t_exit 2 "init without a Dockerfile is trouble" eifgen cage init "$TEST_TMP"

# ---- the same image, two ways ----------------------------------------------------------------------------------------
t "the installer's bundle can be built" make -s installer
printf 'int main(void) { return 0; }\n' >"$TEST_TMP/dp.c"
gcc -static -O2 -o "$TEST_TMP/cage-data-plane" "$TEST_TMP/dp.c" && cp "$TEST_TMP/cage-data-plane" "$TEST_TMP/cage-data-plane-no-egress"
t "a runtime bundle is made" runtime/bundle "$TEST_TMP/real" "$EIFGEN_BIN/init" "$EIFGEN_BIN/cage-service" \
	build/installer/runtime-dependencies.tar "$TEST_TMP/cage-data-plane" "$TEST_TMP/cage-data-plane-no-egress"
context=$TEST_TMP/context
cp -r testdata/cage/full "$context"; cp /bin/busybox "$context/"
limits=(--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)")
build() { buildah build --isolation chroot "${limits[@]}" -f "$1" -t "localhost/eifgen-two-$$" "$context" && buildah push "localhost/eifgen-two-$$" "oci:$2:x" &&
	buildah rmi "localhost/eifgen-two-$$"; }
platform=$TOP/build/debian-platform
t "Debian's kernel can be had" tests/tools/debian-platform.sh "$platform"
t "the overlay way" eifgen cage build "$context" --runtime "$TEST_TMP/real" --blobs "$platform" --init "$TEST_TMP/real/init" --no-nsm \
	-o "$TEST_TMP/overlay.eif" --no-write
eifgen cage dockerfile "$context" --runtime "$TEST_TMP/real" >"$TEST_TMP/Dockerfile"
mkdir "$context/cage-runtime"; cp "$TEST_TMP"/real/* "$context/cage-runtime/"
t "the Dockerfile way" build "$TEST_TMP/Dockerfile" "$TEST_TMP/two"
t_exit 0 "its image builds" eifgen build "oci:$TEST_TMP/two:x" --blobs "$platform" --init "$TEST_TMP/real/init" --no-nsm -o "$TEST_TMP/two.eif"
# Paths, types, modes, owners, contents below rootfs; what README names is left out (the builders' own files in /etc, /run).
rows() { eifgen ls "$1" --json | jq -r '.entries[] | select(.path | startswith("rootfs/")) |
	[.path, .type, .mode, .uid, .gid, .sha256 // "", .target // ""] | @tsv' | grep -vE '^rootfs/(etc/(hosts|resolv.conf|hostname)|run/.*|proc|sys|dev)\b'; }
rows "$TEST_TMP/overlay.eif" >"$TEST_TMP/one.rows"
rows "$TEST_TMP/two.eif" >"$TEST_TMP/two.rows"
t "a whole tree is compared" test "$(wc -l <"$TEST_TMP/one.rows")" -gt 100
t "both ways give the same root file system" diff "$TEST_TMP/one.rows" "$TEST_TMP/two.rows"
for e in overlay two; do eifgen extract "$TEST_TMP/$e.eif" -C "$TEST_TMP/$e.parts" >/dev/null; (cd "$TEST_TMP/$e.parts" && cpio -i --quiet --to-stdout cmd <ramdisk-2.cpio >cmd); done
t "and the same command" cmp "$TEST_TMP/overlay.parts/cmd" "$TEST_TMP/two.parts/cmd"
t_done
