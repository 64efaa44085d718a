#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time against image size, one line a program, both axes logarithmic: plot.py RESULTS.json OUT.svg (through gnuplot)."""
import json, subprocess, sys


def main():
    sizes = json.load(open(sys.argv[1]))["sizes"]
    lines = {}
    for s in sorted(sizes.values(), key=lambda s: s["bytes"]):
        for name, m in s["rows"].items():
            if m and m["wall"]:
                lines.setdefault(name, []).append("%f %f" % (s["bytes"] / 1e6, m["wall"]))
    names = [n for n in lines if len(lines[n]) > 1]
    script = ["set terminal svg size 900,600", "set output '%s'" % sys.argv[2], "set logscale xy", "set key outside right",
              "set xlabel 'EIF, MB'", "set ylabel 'wall time, seconds'", "set grid"]
    script.append("plot " + ", ".join("'-' with linespoints title '%s'" % n for n in names))
    for n in names:
        script += lines[n] + ["e"]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


main()
