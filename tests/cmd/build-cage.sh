#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build --cage: the runtime laid over an image that is there already, the same as `cage build --image` gives; predicted by
# pcr, built again by rebuild, refused when the runtime is another.
. tests/lib.sh
images=testdata/images P=testdata/images/platform W=$TEST_TMP

bundle() { # DIR SERVICE-BYTES
	mkdir "$1"
	python3 - "$1" "$2" <<-'END'
		import hashlib, io, json, sys, tarfile
		top, files = sys.argv[1], {"cage-service": sys.argv[2].encode(), "cage-data-plane": b"plane", "cage-data-plane-no-egress": b"plane without"}
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
}
bundle "$W/runtime" service; bundle "$W/other" "another service"
echo '{"name": "shop", "service": {"port": 8080}, "tls_termination": false}' >"$W/cage.json"
cage=(--cage "$W/cage.json" --runtime "$W/runtime")

t_exit 0 "build --cage" eifgen build $images/user --blobs $P "${cage[@]}" -o "$W/a.eif"
cp "$W/out" "$W/a.json"
t "the runtime is in it" sh -c '"$1/eifgen" ls "$2" | grep -q "rootfs/opt/cage/bin/data-plane$"' - "$EIFGEN_BIN" "$W/a.eif"
t "the record has its digest" jq -e '.Cage | test("^[0-9a-f]{64}$")' "$W/a.eif.record.json"
t "pcr predicts it" test "$(eifgen pcr $images/user --blobs $P "${cage[@]}" | jq -c .Measurements)" = "$(jq -c .Measurements "$W/a.json")"
t_exit 0 "cage build of the same image" eifgen cage build "$W" --image $images/user --blobs $P --runtime "$W/runtime" \
	--epoch 315532801 --no-write -o "$W/c.eif"
t "gives the same registers" test "$(jq -c .Measurements "$W/out")" = "$(jq -c .Measurements "$W/a.json")"
t_exit 0 "rebuild" eifgen rebuild "$W/a.eif.record.json" --blobs $P "${cage[@]}" -o "$W/r.eif"
t "gives the same file" cmp "$W/a.eif" "$W/r.eif"
t_exit 0 "a command of the caller's" eifgen build $images/user --blobs $P "${cage[@]}" --cmd '["/bin/app","other"]' -o "$W/o.eif"
t "is recorded" test "$(jq -c .Overrides.Cmd "$W/o.eif.record.json")" = '["/bin/app","other"]'
t_exit 0 "and rebuilt" eifgen rebuild "$W/o.eif.record.json" --blobs $P "${cage[@]}"

t_exit 2 "rebuild without the cage" eifgen rebuild "$W/a.eif.record.json" --blobs $P
t_says "is refused" "Cage is null"
t_exit 2 "another runtime" eifgen rebuild "$W/a.eif.record.json" --blobs $P --cage "$W/cage.json" --runtime "$W/other"
t_says "is refused" "Cage is"
t_exit 2 "a cage without its runtime" eifgen build $images/user --blobs $P --cage "$W/cage.json" -o "$W/no.eif"
t_exit 2 "a runtime without a cage" eifgen build $images/user --blobs $P --runtime "$W/runtime" -o "$W/no.eif"
echo '{"name": "shop", "tls_termination": false}' >"$W/noport.json"
t_exit 2 "a cage without a port" eifgen build $images/user --blobs $P --cage "$W/noport.json" --runtime "$W/runtime" -o "$W/no.eif"
t_says "is named" service.port
t "no failed build left a file" test ! -e "$W/no.eif"
t_done
