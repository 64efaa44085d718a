#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1800
#
# The cases of tests/cmd/planes.sh with a gigabyte through both planes instead of 64 MB.
RELAY_BYTES=$((1 << 30)) exec bash tests/cmd/planes.sh
