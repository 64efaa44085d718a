# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# timeout: 300
#
# The data plane below HTTP: PROXY, TLS, HTTP/2, raw streams, caps, health, reports (tests/tools/ingress_streams.py).
: "${TOP:=$PWD}"; export EIFGEN_BIN="${EIFGEN_BIN:-$TOP/build/rel/bin}" TEST_TMP="${TEST_TMP:-$(mktemp -d)}"
exec python3 tests/tools/ingress_streams.py
