#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/lib.sh
#
# The control plane against a scripted enclave, DNS server and upstreams, in a network namespace of its own: there it may
# have any address, so "global" ones are at hand and nothing leaves the machine.
. tests/lib.sh

for plane in cage-control-plane cage-control-plane-no-egress; do
	t "$plane --help names its options" sh -c "'$EIFGEN_BIN/$plane' --help | grep -q -- --enclave-health"
	t "$plane --version says its name" sh -c "'$EIFGEN_BIN/$plane' --version | grep -q '^$plane [0-9]'"
	"$EIFGEN_BIN/$plane" --nothing >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	t "$plane refuses an unknown option with 2 and one line" test "$?-$(wc -l <"$TEST_TMP/err")" = 2-1
done

# Without egress: neither the code nor the options nor the listener.
if [ "$EIFGEN_VARIANT" = rel ]; then
	for symbol in egress_host_new egress_request_read resolver_new ares_getaddrinfo allowlist_parse sni_gate_start; do
		t "with egress: $symbol is in the link" sh -c "nm '$EIFGEN_BIN/cage-control-plane' | grep -q '$symbol'"
		t_not "without egress: $symbol is not" sh -c "nm '$EIFGEN_BIN/cage-control-plane-no-egress' | grep -q '$symbol'"
	done
	t "with egress: the resolver's library is needed" sh -c "readelf -d '$EIFGEN_BIN/cage-control-plane' | grep -q libcares"
	t_not "without egress: it is not" sh -c "readelf -d '$EIFGEN_BIN/cage-control-plane-no-egress' | grep -q libcares"
fi
t_not "without egress: --egress is unknown" "$EIFGEN_BIN/cage-control-plane-no-egress" --egress=unix:/nowhere
t_not "without egress: --help does not speak of it" sh -c "'$EIFGEN_BIN/cage-control-plane-no-egress' --help | grep -q -- '--egress\|--allow'"

if unshare -rn true 2>/dev/null; then
	unshare -rn python3 -B tests/tools/control_plane.py "$T_N" >"$TEST_TMP/tap" 2>"$TEST_TMP/log"
	rc=$?
	cat "$TEST_TMP/tap"
	T_N=$((T_N + $(grep -cE '^(not )?ok ' "$TEST_TMP/tap")))
	T_BAD=$((T_BAD + $(grep -c '^not ok ' "$TEST_TMP/tap")))
	[ $rc -eq 0 ] || t_fail "the script ran to its end"
	if [ $T_BAD -gt 0 ] || [ $rc -ne 0 ]; then tail -60 "$TEST_TMP/log" | sed 's/^/# /'; fi
else
	t_skip "the control plane against its peers" "network namespaces are not permitted here"
fi
t_done
