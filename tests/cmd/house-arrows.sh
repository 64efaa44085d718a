#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The arrows between the rooms, over #includes, room.mk and the symbols of the objects; and that the check would notice.
. tests/lib.sh

rooms=$TEST_TMP/rooms
make -s print-rooms >"$rooms"
t "make names the rooms" grep -q '^eifgen eifgen ' "$rooms"
arrows() { tests/tools/arrows.py "$@" <"$rooms"; }
t "the tree keeps its arrows" arrows . build/rel

# A small tree with one breach of each kind.
bad=$TEST_TMP/bad
mkdir -p "$bad/base" "$bad/epoch" "$bad/layerfs" "$bad/build/base" "$bad/build/epoch"
# plant NAME FILE TEXT PATTERN: with this file the check must say PATTERN.
plant() {
	printf '%s\n' "$3" >"$bad/$2"
	[ "${2##*.}" = c ] && gcc -c -w -o "$bad/build/${2%.c}.o" "$bad/$2" -I"$bad" 2>/dev/null
	arrows "$bad" "$bad/build" >"$TEST_TMP/said" 2>&1
	t "noticed: $1" grep -q -- "$4" "$TEST_TMP/said"
	rm -f "$bad/$2" "$bad/build/${2%.c}.o"
}
echo 'int spool(void) { return 0; }' >"$bad/epoch/owned.c"
gcc -c -o "$bad/build/epoch/owned.o" "$bad/epoch/owned.c"
plant "an include of a neighbour" epoch/x.h '#include "layerfs/tree.h"' 'epoch may not use layerfs'
plant "an include from below" base/x.h '#include "epoch/epoch.h"' 'base may not use epoch'
plant "a foreign library" base/x.h '#include <openssl/evp.h>' 'base may not use <openssl/evp.h>'
plant "an include that is not from the top" epoch/x.h '#include "x.h"' 'in no room'
plant "a call into another room" base/x.c 'int spool(void); int f(void) { return spool(); }' 'may not call spool of epoch'
plant "a library that prints" base/x.c 'int puts(const char *); int f(void) { return puts("x"); }' 'a library calls puts'
plant "a library that reads the environment" epoch/x.c 'char *getenv(const char *); char *f(void) { return getenv("X"); }' \
	'a library calls getenv'
plant "a library that asks the time" epoch/x.c 'long time(long *); long f(void) { return time(0); }' 'a library calls time'
t_not "noticed: a link against the arrows" bash -c 'echo "base base layerfs" | tests/tools/arrows.py .'
t_done
