# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# timeout: 240
#
# HTTP/1 through the data plane, scripted from both ends (tests/tools/ingress_http.py).
: "${TOP:=$PWD}"; export EIFGEN_BIN="${EIFGEN_BIN:-$TOP/build/rel/bin}" TEST_TMP="${TEST_TMP:-$(mktemp -d)}"
exec python3 tests/tools/ingress_http.py
