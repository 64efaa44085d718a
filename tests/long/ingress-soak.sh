#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 4500
#
# Ten thousand idle TLS connections at once, then an hour (SOAK seconds) of mixed traffic: memory and descriptors stay flat.
: "${TOP:=$PWD}"; export EIFGEN_BIN="${EIFGEN_BIN:-$TOP/build/rel/bin}" TEST_TMP="${TEST_TMP:-$(mktemp -d)}"
exec python3 tests/tools/ingress_soak.py 10000 "${SOAK:-3600}"
