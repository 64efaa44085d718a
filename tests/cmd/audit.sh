#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# audit: rebuild and attest in one, against a mock cage that shows the registers of a build, or others.
. tests/lib.sh
W=$TEST_TMP I=testdata/images P=testdata/images/platform
CAGE=$TOP/build/san/tests/tools/mock_cage
cp -r $I/plain "$W/image"
eifgen -q build "oci:$W/image" --blobs $P -o "$W/a.eif" >"$W/a.json"
reg() { jq -r ".Measurements.PCR$1" "$W/a.json"; }
pid=
stop() { [ -z "$pid" ] || { kill "$pid"; wait "$pid"; } 2>/dev/null; pid=; }
trap stop EXIT
start() { # FAULT [PCR0 PCR1 PCR2]
	stop; rm -rf "$W/cage"; mkdir "$W/cage"
	"$CAGE" "$W/cage" san "$@" 2>"$W/cage/log" & pid=$!
	for _ in $(seq 100); do [ -e "$W/cage/port" ] && break; sleep 0.1; done
	host=127.0.0.1:$(cat "$W/cage/port")
}
record=$W/a.eif.record.json
audit() { eifgen audit "$host" --name localhost --root "$W/cage/root.pem" --record "$record" --blobs $P "$@"; }

start sound "$(reg 0)" "$(reg 1)" "$(reg 2)"
t_exit 0 "what runs there is what the source builds" audit
t "in words" grep -q "^yes: what runs at $host is what" "$TEST_TMP/out"
t_exit 0 "SOURCE_DATE_EPOCH changes nothing" env SOURCE_DATE_EPOCH=99 "$EIFGEN_BIN/eifgen" audit "$host" --name localhost --root "$W/cage/root.pem" \
	--record "$W/a.eif.record.json" --blobs $P
t_exit 0 "in JSON" audit --json
t "all of it" jq -e '.Audited and .Rebuilt and .Attested and .AttestReason == null and .Policy.Nonce and .Policy.Connection and .Policy.Registers == ["PCR0", "PCR1", "PCR2"]' "$TEST_TMP/out"
mv "$W/image" "$W/moved"
t_exit 2 "an image that is gone is trouble" audit
t_exit 2 "a root that is none" audit --root "$record"
t_says "is told before anything is built" "no certificate in PEM form"
t_exit 2 "so is a time" audit --at yesterday
t_says "that is none" "--at takes seconds"
t_exit 0 "and may be somewhere else" audit --image "oci:$W/moved"
t_exit 2 "but must be the same" audit --image oci:$I/user
mv "$W/moved" "$W/image"
jq -c --arg x "$(reg 1)" '.Measurements.PCR2 = $x' "$W/a.eif.record.json" >"$W/other.json"
record=$W/other.json
t_exit 1 "a record that the source does not give" audit
t "names the rebuild" grep -q "^NOT rebuilt: the rebuild's PCR2" "$TEST_TMP/out"
t "and the enclave" grep -q "^NOT attested" "$TEST_TMP/out"
record=$W/a.eif.record.json
t_exit 2 "two records" audit --record "$W/other.json"
start sound
t_exit 1 "an enclave with other registers" audit
t "is named, and the rebuild is not blamed" grep -q "^rebuilt: " "$TEST_TMP/out"
start pcr-zero "$(reg 0)" "$(reg 1)" "$(reg 2)"
t_exit 1 "an enclave in debug mode" audit
start binding-other "$(reg 0)" "$(reg 1)" "$(reg 2)"
t_exit 1 "a document of another connection" audit

# A cage: the runtime is laid over the image again, so both are named.
bundle=$W/runtime
mkdir "$bundle"
for f in cage-service cage-data-plane cage-data-plane-no-egress; do echo "$f" >"$bundle/$f"; done
mkdir -p "$W/tools/runtime-dependencies/bin"
echo "runsvdir busybox 1" >"$W/tools/runtime-dependencies/PROVENANCE"; echo tool >"$W/tools/runtime-dependencies/bin/runsvdir"
tar --format=ustar -cf "$bundle/runtime-dependencies.tar" -C "$W/tools" runtime-dependencies/PROVENANCE runtime-dependencies/bin/runsvdir
(cd "$bundle" && sha256sum -- *) | jq -R 'split("  ") | {(.[1]): .[0]}' | jq -s '{bundle: 1, files: add, packages: {}}' >"$W/bundle.json"
mv "$W/bundle.json" "$bundle/"
echo '{"name": "shop", "service": {"port": 8080}, "tls_termination": false}' >"$W/cage.json"
overlay=(--cage "$W/cage.json" --runtime "$bundle")
t_exit 0 "a cage is built" eifgen -q build "oci:$W/image" --blobs $P "${overlay[@]}" -o "$W/c.eif"
cp "$TEST_TMP/out" "$W/a.json"; record=$W/c.eif.record.json
start sound "$(reg 0)" "$(reg 1)" "$(reg 2)"
t_exit 0 "and audited" audit "${overlay[@]}"
t_exit 2 "not without its cage.json" audit
t_says "which is said" "Cage"
cp -r "$bundle" "$W/other-runtime"; echo other >"$W/other-runtime/cage-data-plane-no-egress"
t_exit 2 "nor with a runtime that was tampered with" audit --cage "$W/cage.json" --runtime "$W/other-runtime"
record=$W/a.eif.record.json
stop
t_exit 2 "nobody there" audit
t_exit 2 "no record" eifgen audit "$host"
t_exit 2 "the architecture is the record's" audit --arch aarch64
t_done
