#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command and holds what it had in memory at most (resident, its children's too) against a bound:
peak.py KILOBYTES COMMAND…   Ends with the command's status if that is not 0, else with 1 if it had more; says how much."""
import resource, subprocess, sys

status = subprocess.call(sys.argv[2:], stdout=subprocess.DEVNULL)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("%d KB" % most)
sys.exit(status or most > int(sys.argv[1]))
