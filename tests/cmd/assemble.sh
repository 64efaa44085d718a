#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# assemble against AWS's own eif_build: every vector that is unsigned and byte-reproducible comes out the same, byte for byte.
. tests/lib.sh
V=testdata/eif
W=$TEST_TMP

# The custom metadata file that a vector was made with (expected.tsv keeps the resulting section only).
custom_of() {
	case $1 in
	20-*) echo meta_obj ;; 22-*) echo meta_array ;; 23-*) echo meta_string ;; 24-*) echo meta_null ;;
	26-*) echo meta_4096 ;; 27-*) echo meta_ws_4096 ;; 19-*) echo meta_floats_obj ;;
	esac
}

# assemble_vector ID KERNEL CMDLINE RAMDISKS METADATA ARCH: into $W/out.eif
assemble_vector() {
	local args=() r custom m=$V/$5
	for r in ${4//,/ }; do args+=(--ramdisk "$V/$r"); done
	custom=$(custom_of "$1"); [ -z "$custom" ] || args+=(--metadata "$V/inputs/$custom.json")
	printf x | cat "$V/$3" - >"$W/cmdline" # keeps a last newline through $()
	local cmdline; cmdline=$(cat "$W/cmdline"); cmdline=${cmdline%x}
	eifgen assemble -o "$W/out.eif" --kernel "$V/$2" --cmdline="$cmdline" "${args[@]}" --arch "$6" \
		--name "$(jq -r .ImageName "$m")" --image-version "$(jq -r .ImageVersion "$m")" \
		--build-time "$(jq -r .BuildMetadata.BuildTime "$m")" --build-tool "$(jq -r .BuildMetadata.BuildTool "$m")" \
		--build-tool-version "$(jq -r .BuildMetadata.BuildToolVersion "$m")" \
		--os "$(jq -r .BuildMetadata.OperatingSystem "$m")" \
		--kernel-version "$(jq -r .BuildMetadata.KernelVersion "$m")" >"$W/out.json"
}

n=0
while IFS=$'\t' read -r id eif kernel cmdline ramdisks metadata arch algo signed pcr0 pcr1 pcr2 _ _ reproducible; do
	[ "$signed" = 0 ] || continue
	# Not reproducible for eif_build, which takes the clock; for us, which are told the time, they are.
	[ "$reproducible" = 1 ] || case $id in 1[1-7]-*) ;; *) continue ;; esac
	n=$((n + 1))
	assemble_vector "$id" "$kernel" "$cmdline" "$ramdisks" "$metadata" "$arch"
	t "$id: same bytes" cmp "$W/out.eif" "$V/$eif"
	[ "$algo" = sha384 ] && t "$id: same PCRs" test "$pcr0 $pcr1 $pcr2" = \
		"$(jq -r '.Measurements | .PCR0 + " " + .PCR1 + " " + .PCR2' "$W/out.json")"
done < <(tail -n +2 $V/expected.tsv)
t "the vectors were there" test "$n" -ge 25

a() { eifgen assemble -o "$W/bad.eif" --kernel $V/inputs/kernel1.bin --cmdline x --ramdisk $V/inputs/rd1.cpio.gz "$@"; }
for bad in 1e309 4097 bad badutf8 bom comma ctrl empty_file leading0 nan surrogate trailing deep128; do
	t_exit 2 "custom metadata meta_$bad is refused" a --metadata "$V/inputs/meta_$bad.json"
done
t_exit 0 "custom metadata may be any JSON value" a --metadata $V/inputs/meta_null.json
t_exit 0 "without --build-time no clock is read" a
cp "$W/bad.eif" "$W/first.eif"; sleep 1.1; a >/dev/null
t "so two runs are the same bytes" cmp "$W/first.eif" "$W/bad.eif"
t_exit 0 "a pipe will do as ramdisk" bash -c 'exec "$0/eifgen" assemble -o "$1" --kernel $2/kernel1.bin --cmdline x --ramdisk <(cat $2/rd1.cpio.gz)' \
	"$EIFGEN_BIN" "$W/piped.eif" $V/inputs
t "and gives the same bytes" cmp "$W/piped.eif" "$W/first.eif"

rds=(); for _ in $(seq 29); do rds+=(--ramdisk "$V/inputs/one.bin"); done
t_exit 2 "30 ramdisks do not fit" a "${rds[@]}"
t_exit 2 "a missing ramdisk is an error" a --ramdisk "$W/nowhere"
t_exit 2 "an unknown architecture is an error" a --arch riscv
t_exit 2 "an unknown option is an error" a --frob
t_exit 2 "a command line that is not UTF-8 is an error" a --cmdline $'\xff'
t_exit 2 "a missing option is an error" eifgen assemble -o "$W/x.eif"
echo keep >"$W/keep.eif"
t_exit 2 "a failure" eifgen assemble -o "$W/keep.eif" --kernel "$W/nowhere" --cmdline x --ramdisk $V/inputs/one.bin
t "leaves an existing file alone" grep -q keep "$W/keep.eif"
t_exit 2 "a device that never ends" timeout 20 "$EIFGEN_BIN/eifgen" assemble -o "$W/keep.eif" --kernel $V/inputs/one.bin --cmdline x --ramdisk /dev/zero
t_says "is refused before it fills the disk" "neither a file nor a pipe"
t_exit 0 "pipes will do" eifgen assemble -o "$W/pipe.eif" --kernel <(cat $V/inputs/one.bin) --cmdline x --ramdisk <(cat $V/inputs/one.bin) --name k
t "and no temporary file" test -z "$(ls "$W" | grep tmp-)"
# A signal in the middle takes what is half-written along.
mkdir "$TEST_TMP/sig"; mkfifo "$TEST_TMP/sig/ramdisk"
"$EIFGEN_BIN/eifgen" assemble -o "$TEST_TMP/sig/out.eif" --kernel "$TOP/testdata/eif/inputs/kernel1.bin" --cmdline c \
	--ramdisk "$TEST_TMP/sig/ramdisk" 2>/dev/null &
pid=$!
exec 7>"$TEST_TMP/sig/ramdisk"; head -c 100000 /dev/zero >&7
for _ in $(seq 50); do compgen -G "$TEST_TMP/sig/out.eif.tmp-*" >/dev/null && break; sleep 0.1; done
t "a temporary file is there while it is written" bash -c "compgen -G '$TEST_TMP/sig/out.eif.tmp-*'"
kill -TERM $pid; wait $pid 2>/dev/null
t "the signal ended it" test $? -eq 143
exec 7>&-
t "and nothing is left behind" test "$(ls "$TEST_TMP/sig")" = ramdisk
# So it does with more files than a program usually makes.
mkdir "$TEST_TMP/many"
head -c 300000 /dev/zero >"$TEST_TMP/many.cpio"
ramdisks=(); for _ in $(seq 24); do ramdisks+=(--ramdisk "$TEST_TMP/many.cpio"); done
a --kernel "$TOP/testdata/eif/inputs/kernel1.bin" "${ramdisks[@]}" -o "$TEST_TMP/many.eif" >/dev/null
python3 - "$EIFGEN_BIN/eifgen" "$TEST_TMP" <<'PY'
import os, signal, subprocess, sys, time
# Ended when there are twenty temporary files, unless it was faster than that.
many = sys.argv[2] + "/many"
p = subprocess.Popen([sys.argv[1], "extract", many + ".eif", "-C", many], stdout=subprocess.DEVNULL)
while p.poll() is None and len(os.listdir(many)) < 20:
    time.sleep(0.001)
p.send_signal(signal.SIGINT)
sys.exit(0 if p.wait() == -signal.SIGINT else 1)
PY
t "a signal ends extract" test $? -eq 0
t "and nothing of twenty files is left" test -z "$(ls -A "$TEST_TMP/many")"
t_done
