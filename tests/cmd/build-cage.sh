#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build --cage: the runtime laid over an image that is there already, the same as `cage build --image` gives; predicted by
# pcr, built again by rebuild, refused when the runtime is another.
. tests/lib.sh
images=testdata/images P=testdata/images/platform W=$TEST_TMP

tests/tools/stand_in_bundle.py "$W/runtime"; tests/tools/stand_in_bundle.py "$W/other" "another service"
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
t_says "is named" "service.port: missing, and the image exposes none"

# ---- the port is the image's to say ----------------------------------------------------------------------------------
# exposing DIR PORTS-JSON: the image with these ExposedPorts.
exposing() {
	python3 - $images/user "$1" "$2" <<-'END'
		import hashlib, json, os, shutil, sys
		old, new, ports = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
		shutil.copytree(old, new)
		def blob(digest): return os.path.join(new, "blobs", *digest.split(":"))
		def put(doc):
		    data = json.dumps(doc).encode()
		    digest = "sha256:" + hashlib.sha256(data).hexdigest()
		    open(blob(digest), "wb").write(data)
		    return {"digest": digest, "size": len(data)}
		index = json.load(open(new + "/index.json"))
		manifest = json.load(open(blob(index["manifests"][0]["digest"])))
		config = json.load(open(blob(manifest["config"]["digest"])))
		config["config"]["ExposedPorts"] = {p: {} for p in ports}
		manifest["config"].update(put(config))
		index["manifests"][0].update(put(manifest))
		json.dump(index, open(new + "/index.json", "w"))
	END
}
exposing "$W/exposed" '["53/udp", "8080/tcp"]'
port=(--cage "$W/noport.json" --runtime "$W/runtime")
t_exit 0 "a cage whose port is the image's EXPOSE" eifgen build "$W/exposed" --blobs $P "${port[@]}" -o "$W/e.eif"
cp "$W/out" "$W/e.json"
t "the record says which port" test "$(jq .CagePort "$W/e.eif.record.json")" = 8080
t "and says it of a port that cage.json names" test "$(jq .CagePort "$W/a.eif.record.json")" = 8080
t "the registers are those of the same port in cage.json" test "$(jq -c .Measurements "$W/e.json")" = \
	"$(eifgen pcr "$W/exposed" --blobs $P "${cage[@]}" | jq -c .Measurements)"
t_exit 0 "rebuild" eifgen rebuild "$W/e.eif.record.json" --blobs $P "${port[@]}" -o "$W/er.eif"
t "gives the same file" cmp "$W/e.eif" "$W/er.eif"
t_exit 0 "cage build --image takes it, too" eifgen cage build "$W" --config "$W/noport.json" --image "$W/exposed" --blobs $P \
	--runtime "$W/runtime" --epoch 315532801 --no-write -o "$W/ec.eif"
t "and says it" test "$(jq .Cage.Port "$W/out")" = 8080
t "with the same registers" test "$(jq -c .Measurements "$W/out")" = "$(jq -c .Measurements "$W/e.json")"
t_exit 2 "rebuild with a cage.json of another port" eifgen rebuild "$W/e.eif.record.json" --blobs $P --runtime "$W/runtime" \
	--cage <(echo '{"name": "shop", "tls_termination": false, "service": {"port": 8081}}')
t_says "is refused" "Cage is"
exposing "$W/several" '["80/tcp", "81/tcp"]'
t_exit 2 "an image that exposes several" eifgen build "$W/several" --blobs $P "${port[@]}" -o "$W/no.eif"
t_says "leaves it to cage.json" "service.port: missing, and EXPOSE names no TCP port, or several"
t_exit 0 "which decides over what the image exposes" eifgen build "$W/exposed" --blobs $P --runtime "$W/runtime" -o "$W/o2.eif" \
	--cage <(echo '{"name": "shop", "tls_termination": false, "service": {"port": 81}}')
t "and is recorded" test "$(jq .CagePort "$W/o2.eif.record.json")" = 81
t "no cage, no port" test "$(eifgen build "$W/exposed" --blobs $P -o "$W/n.eif" >/dev/null; jq .CagePort "$W/n.eif.record.json")" = null
t "no failed build left a file" test ! -e "$W/no.eif"
t_done
