# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# timeout: 240
#
# Clients and services that mean ill, on both sides of the data plane (tests/tools/ingress_hostile.py).
: "${TOP:=$PWD}"; export EIFGEN_BIN="${EIFGEN_BIN:-$TOP/build/rel/bin}" TEST_TMP="${TEST_TMP:-$(mktemp -d)}"
exec python3 tests/tools/ingress_hostile.py
