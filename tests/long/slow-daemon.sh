#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 200
#
# A Docker daemon that takes more than a minute before the first byte of an image, as it does for one of some gigabytes:
# it collects the layers first. Silence that would end a registry's answer is its ordinary way.
. tests/lib.sh
. tests/tools/registry-lib.sh
cd "$TOP" || exit 1
L=$TEST_TMP/layout sock=$TEST_TMP/docker.sock
make_image "$L" || { t_fail "an image is made"; t_done; }
skopeo copy -q "oci:$L:v1" "docker-archive:$TEST_TMP/v1.tar:docker.io/team/app:v1"
eifgen ls --json "oci:$L:v1" >"$TEST_TMP/v1.json"
python3 tests/tools/docker_replay.py "$sock" "$TEST_TMP/v1.tar" docker.io/team/app:v1 - 70 &
SERVERS+=($!)
wait_for "$sock"
t_exit 0 "a daemon that is silent for 70 seconds" eifgen ls --json --docker-host "unix://$sock" docker-daemon:team/app:v1
t "gives the image" cmp <(jq -c '[.entries[] | del(.layer)]' "$TEST_TMP/out") <(jq -c '[.entries[] | del(.layer)]' "$TEST_TMP/v1.json")
t_done
