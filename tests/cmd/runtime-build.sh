# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# timeout: 300
#
# The data plane's programs as files: static, small, stripped, hardened, without egress in the one that has none; and both
# planes the same bytes from another build in another directory.
. tests/lib.sh
for p in cage-data-plane cage-data-plane-no-egress; do
	bin=$EIFGEN_BIN/$p full=build/plane/$p
	if [ "${EIFGEN_VARIANT:-rel}" = san ]; then t_skip "$p as a file" "built for the sanitizers"; continue; fi
	t "$p is static-pie" bash -c "file '$bin' | grep -q 'static-pie linked'"
	t "$p is stripped" bash -c "file '$bin' | grep -q ', stripped'"
	t "$p is below 8 MB" test "$(stat -c %s "$bin")" -lt 8000000
	t "$p names no path of this machine" bash -c "! grep -qaF '$PWD' '$bin'"
	t "$p has a read-only relocation table and no executable stack" bash -c "readelf -lW '$bin' | grep -q GNU_RELRO &&
		! readelf -lW '$bin' | grep 'GNU_STACK' | grep -q E"
	t "$p reads no OpenSSL configuration and holds no resolver" bash -c "! nm '$full' | grep -qE ' T (__nss_lookup|__res_)'"
done
if [ "${EIFGEN_VARIANT:-rel}" != san ]; then
	symbols() { nm "build/plane/$1" | grep -cE ' T (egress_|dns_respon|names_(new|assign|find)|netlink_|net_setup|allowlist_)'; }
	t "with egress: its symbols are there" test "$(symbols cage-data-plane)" -gt 5
	t "without: none is" test "$(symbols cage-data-plane-no-egress)" -eq 0
	mkdir "$TEST_TMP/elsewhere" && git ls-files -z -- GNUmakefile base runtime epoch layerfs pcr eifgen installer tests/tests.mk |
		xargs -0 cp --parents -t "$TEST_TMP/elsewhere"
	t "another build in another directory" env -C "$TEST_TMP/elsewhere" nice make -s -j2 build/rel/bin/cage-data-plane \
		build/rel/bin/cage-data-plane-no-egress build/rel/bin/cage-control-plane build/rel/bin/cage-control-plane-no-egress
	for p in cage-data-plane cage-data-plane-no-egress cage-control-plane cage-control-plane-no-egress; do
		t "$p: the same bytes" cmp "$EIFGEN_BIN/$p" "$TEST_TMP/elsewhere/build/rel/bin/$p"
	done
fi
t_exit 0 "--version" "$EIFGEN_BIN/cage-data-plane" --version
"$EIFGEN_BIN/cage-data-plane" --nonsense >"$TEST_TMP/o" 2>&1; rc=$?
t "an unknown option is status 2 and one line" test "$rc $(wc -l <"$TEST_TMP/o")" = "2 1"
t_done
