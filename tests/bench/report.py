#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark's numbers as text, and what was promised held against them: report.py RESULTS.json > RESULTS.md
Nothing here is typed by hand: a figure that is not in the JSON is not in the text."""
import json, math, sys

FLOOR, PEERS, RECORD = 1.3, 5.0, 60.0  # build at most so many floors; so much faster than the pipeline; a million entries, s
LAST_FIFTH, PASS = 0.2, 1.2  # of a cold prediction; of one SHA-384 pass over the rest and reading it
MEMORY, ENTRY = 64 << 10, 300  # KB, and bytes an entry
OTHERS = 0.1  # of the processors' time, at most, for wall times to mean something
LINEAR = 1.1  # exponent of cost over size: 1 is linear
BESIDE = {"floor": "the floor", "umoci + cpio + assemble": "umoci + cpio", "tar2sqfs (lz4), layer by layer": "tar2sqfs",
          "skopeo copy to dir": "skopeo"}  # what every row is held against, and its short name


def add_ratios(result):
    """Into the JSON: of each row its wall time over that of the floor and of each peer, and bytes a second."""
    for size in result["sizes"].values():
        rows = size["rows"]
        for m in filter(None, rows.values()):
            m["bytes/s"] = size["bytes"] / m["wall"]
            m["wall over"] = {peer: m["wall"] / rows[peer]["wall"] for peer in BESIDE if rows.get(peer)}
    result["promised"] = [{"what": what, "measured": value, "promised": want, "reached": bool(reached)}
                          for what, value, want, reached in verdicts(result)]


def table(name, size):
    rows, floor = size["rows"], size["rows"].get("floor")
    peers = [p for p in BESIDE if rows.get(p)]
    out = ["### %s, %.0f MB of EIF" % (name, size["bytes"] / 1e6), "",
           "| | wall s | CPU s | peak MB | MB/s |" + "".join(" wall over %s |" % BESIDE[p] for p in peers), "|---" * (5 + len(peers)) + "|"]
    for k, m in rows.items():
        if m:
            out.append("| %s | %.2f | %.2f | %s | %.0f |%s" % (
                k, m["wall"], m["cpu"], "%.0f" % (m["kb"] / 1024) if m["kb"] else "", size["bytes"] / 1e6 / m["wall"],
                "".join(" %.2f |" % (m["wall"] / rows[p]["wall"]) for p in peers)))
    if floor:
        out += ["", "The floor's CPU seconds (inflater: `%s`): %s." % (
            floor["inflater"], ", ".join("%s %.2f" % (k, v) for k, v in floor["parts"].items()))]
    return "\n".join(out) + "\n"


def over(kb, n):
    """Bytes an entry that come on top of 64 MB."""
    return max(0, (kb - MEMORY) * 1024 / n)


def entries(result):
    out = ["### Entries: one layer of small files, cold", "",
           "| entries | | wall s | CPU s | CPU microseconds an entry | peak MB | peak bytes an entry over 64 MB |", "|---|---|---|---|---|---|---|"]
    for n, rows in sorted((int(n), rows) for n, rows in result["entries"].items()):
        for name, m in rows.items():
            if m:
                out.append("| %d | %s | %.2f | %.2f | %.1f | %.0f | %.0f |" % (
                    n, name, m["wall"], m["cpu"], m["cpu"] * 1e6 / n, m["kb"] / 1024, over(m["kb"], n)))
    return "\n".join(out) + "\n"


def exponent(points):
    """The slope of cost over size, both logarithmic (least squares)."""
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mx, my = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / sum((x - mx) ** 2 for x in xs)


def beyond(pipeline, floor):
    """What is wanted of us beside the pipeline; where that is more than the floor could do, the floor's own ratio too."""
    want = "at least %.0f" % PEERS
    if floor and pipeline["wall"] < PEERS * floor["wall"]:
        want += " (the floor itself: %.2f)" % (pipeline["wall"] / floor["wall"])
    return want


def size_goals(name, size):
    rows = size["rows"]
    get = lambda k: rows.get(k)
    build, pcr, floor, pipeline = get("eifgen build"), get("eifgen pcr, cold"), get("floor"), get("umoci + cpio + assemble")
    if build and floor:
        yield "%s: `build`, of the floor" % name, build["wall"] / floor["wall"], "at most %.1f" % FLOOR, build["wall"] <= FLOOR * floor["wall"]
    if build and pipeline:
        yield "%s: `build`, times faster than umoci + cpio + assemble" % name, pipeline["wall"] / build["wall"], beyond(pipeline, floor), pipeline["wall"] >= PEERS * build["wall"]
    bare = get("eifgen build --no-record")
    if bare and pipeline:
        yield "%s: `build --no-record`, which does what the pipeline does, times faster" % name, pipeline["wall"] / bare["wall"], beyond(pipeline, floor), pipeline["wall"] >= PEERS * bare["wall"]
    if build and pcr:
        yield "%s: `pcr`, of `build`" % name, pcr["wall"] / build["wall"], "below 1", pcr["wall"] < build["wall"]
    if build:
        yield "%s: peak memory of `build`, MB" % name, build["kb"] / 1024, "below 64, and 300 B an entry", build["kb"] < MEMORY
    for k, m in rows.items():
        change = m and m.get("change")
        if not change or not pcr:
            continue
        what = "%s: warm, top layer changed, first at %.0f %% of the ramdisk" % (name, 100 * change["at"] / change["of"])
        yield what + ": layers inflated", change["inflated"], "1 of %d" % change["layers"], change["inflated"] == 1
        if change["at"] >= 0.8 * change["of"]:
            yield what + ": of the cold prediction", m["wall"] / pcr["wall"], "below %.1f" % LAST_FIFTH, m["wall"] < LAST_FIFTH * pcr["wall"]
        bound = change["sha384"]  # of a file in the page cache: reading is in it
        yield (what + ": of one SHA-384 pass over the rest with reading it (%.2f s)" % bound, m["wall"] / bound,
               "at most %.1f" % PASS, m["wall"] <= PASS * bound)


def linear_goals(result):
    for row in ("eifgen build", "eifgen pcr, cold"):
        points = [(s["bytes"], s["rows"][row]["wall"]) for s in result["sizes"].values() if s["rows"].get(row)]
        if len(points) > 1:
            e = exponent(points)
            yield "`%s` over image size: exponent" % row, e, "at most %.1f (1: linear)" % LINEAR, e <= LINEAR
    for name in ("pcr", "build"):
        yield from entry_goals(name, sorted((int(n), rows[name]) for n, rows in result["entries"].items() if rows.get(name)))


def entry_goals(name, counts):
    if len(counts) > 1:
        e = exponent([(n, m["cpu"]) for n, m in counts])
        yield "`%s` over entries: exponent of CPU time" % name, e, "at most %.1f (1: linear)" % LINEAR, e <= LINEAR
        last, before = (m["cpu"] / n for n, m in (counts[-1], counts[-2]))
        yield "`%s`: CPU time an entry, of the largest against the second largest" % name, last / before, "near 1", last <= 1.2 * before
    for n, m in counts:
        if n == 1000000:
            yield "`%s` of a million entries: seconds" % name, m["wall"], "below %.0f" % RECORD, m["wall"] < RECORD
        yield "`%s` of %d entries: peak bytes an entry over 64 MB" % (name, n), over(m["kb"], n), "below %d" % ENTRY, over(m["kb"], n) < ENTRY


def verdicts(result):
    yield from (r for name, s in result["sizes"].items() for r in size_goals(name, s))
    yield from linear_goals(result)


def goals(result):
    out = ["### What was promised", "", "| | measured | promised | |", "|---|---|---|---|"]
    for what, value, want, reached in verdicts(result):
        out.append("| %s | %s | %s | %s |" % (what, "%d" % value if isinstance(value, int) else "%.2f" % value, want, "reached" if reached else "**not reached**"))
    return "\n".join(out) + "\n"


def markdown(result):
    m = result["machine"]
    head = ["# Benchmark results", "",
            "Written by `make bench`, figures and verdicts alike; `build/bench/results.json` holds the numbers, `make bench-plot` draws",
            "them. The images are made from Debian 12 packages (`images.sh`); `bench.py` says what is measured, `../../layerfs/README.md`",
            "where the time goes.", "",
            "%d x %s, %d GiB, Linux %s; medians of %d runs (peers: %d); load average %.1f at the start, %.1f at the end." % (
                m["processors"], m["processor"], m["memory GiB"], m["kernel"], m["runs"], m["peer runs"], m["load at start"],
                m["load at end"]),
            "Others took %.0f %% of the processors' time in the second before and %.0f %% in that after." % (
                100 * m["busy at start"], 100 * m["busy at end"])]
    if max(m["busy at start"], m["busy at end"]) > OTHERS:
        head += ["", "The machine was busy with something else: read the CPU seconds, not the wall times."]
    parts = [goals(result)] + [table(n, s) for n, s in result["sizes"].items()] + ([entries(result)] if result["entries"] else [])
    return "\n".join(head) + "\n\n" + "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(markdown(json.load(open(sys.argv[1]))))
