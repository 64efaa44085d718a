# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What every command test sources: TAP, the program under test, small helpers. A test script reads
#   . tests/lib.sh
#   t "build prints the PCRs" test "$(jq -r .Measurements.PCR0 out.json)" = "$want"
#   t_exit 2 "a missing image is trouble" eifgen build nowhere -o out.eif
#   t_done
# It starts at the tree's top ($TOP) and may write only below $TEST_TMP.
set -u
: "${TOP:=$PWD}" "${EIFGEN_BIN:=$TOP/build/rel/bin}"
if [ -z "${TEST_TMP:-}" ]; then TEST_TMP=$(mktemp -d); trap 'rm -rf "$TEST_TMP"' EXIT; fi
export LC_ALL=C TZ=UTC
T_N=0 T_BAD=0

eifgen() { "$EIFGEN_BIN/eifgen" "$@"; }

t_ok() { T_N=$((T_N + 1)); echo "ok $T_N - $1"; }
t_fail() { T_N=$((T_N + 1)); T_BAD=$((T_BAD + 1)); echo "not ok $T_N - $1"; }
t_skip() { T_N=$((T_N + 1)); echo "ok $T_N - $1 # SKIP $2"; }

# t NAME COMMAND…: passes if the command ends with 0; what it printed is shown if not.
t() {
	local name=$1 out rc; shift
	out=$("$@" 2>&1); rc=$?
	if [ $rc -eq 0 ]; then t_ok "$name"; else t_fail "$name"; printf '# %s\n' "exit $rc: $*" "${out:0:4000}"; fi
}

# t_not NAME COMMAND…: passes if the command ends with 1..125 (an answer, not a crash).
t_not() {
	local name=$1 out rc; shift
	out=$("$@" 2>&1); rc=$?
	if [ $rc -ge 1 ] && [ $rc -le 125 ]; then t_ok "$name"; else t_fail "$name"; printf '# %s\n' "exit $rc: $*" "${out:0:4000}"; fi
}

# t_exit STATUS NAME COMMAND…: passes if the command ends with that status, its standard output in $TEST_TMP/out and its
# standard error in $TEST_TMP/err. With status 2, standard error must be exactly one line after warnings are set aside, and
# eifgen's own reads `eifgen: unable to <verb> <object>: <reason>`.
t_exit() {
	local want=$1 name=$2 rc; shift 2
	"$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err"; rc=$?
	if [ $rc -ne "$want" ]; then
		t_fail "$name"; echo "# exit $rc, wanted $want: $*"; head -c 4000 "$TEST_TMP/err" | sed 's/^/# /'
	elif [ "$want" -eq 2 ] && [ "$(grep -cv '^eifgen: warning: ' "$TEST_TMP/err")" -ne 1 ]; then
		t_fail "$name"; echo "# not one error line: $*"; head -c 4000 "$TEST_TMP/err" | sed 's/^/# /'
	elif [ "$want" -eq 2 ] && grep -v '^eifgen: warning: ' "$TEST_TMP/err" | grep '^eifgen: ' | grep -qv '^eifgen: unable to .*: '; then
		t_fail "$name"; echo "# not \`unable to <verb> <object>: <reason>\`: $*"; head -c 4000 "$TEST_TMP/err" | sed 's/^/# /'
	else
		t_ok "$name"
	fi
}

# t_says NAME TEXT: the last t_exit's standard error holds TEXT.
t_says() {
	if grep -qF -- "$2" "$TEST_TMP/err"; then t_ok "$1"; else
		t_fail "$1"; echo "# looked for: $2"; head -c 4000 "$TEST_TMP/err" | sed 's/^/# /'; fi
}

t_done() { echo "1..$T_N"; exit $((T_BAD > 0)); }
