#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Time against image size, one line a program, both axes logarithmic: plot.py RESULTS.json OUT.svg (through gnuplot; with
"-" for OUT.svg its script goes to stdout). What was measured at one size only is a point."""
import json, subprocess, sys


def script(result, out):
    lines = {}
    for s in sorted(result["sizes"].values(), key=lambda s: s["bytes"]):
        for name, m in s["rows"].items():
            if m and m["wall"]:
                lines.setdefault(name, []).append("%f %f" % (s["bytes"] / 1e6, m["wall"]))
    text = ["set terminal svg noenhanced size 1000,600", "set output '%s'" % out, "set logscale xy", "set key outside right",
            "set xlabel 'EIF, MB'", "set ylabel 'wall time, seconds'", "set grid"]
    text.append("plot " + ", ".join("'-' with linespoints title '%s'" % n for n in lines))
    for points in lines.values():
        text += points + ["e"]
    return "\n".join(text) + "\n"


def main():
    text = script(json.load(open(sys.argv[1])), sys.argv[2])
    if sys.argv[2] == "-":
        sys.stdout.write(text)
    else:
        subprocess.run(["gnuplot"], input=text, text=True, check=True)


main()
