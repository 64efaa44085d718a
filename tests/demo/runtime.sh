#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A cage on this machine, whole: `make demo-runtime` runs this. In network namespaces of its own, so that DNS at port 53,
# routes and redirect rule are the kernel's and nothing outside is touched; where those are not permitted, on loopback and
# without the way out. Everything it starts, it ends.
set -eu
cd "$(dirname "$0")/../.."
export PYTHONPATH=tests/tools PYTHONDONTWRITEBYTECODE=1
dir=$(mktemp -d /tmp/cage-XXXXXX)
trap 'rm -rf "$dir"' EXIT
if unshare -rnm true 2>/dev/null; then
	unshare -rnm python3 tests/demo/runtime.py "$dir"
else
	echo "network namespaces are not permitted here: the demo shows the way in, on loopback, and not the way out"
	python3 tests/demo/runtime.py "$dir" loopback
fi
