#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 280
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

# Once the first byte is there the daemon is like any other peer: it may be silent for a minute, and not for half an hour.
stalled=$TEST_TMP/stalled.sock
python3 tests/tools/docker_replay.py "$stalled" "$TEST_TMP/v1.tar" docker.io/team/app:v1 1000000+ &
SERVERS+=($!)
wait_for "$stalled"
start=$SECONDS
t_exit 2 "a daemon that stops in the middle" \
	timeout 100 "$EIFGEN_BIN/eifgen" ls --json --docker-host "unix://$stalled" docker-daemon:team/app:v1
t_says "is given up after a minute" "nothing came for 60 seconds"
t "of silence" test $((SECONDS - start)) -ge 59
t_done
