#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What a run has in memory at most: 64 MB and 300 bytes an entry, whatever the image's size, the number of threads and the
# state of the cache; and for zstd layers with long windows, one such window. Of the released program: the sanitizers'
# own memory is another matter.
. tests/lib.sh

eif=$TOP/build/rel/bin/eifgen
cd "$TEST_TMP" || exit 1
export XDG_CACHE_HOME=$TEST_TMP/xdg
mkdir plat
printf kernel >plat/bzImage; printf cmdline >plat/cmdline; printf init >plat/init
image() { python3 "$TOP/tests/tools/mkoci.py" "$1" '{"config":{"Cmd":["/x"]}}' "${@:2}"; }
# at_most KILOBYTES COMMAND IMAGE [OPTION…]
at_most() { python3 "$TOP/tests/tools/peak.py" "$1" "$eif" -q "$2" "oci:$3:latest" --blobs plat --no-nsm --epoch 7 "${@:4}"; }
image_most=65536

# ---- 150 MB of bytes that nothing compresses, in sixteen layers of gzip
python3 - <<'PY'
import gzip, io, os, tarfile
for n in range(16):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as out:
        for i in range(4):
            t = tarfile.TarInfo("d%02d/f%d" % (n, i))
            t.size = 2400000
            out.addfile(t, io.BytesIO(os.urandom(t.size)))
    open("%02d.tar.gz" % n, "wb").write(gzip.compress(raw.getvalue(), 0, mtime=0))
PY
image noise ??.tar.gz; rm ??.tar.gz
t "the image is of 150 MB" test "$(du -sm noise | cut -f1)" -ge 145
for threads in 1 2 16; do
	t "pcr, $threads threads" at_most $image_most pcr noise --threads $threads
	t "build, $threads threads" at_most $image_most build noise --threads $threads -o o.eif
	t "build that fills a cache, $threads threads" at_most $image_most build noise --threads $threads -o o.eif --cache
	t "pcr that uses it and keeps marks" at_most $image_most pcr noise --threads $threads --cache
	t "pcr that knows all" at_most $image_most pcr noise --threads $threads --cache
	rm -r xdg
done
t_not "more would be seen" at_most 8192 pcr noise
rm -r noise

# ---- a hundred thousand entries
python3 "$TOP/tests/bench/many-files.py" 100000 >many.tar
image many many.tar; rm many.tar
many_most=$((65536 + 101000 * 300 / 1024))
t "pcr of 101 000 entries" at_most $many_most pcr many
t "build of them, with record and listing" at_most $many_most build many -o o.eif
t "which has them all" test "$("$eif" ls o.eif --json | jq '.entries | length')" -gt 101000
t "build that fills a cache" at_most $many_most build many -o o.eif --cache
t "build that uses it" at_most $many_most build many -o o.eif --cache
t "pcr that uses it and keeps marks" at_most $many_most pcr many --cache
t "pcr that knows all" at_most $many_most pcr many --cache
rm -r xdg many

# ---- zstd layers that refer 64 MiB back, two of them: one window at a time
for n in a b; do
	truncate -s 80M $n; tar -cf $n.tar $n
	zstd -q --long=26 -1 -c <$n.tar >$n.tar.zst
done
image long {a,b}.tar.zst
t "one long window at a time" at_most $((65536 + 65536)) pcr long --threads 2
for n in a b; do zstd -q --long=23 -1 -c <$n.tar >$n.tar.zst; done
image short {a,b}.tar.zst
t "8 MiB, as builders have them, both at once" at_most $image_most pcr short --threads 2
t_done
