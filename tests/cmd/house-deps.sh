#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A missing library is named with its Debian package; the set-up list is sound.
. tests/lib.sh

# A pkg-config that knows everything but one module.
mkdir "$TEST_TMP/bin"
cat >"$TEST_TMP/bin/pkg-config" <<'END'
#!/bin/sh
for a; do [ "$a" = "$MISSING" ] && exit 1; done
exec /usr/bin/pkg-config "$@"
END
chmod +x "$TEST_TMP/bin/pkg-config"
# names MODULE PACKAGE: the build without MODULE fails and says PACKAGE.
names() {
	MISSING=$1 make -n -B PKG_CONFIG="$TEST_TMP/bin/pkg-config" all >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	t "a build without $1 fails" test $? -ne 0
	t_says "… and names $2" "install the Debian package $2"
}
names libarchive libarchive-dev
names libcrypto libssl-dev
names zlib zlib1g-dev
names libzstd libzstd-dev
names libgit2 libgit2-dev
names libcjson libcjson-dev

t "the set-up list is one package a line" bash -c 'tests/setup list | grep -qx libgit2-dev && ! tests/setup list | grep -qvxE "[a-z0-9][a-z0-9.+-]+"'
for m in $(make -s print-packages); do
	t "$m is in the set-up list" grep -qxF "$m" <(tests/setup list)
done
t_not "an unknown purpose is refused" tests/setup nothing
t_done
