#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# libcurl and libgit2 are opened by the commands that need them and by no other: a local build neither links nor maps them
# and works where they cannot be opened; who needs one that is missing, broken, strange or too old gets one line that says so.
. tests/lib.sh
. tests/tools/registry-lib.sh
export HOME=$TEST_TMP GIT_CONFIG_NOSYSTEM=1
cd "$TOP" || exit 1

T=$TEST_TMP L=$TEST_TMP/layout
git2=libgit2.so.$(pkg-config --modversion libgit2 | cut -d. -f1,2)
make_image "$L" || { t_fail "an image is made"; t_done; }
git init -q "$T/repository" && git -C "$T/repository" -c user.name=a -c user.email=a@b commit -q --allow-empty -m one
echo kernel >"$T/kernel"
platform=(--kernel "$T/kernel" --init "$T/kernel" --cmdline "console=ttyS0" --epoch 315532801)
registry=docker://127.0.0.1:$(free_port)/x

# opened COMMAND…: which of the two the loader was asked for, in one line.
opened() {
	rm -f "$T"/ld.*
	LD_DEBUG=files LD_DEBUG_OUTPUT=$T/ld eifgen "$@" >"$T/out" 2>"$T/err"
	cat "$T"/ld.* | grep -oE 'file=lib(curl|git2)\.so' | sort -u | tr '\n' ' '
}
readelf -d "$EIFGEN_BIN/eifgen" >"$T/dynamic"
t "the program is linked with libcrypto" grep -q 'NEEDED.*libcrypto' "$T/dynamic"
t_not "… and with neither libcurl nor libgit2" grep -qE 'NEEDED.*lib(curl|git2)' "$T/dynamic"
t "a local pcr opens neither" test "$(opened pcr "oci:$L:v1" "${platform[@]}")" = ""
want=$(cat "$T/out")
t "… and answers" jq -e .Measurements.PCR0 "$T/out"
t "a local build opens neither" test "$(opened build "oci:$L:v1" "${platform[@]}" -o "$T/a.eif")" = ""
t "… and builds" test -s "$T/a.eif"
t "a registry opens libcurl" test "$(opened ls "$registry")" = "file=libcurl.so "
t "a repository opens libgit2" test "$(opened epoch "$T/repository")" = "file=libgit2.so "

# ---- files that are no libraries ----------------------------------------------------------------------------------------
# over DIR COMMAND…: the loader finds what is in DIR first.
over() { LD_LIBRARY_PATH=$T/$1 eifgen "${@:2}"; }
mkdir "$T/broken" && : >"$T/broken/libcurl.so.4" && : >"$T/broken/$git2"
t "over broken libraries a local pcr is the same" test "$(over broken pcr "oci:$L:v1" "${platform[@]}")" = "$want"
t_exit 2 "a registry over a broken libcurl" over broken ls "$registry"
t_says "is one line that names the library" "library libcurl.so.4, which this needs, cannot be opened: "
t_says "… and the loader's reason" "file too short"
t_exit 2 "a daemon over a broken libcurl" over broken pcr --docker-host "unix://$T/sock" docker-daemon:team/app:v1 "${platform[@]}"
t_says "is one, too" "library libcurl.so.4, "
t_exit 2 "a push over a broken libcurl" over broken push "$T/a.eif" "$registry:v1"
t_says "says so, too" "library libcurl.so.4, "
t_exit 2 "a repository over a broken libgit2" over broken epoch "$T/repository"
t_says "names that library" "library $git2, which this needs, cannot be opened: "
t_exit 2 "so does a build that takes its epoch from one" over broken pcr "oci:$L:v1" "${platform[@]}" --epoch "git:$T/repository"
t_says "and says why" "file too short"

# ---- libraries that are others than their names say ---------------------------------------------------------------------
# stub DIR LIBRARY HEADER PREFIX OWN: every function that the header's table lists, doing nothing, but for OWN from stdin.
stub() {
	mkdir -p "$T/$1"
	{
		cat
		grep -oE '\bX\([a-z0-9_]+\)' "$3" | grep -v "($5)" | sed -E "s/X\((.*)\)/void $4\1(void);\nvoid $4\1(void) {}/"
	} >"$T/$1/stub.c"
	gcc -w -shared -fPIC -fno-builtin -o "$T/$1/$2" "$T/$1/stub.c" >"$T/stub.log" 2>&1 || t_fail "$1/$2 is made"
}
stub old libcurl.so.4 layerfs/curl_api.h curl_ version_info <<'END'
static struct { int age; const char *version; unsigned number; } version = {9, "7.84.0", 0x075400};
void *curl_version_info(int now) { return &version; }
END
stub old "$git2" epoch/git_api.h git_ libgit2_version <<'END'
int git_libgit2_version(int *major, int *minor, int *revision) { *major = 0; *minor = 28; *revision = 4; return 0; }
END
t_exit 2 "a registry over an old libcurl" over old ls "$registry"
t_says "says which it is" "library libcurl.so.4 is version 7.84.0; 7.85.0 or later is needed"
t_exit 2 "a repository over another libgit2" over old epoch "$T/repository"
t_says "says so" "library $git2 is version 0.28.4; "

mkdir "$T/empty" && echo 'int nothing;' >"$T/empty/stub.c"
gcc -shared -fPIC -o "$T/empty/libcurl.so.4" "$T/empty/stub.c"
t_exit 2 "a registry over a libcurl without functions" over empty ls "$registry"
t_says "names one that is missing" "undefined symbol: curl_"
t_done
