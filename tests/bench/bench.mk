# SPDX-License-Identifier: Apache-2.0
#
# make bench: makes its images from Debian packages under build/bench (once), measures, prints tables, writes
# build/bench/results.json and RESULTS.md here (BENCH_RESULTS says where else). make bench-plot: an SVG of time against
# image size from those results.
.PHONY: bench bench-plot
BENCH_RUNS ?= 5
BENCH_RESULTS ?= tests/bench/RESULTS.md
bench:
	$(Q)tests/setup bench
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)tests/bench/images.sh build/bench/images
	$(Q)tests/bench/bench.py $(B)/bin/eifgen build/bench/images --runs $(BENCH_RUNS) --json build/bench/results.json \
		--markdown $(BENCH_RESULTS)
bench-plot:
	$(Q)tests/bench/plot.py build/bench/results.json build/bench/results.svg
