#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 4500
#
# Ten thousand idle TLS connections at once, then an hour (SOAK seconds) of mixed traffic through both planes, in and out
# again: no fault, memory and descriptors stay flat.
: "${TOP:=$PWD}"; export EIFGEN_BIN="${EIFGEN_BIN:-$TOP/build/rel/bin}" TEST_TMP="${TEST_TMP:-$(mktemp -d)}"
exec python3 -B tests/tools/ingress_soak.py "${SOAK_IDLE:-10000}" "${SOAK:-3600}"
