#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 1200
#
# `eifgen cage dockerfile` and `cage init`. Each construct against its golden file (testdata/cage/dockerfile/NAME.in, NAME.want;
# UPDATE=1 writes them anew); and the printed file built by buildah gives the root file system that the overlay gives.
. tests/lib.sh

# A bundle whose bytes never change, so that the golden files hold its digests.
tests/tools/stand_in_bundle.py "$TEST_TMP/bundle"
echo '{"name": "x", "tls_termination": false}' >"$TEST_TMP/cage.json"
dir=testdata/cage/dockerfile
print() { eifgen cage dockerfile -f "$dir/$1.in" --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle" "${@:2}" >"$TEST_TMP/$1.out"; }
for in in "$dir"/*.in; do
	name=$(basename "$in" .in) more=()
	[ "$name" != base ] || more=(--base-config "$dir/base.config.json")
	t "$name: prints" print "$name" "${more[@]}"
	[ -z "${UPDATE:-}" ] || cp "$TEST_TMP/$name.out" "$dir/$name.want"
	t "$name: as the golden file" diff "$dir/$name.want" "$TEST_TMP/$name.out"
	t "$name: the project's own text comes first, byte for byte" cmp "$in" <(head -c "$(stat -c %s "$in")" "$TEST_TMP/$name.out")
done
t_exit 0 "an address makes ADD with checksums" eifgen cage dockerfile -f $dir/shell.in --config "$TEST_TMP/cage.json" \
	--runtime "$TEST_TMP/bundle" --runtime-from https://example.com/r
t "for each of the three files" test "$(grep -c '^ADD --checksum=sha256:[0-9a-f]\{64\} https://example.com/r/' "$TEST_TMP/out")" = 3
for where in "" "a b" $'a\nUSER x' http://example.com/r '$X' 'a*' --from=x; do
	t_exit 2 "a place that is no plain one is refused: ${where@Q}" eifgen cage dockerfile -f $dir/shell.in --config "$TEST_TMP/cage.json" \
		--runtime "$TEST_TMP/bundle" --runtime-from "$where"
done
t_exit 2 "a base whose command is not known is refused" eifgen cage dockerfile -f $dir/base.in --config "$TEST_TMP/cage.json" \
	--runtime "$TEST_TMP/bundle"
t_says "with what to give" "give --base-config"
printf 'FROM scratch\nRUN <<EOF\n' >"$TEST_TMP/open"
t_exit 2 "a heredoc without an end is refused" eifgen cage dockerfile -f "$TEST_TMP/open" --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle"
t_says "with its line" "line 2: a heredoc has no end"

printf 'FROM scratch\nCMD ["/x"]\nENV A=b \\\n# c\n' >"$TEST_TMP/open"
t_exit 2 "a last line that goes on is refused" eifgen cage dockerfile -f "$TEST_TMP/open" --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle"
t_says "since what is printed behind it would belong to it" "the last line ends with a continuation mark"
printf 'FROM scratch AS amd64\nCMD ["/x"]\nFROM scratch AS arm64\nCMD ["/y"]\nFROM $TARGETARCH\nEXPOSE 80/TCP 5000-5001/udp\n' >"$TEST_TMP/arch"
arch() { eifgen cage dockerfile -f "$TEST_TMP/arch" --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle" "$@" | sed -n "s/.*printf '%s.n' '\\(.*\\)' > cmd$/\\1/p"; }
t "the text is read for x86_64" test "$(arch)" = /x
t "or for another architecture" test "$(arch --arch aarch64)" = /y
t_exit 2 "of the two that there are" eifgen cage dockerfile -f "$TEST_TMP/arch" --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle" --arch riscv

# The printed script that makes numbers of USER, on files of every kind that a hand writes.
mkdir -p "$TEST_TMP/etc/service/x"
printf 'app:x\nother:x:a:b::/no:/no\n\nfirst:x:7:8::/srv:/no\napp:x:1000:1001:A:/home/app:/no' >"$TEST_TMP/etc/passwd"
printf 'bad:x:y:app\nwheel:x:20:first,app\nadm:x:4:app\nown:x:1001:app\nlast:x:30:app' >"$TEST_TMP/etc/group"
who() { # who USER: what it becomes
	printf 'FROM scratch\nUSER %s\nCMD ["/x"]\nEXPOSE 80\n' "$1" >"$TEST_TMP/user"
	eifgen cage dockerfile -f "$TEST_TMP/user" --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle" | sed -n "s/^RUN \\(.*; u='.*\\)/\\1/p" |
		sed "s|/etc/|$TEST_TMP/etc/|g" >"$TEST_TMP/who.sh"
	"${SHELL_UNDER_TEST[@]}" "$TEST_TMP/who.sh" && echo "$(cat "$TEST_TMP/etc/service/x/user")$(sed -n 's/^HOME=/ /p' "$TEST_TMP/etc/service/x/env")"
}
for shell in dash "busybox sh"; do
	read -ra SHELL_UNDER_TEST <<<"$shell"
	t "$shell: a name in a last line without its end, malformed lines before it" test "$(who app)" = "1000:1001:4,20,30 /home/app"
	t "$shell: a group in such a line" test "$(who app:last)" = "1000:30: /home/app"
	t "$shell: a number without a line" test "$(who 55)" = "55:0: /"
	t_not "$shell: a name without one" who nobody
done

echo '{"name": "x", "tls_termination": false}' >"$TEST_TMP/noport.json"
printf 'FROM scratch\nEXPOSE 80 81\nCMD ["/x"]\n' >"$TEST_TMP/two-ports"
t_exit 2 "two ports and none in cage.json are refused" eifgen cage dockerfile -f "$TEST_TMP/two-ports" --config "$TEST_TMP/noport.json" \
	--runtime "$TEST_TMP/bundle"
t_says "with the key" "service.port: missing"
jq '.config.OnBuild = ["USER builder", "ENV TRIGGERED=yes"]' $dir/base.config.json >"$TEST_TMP/onbuild.json"
t_exit 0 "a base image's ONBUILD" eifgen cage dockerfile -q -f $dir/base.in --config "$TEST_TMP/cage.json" --runtime "$TEST_TMP/bundle" \
	--base-config "$TEST_TMP/onbuild.json"
t "acts as it does in the builder" test "$(grep -c "u='builder'.* 'TRIGGERED=yes'" "$TEST_TMP/out")" = 1
t_exit 0 "a Dockerfile that is named by cage.json" bash -c 'mkdir -p "$1/proj/sub" && cp "$2/forms.in" "$1/proj/sub/My.Dockerfile" &&
	echo "{\"name\": \"x\", \"dockerfile\": \"sub/My.Dockerfile\"}" >"$1/proj/cage.json" && "$3" cage dockerfile --config "$1/proj/cage.json" --runtime "$1/bundle"' - \
	"$TEST_TMP" $dir "$EIFGEN_BIN/eifgen"
t "is found beside it" cmp $dir/forms.in <(head -c "$(stat -c %s $dir/forms.in)" "$TEST_TMP/out")

# ---- init ------------------------------------------------------------------------------------------------------------
mkdir "$TEST_TMP/My Project"
cp testdata/cage/full/Dockerfile "$TEST_TMP/My Project/"
t_exit 0 "init writes a cage.json" eifgen cage init "$TEST_TMP/My Project" --destination api.example.com:443
t "with the directory's name, as a label" test "$(jq -r .name "$TEST_TMP/My Project/cage.json")" = my-project
t "and the Dockerfile's port" test "$(jq .service.port "$TEST_TMP/My Project/cage.json")" = 8080
t "and the destination" test "$(jq -c .egress "$TEST_TMP/My Project/cage.json")" = '{"enabled":true,"destinations":["api.example.com:443"]}'
t "and a .dockerignore that names it" grep -qx cage.json "$TEST_TMP/My Project/.dockerignore"
t_exit 2 "init changes nothing that is there" eifgen cage init "$TEST_TMP/My Project"
t_says "and says so" "is there already: it was not changed"
mkdir "$TEST_TMP/two-ports.d"
cp "$TEST_TMP/two-ports" "$TEST_TMP/two-ports.d/Dockerfile"
t_exit 0 "init of a Dockerfile that exposes two" eifgen cage init "$TEST_TMP/two-ports.d" --name pair
t_says "says that the port is to be named" "set service.port in cage.json"
t "and writes none" test "$(jq -c .service "$TEST_TMP/two-ports.d/cage.json")" = '{}'
t_exit 2 "init with a destination that allows everything" eifgen cage init "$TEST_TMP/two-ports.d" --name pair --destination 0.0.0.0/0:443
t_says "is refused with the key" "egress.destinations[0]: allows every address"
t_exit 2 "init without a Dockerfile is trouble" eifgen cage init "$TEST_TMP"
t_exit 2 "init with an absolute path of a Dockerfile is refused" eifgen cage init "$TEST_TMP/two-ports.d" -f "$TEST_TMP/two-ports"
t_says "with the reason" "--file wants a path relative to $TEST_TMP/two-ports.d"
mkdir "$TEST_TMP/link.d"; cp "$TEST_TMP/two-ports" "$TEST_TMP/link.d/Dockerfile"; ln -s /nonexistent/c.json "$TEST_TMP/link.d/cage.json"
t_exit 2 "init leaves a link to nothing, too" eifgen cage init -q "$TEST_TMP/link.d" --name pair
t "as it was" test "$(readlink "$TEST_TMP/link.d/cage.json")" = /nonexistent/c.json
# A directory so deep that cage.json can be written and .dockerignore, by four bytes of its name, cannot.
deep=$(cd "$TEST_TMP" && while [ ${#PWD} -lt 3850 ]; do d=$(printf %0200d 0) && mkdir "$d" && cd "$d" || exit 1; done &&
	d=$(printf "%0$((4071 - ${#PWD}))d" 0) && mkdir "$d" && cp "$TEST_TMP/two-ports" "$d/Dockerfile" && echo "$PWD/$d")
t "a deep directory" test ${#deep} = 4072
t_not "init that cannot write its second file fails" eifgen cage init -q "$deep" --name pair
t "and leaves neither" test "$(cd "$TEST_TMP" && find 0* -type f -printf "%f ")" = "Dockerfile "
rm -rf "$TEST_TMP"/0*
t_exit 2 "a project without cage.json" eifgen cage dockerfile "$TEST_TMP/two-ports.d/nowhere" --runtime "$TEST_TMP/bundle"
t_says "is told what makes one" 'eifgen cage init'
t_exit 2 "a reference as Docker has it" eifgen pcr docker.io/library/redis:7
t_says "is told the form that is known" "docker://HOST/REPO:TAG"

# ---- the same image, two ways ----------------------------------------------------------------------------------------
t "the installer's bundle can be built" make -s installer
printf 'int main(void) { return 0; }\n' >"$TEST_TMP/dp.c"
gcc -static -O2 -o "$TEST_TMP/cage-data-plane" "$TEST_TMP/dp.c" && cp "$TEST_TMP/cage-data-plane" "$TEST_TMP/cage-data-plane-no-egress"
t "a runtime bundle is made" runtime/bundle "$TEST_TMP/real" "$EIFGEN_BIN/init" "$EIFGEN_BIN/cage-service" \
	build/installer/runtime-dependencies.tar "$TEST_TMP/cage-data-plane" "$TEST_TMP/cage-data-plane-no-egress"
limits=(--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)")
platform=$TOP/build/debian-platform
t "Debian's kernel can be had" tests/tools/debian-platform.sh "$platform"
build() { # build DOCKERFILE CONTEXT LAYOUT
	buildah build --isolation chroot "${limits[@]}" -f "$1" -t "localhost/eifgen-two-$$" "$2" && buildah push "localhost/eifgen-two-$$" "oci:$3:x" &&
		buildah rmi "localhost/eifgen-two-$$"
}
# Paths, types, modes, owners, contents below rootfs; what README names is left out: the builders' own files.
rows() { eifgen ls "$1" --json | jq -r '.entries[] | select(.path | startswith("rootfs/")) |
	[.path, .type, .mode, .uid, .gid, .sha256 // "", .target // ""] | @tsv' | grep -vE '^rootfs/etc/(hosts|resolv.conf|hostname)\b'; }
for name in full forms; do
	context=$TEST_TMP/$name
	cp -r "testdata/cage/$name" "$context"; cp /bin/busybox "$context/"
	t "$name: the overlay way" eifgen cage build "$context" --runtime "$TEST_TMP/real" --blobs "$platform" --init "$TEST_TMP/real/init" --no-nsm \
		-o "$TEST_TMP/$name.overlay.eif" --no-write
	eifgen cage dockerfile "$context" --runtime "$TEST_TMP/real" >"$TEST_TMP/Dockerfile"
	mkdir "$context/cage-runtime"; cp "$TEST_TMP"/real/* "$context/cage-runtime/"
	t "$name: the Dockerfile way" build "$TEST_TMP/Dockerfile" "$context" "$TEST_TMP/$name.two"
	t_exit 0 "$name: its image builds" eifgen build "oci:$TEST_TMP/$name.two:x" --blobs "$platform" --init "$TEST_TMP/real/init" --no-nsm \
		-o "$TEST_TMP/$name.two.eif"
	rows "$TEST_TMP/$name.overlay.eif" >"$TEST_TMP/one.rows"
	rows "$TEST_TMP/$name.two.eif" >"$TEST_TMP/two.rows"
	t "$name: a whole tree is compared" test "$(wc -l <"$TEST_TMP/one.rows")" -gt 100
	t "$name: both ways give the same root file system" diff "$TEST_TMP/one.rows" "$TEST_TMP/two.rows"
	for e in overlay two; do
		eifgen extract "$TEST_TMP/$name.$e.eif" -C "$TEST_TMP/$e.parts" >/dev/null
		(cd "$TEST_TMP/$e.parts" && cpio -i --quiet --to-stdout cmd <ramdisk-2.cpio >cmd)
	done
	t "$name: and the same command" cmp "$TEST_TMP/overlay.parts/cmd" "$TEST_TMP/two.parts/cmd"
	rm -rf "$TEST_TMP"/{overlay,two}.parts
done
t_done
