# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# timeout: 240
#
# What is left of connections, streams and requests of the data plane as they end (tests/tools/ingress_ends.py).
: "${TOP:=$PWD}"; export EIFGEN_BIN="${EIFGEN_BIN:-$TOP/build/rel/bin}" TEST_TMP="${TEST_TMP:-$(mktemp -d)}"
exec python3 tests/tools/ingress_ends.py
