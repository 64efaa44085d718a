#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fail the n-th allocation, read and write of our own code: every command ends with exit 2, one error line, no output
# file and no leak. The first calls are tried one by one, later ones in strides; FAULTS=all (make check-long) tries each.
# serial
# timeout: 3600
. tests/lib.sh

san=$TOP/build/san/bin/eifgen
W=$TEST_TMP
mkdir -p "$W/blobs"
cp -r testdata/ramdisk/torture/image "$W/image"
cp testdata/ramdisk/bootstrap/init testdata/ramdisk/bootstrap/nsm.ko "$W/blobs/"
head -c 5000 /dev/zero | tr '\0' k >"$W/blobs/bzImage"
printf '#\n#\n# Linux/x86_64 6.6.79 Kernel Configuration\n' >"$W/blobs/bzImage.config"
echo 'reboot=k console=ttyS0' >"$W/blobs/cmdline"
echo 1 >"$W/m.ko"
printf '{"b": [1.5, "x", null]}' >"$W/meta.json"
img=oci:testdata/ramdisk/small/image

# sweep NAME EVERY-TO STRIDE COMMAND…: over all three kinds. same=(--same FILE…): a run may also end with that answer.
same=()
sweep() {
	local name=$1 every=$2 stride=$3 kind; shift 3
	[ "${FAULTS:-}" = all ] && stride=1
	for kind in alloc read write; do
		tests/tools/fault_sweep.py "$san" "$W" "$name" "$kind" "$every" "$stride" "${same[@]}" -- "$@" >"$W/said" 2>&1
		if grep -q '^ok' "$W/said"; then t_ok "$(sed -n 's/^ok - //p' "$W/said")"; else
			t_fail "$(sed -n 's/^not ok - //p' "$W/said") ($name, $kind)"; grep -v '^not ok' "$W/said" | sed 's/^\([^#]\)/# \1/'; fi
	done
}

t "the program under test obeys EIFGEN_FAIL" bash -c '! EIFGEN_FAIL=alloc:1 "$0" build x -o y 2>/dev/null' "$san"
build="--blobs $W/blobs --threads 1 --epoch 1700000000"
# shellcheck disable=SC2086 # words
{
	sweep "build" 150 7 -q build "$img" $build --module "$W/m.ko" --metadata "$W/meta.json" -o @OUT@/o.eif
	sweep "build, torture image" 0 29 -q build "oci:$W/image" $build -o @OUT@/o.eif
	sweep "build, nitro-cli layout, three threads" 0 41 -q build "$img" --layout nitro-cli --blobs "$W/blobs" --threads 3 \
		--epoch 1 -o @OUT@/o.eif
	sweep "pcr" 0 41 -q pcr "$img" $build
	"$san" -q pcr "$img" $build >"$W/pcr"
	XDG_CACHE_HOME=$W/warm "$san" -q pcr "$img" $build --cache >/dev/null
	same=(--same "$W/pcr")
	sweep "pcr, cold cache" 0 23 -q pcr "$img" $build --cache
	same+=(--cache "$W/warm/eifgen")
	sweep "pcr, warm cache" 0 23 -q pcr "$img" $build --cache
	same=()
	"$san" -q build "$img" $build -o "$W/o.eif" >/dev/null
	sweep "build --locked" 0 41 -q build "$img" $build --locked "$W/o.eif.record.json" -o @OUT@/o.eif
	sweep "assemble" 1000 1 assemble --kernel "$W/blobs/bzImage" --cmdline x --ramdisk "$W/m.ko" --metadata "$W/meta.json" \
		-o @OUT@/o.eif
	sweep "describe" 100 5 describe "$W/o.eif"
	sweep "verify" 100 5 verify "$W/o.eif" --record "$W/o.eif.record.json"
	sweep "ls" 60 41 ls "$W/o.eif" --json
	sweep "platform" 1000 1 platform "$W/blobs"
	"$san" cert new --key-out "$W/key.pem" --cert-out "$W/cert.pem" >/dev/null
	sweep "sign" 150 5 sign "$W/o.eif" --key "$W/key.pem" --cert "$W/cert.pem" -o @OUT@/o.eif
	"$san" sign "$W/o.eif" --key "$W/key.pem" --cert "$W/cert.pem" -o "$W/s.eif" >/dev/null
	sweep "describe, signed" 100 11 describe "$W/s.eif"
	sweep "verify, signed" 100 11 verify "$W/s.eif" --require-signed --ca "$W/cert.pem"
	sweep "extract" 100 11 extract "$W/s.eif" -C "$W"
	sweep "attest" 200 7 -q attest --document testdata/attestation/production.doc --at 1665651482 \
		--pcr0 "$(jq -r '.pcrs["0"]' testdata/attestation/production.json)"
	printf 'FROM scratch\nEXPOSE 80\n' >"$W/Dockerfile"
	sweep "cage init" 1000 1 cage init @OUT@ --name x -f ../../Dockerfile
	sweep "epoch" 1000 1 epoch --epoch 1700000000
}
t_done
