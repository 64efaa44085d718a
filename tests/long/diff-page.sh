#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The page of diff --html in a real browser, from disk, at the width of a desk and of a phone: no console error, the
# script ran (what it writes is in the DOM), nothing wider than the phone.
# serial
. tests/lib.sh
cd "$TEST_TMP" || exit 1
browser=$(command -v chromium) || { t_skip "diff page" "no chromium"; t_done; }
t_exit 1 "a page is made" eifgen diff -q "oci:$TOP/testdata/ramdisk/torture/image" "oci:$TOP/testdata/ramdisk/small/image" \
	--html page.html
chrome() {
	timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync \
		--disable-background-networking --disable-component-update --user-data-dir="$TEST_TMP/profile" \
		--enable-logging=stderr "$@" "file://$TEST_TMP/page.html" 2>log
}
# The browser writes its own width into the title by a probe appended to a copy of the page.
cp page.html keep.html
cat >>page.html <<'PROBE'
<script>for (const x of document.querySelectorAll("details")) x.open = true;
setTimeout(() => {
  const rows = () => document.querySelectorAll("#list > details").length, blocks = () => document.querySelectorAll("#map > button").length;
  const width = document.documentElement.scrollWidth, all = rows(), chip = document.querySelector("#filters button");
  const own = Number(/\((\d+)\)/.exec(chip.textContent)[1]);
  chip.click();
  const left = rows(), drawn = blocks();
  chip.click();
  document.title = `width ${width} of ${innerWidth}; filter ${left === all - own && drawn === left && rows() === all}`;
}, 500);</script>
PROBE
for width in 1200 400; do
	t "it opens at $width" bash -c "$(declare -f chrome); TEST_TMP=$TEST_TMP browser=$browser; chrome --window-size=$width,900 --virtual-time-budget=3000 --dump-dom >dom.$width"
	t "no console message" bash -c '! grep -q "CONSOLE" log'
	t "the entries were drawn" grep -q 'rootfs/t/links/hard1' "dom.$width"
	t "the registers were drawn" grep -q 'differs</td>' "dom.$width"
	t "a filter takes its cause out of list and map, and puts it back" grep -q 'filter true</title>' "dom.$width"
	read -r _ inner _ outer < <(grep -o '<title>width [0-9]* of [0-9]*' "dom.$width" | sed 's/<title>//')
	t "nothing is wider than the window ($inner of $outer)" test "${inner:-9999}" -le "${outer:-0}"
done
t_done
