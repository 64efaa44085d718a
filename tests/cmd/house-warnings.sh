#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# No warning under gcc or clang. `make warnings` keeps stamps in build/, so only what changed is compiled.
# timeout: 1200
. tests/lib.sh
for cc in gcc clang; do
	t "$cc is there" command -v "$cc"
done
t "no warning under gcc and clang" make -s -k warnings
t "the warnings are on: an unused variable is one" grep -q -- -Wall <(make -n -W base/err.c warnings)
t_done
