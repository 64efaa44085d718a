#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# An independent merge: umoci unpacks an image of hand-made layers, and what it wrote is what our tree says, entry by
# entry: paths, types, modes, owners, times, contents, links.
. tests/lib.sh

cd "$TEST_TMP" || exit 1
tools=$TOP/tests/tools
mkdir layers
t "the layers are made" python3 "$tools/nasty-layers.py" layers
umoci init --layout img && umoci new --image img:t
for l in layers/layer-*.tar; do umoci raw add-layer --image img:t "$l"; done
for threads in 1 4; do
	t "ls reads the image with $threads threads" sh -c "\"\$1/eifgen\" ls oci:img:t --json --threads $threads >ls-$threads.json" \
		sh "$EIFGEN_BIN"
done
t "both say the same" cmp ls-1.json ls-4.json
if [ "$(id -u)" -eq 0 ] && umoci unpack --image img:t bundle 2>unpack.log; then
	t "umoci's root file system is the tree" python3 "$tools/compare-rootfs.py" bundle/rootfs ls-1.json
	echo more >>bundle/rootfs/usr/lib/so
	t_not "a difference would be seen" python3 "$tools/compare-rootfs.py" bundle/rootfs ls-1.json
else
	t_skip "umoci's root file system is the tree" "needs root, who may make devices and owners"
fi
echo inserted >file
umoci insert --image img:t --tag inserted file /file 2>insert.log
t "a layer that ends behind its last file's bytes, as umoci insert leaves it, is read" sh -c \
	'"$1/eifgen" ls oci:img:inserted --json | jq -e ".entries[] | select(.path == \"file\" and .size == 9)"' sh "$EIFGEN_BIN"

# Random images, as many as RANDOM_IMAGES says: what umoci unpacks, we read, and it is the same tree. (umoci refuses more:
# an entry below what was a file in a lower layer, for one.)
compared=0
for seed in $([ "$(id -u)" -eq 0 ] && seq "${RANDOM_IMAGES:-60}"); do
	rm -rf r; mkdir r
	python3 "$tools/random-layers.py" "$seed" r && python3 "$tools/mkoci.py" r/img r/layer-*.tar
	umoci unpack --image r/img:latest r/bundle >/dev/null 2>&1 || continue
	compared=$((compared + 1))
	t "random image $seed is read" sh -c '"$1/eifgen" ls oci:r/img:latest --json >r/ls.json' sh "$EIFGEN_BIN"
	t "random image $seed is what umoci unpacks" python3 "$tools/compare-rootfs.py" r/bundle/rootfs r/ls.json
done
[ "$(id -u)" -ne 0 ] || t "a third of them or more was compared" test $compared -ge $((${RANDOM_IMAGES:-60} / 3))
t_done
