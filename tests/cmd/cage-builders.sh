#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Which builder `cage build` takes, what each is told to the letter, and what is left when one fails or is interrupted.
# The builders here are scripts of that name in PATH, which write down their arguments and hand over a ready image; the real
# ones are in cmd/cage (buildah, podman). And: what the command does with its outputs before anything has its name.
. tests/lib.sh
W=$TEST_TMP P=$TOP/testdata/images/platform

mkdir -p "$W/runtime" "$W/project" "$W/image"
tests/tools/stand_in_bundle.py "$W/runtime"
# The image that the scripts hand over, by the name that they are asked for.
cp -r testdata/images/user/. "$W/image"
python3 - "$W/image/index.json" <<'END_PY'
import json, sys
index = json.load(open(sys.argv[1]))
index["manifests"][0].setdefault("annotations", {})["org.opencontainers.image.ref.name"] = "cage"
json.dump(index, open(sys.argv[1], "w"))
END_PY

# fake DIR NAME: a builder of that name in DIR.
fake() {
	mkdir -p "$1"
	cat >"$1/$2" <<END_SH
#!/bin/bash
{ printf '%s' "$2"; printf ' %s' "\$@"; echo; } >>"$W/calls"
echo "SOURCE_DATE_EPOCH=\$SOURCE_DATE_EPOCH" >>"$W/epochs"
[ "\${FAKE:-}" != speak ] || echo "the builder speaks"
case "\$1 \$2" in
"push "*)
	d=\${3#oci:} d=\${d%:cage}
	mkdir -p "\$d/blobs"
	[ "\${FAKE:-}" != push ] || exit 4
	cp -r "$W/image/." "\$d"
	[ "\${FAKE:-}" != mark ] || echo >>"\$d/index.json" ;; # another image to look at
"buildx build") for a; do case \$a in --output=*) d=\${a#*dest=}; tar -C "$W/image" -cf "\${d%%,*}" . ;; esac; done ;;
esac
case "\${FAKE:-} \$1" in
"fail "build | "fail "buildx) exit 3 ;;
"wait "build) echo \$\$ >"$W/waiting"; exec sleep 60 ;;
esac
END_SH
	chmod 755 "$1/$2"
}
mkdir "$W/bin"
for tool in bash sh cat mkdir cp tar sleep git env; do ln -s "$(command -v $tool)" "$W/bin/$tool"; done
for b in buildah podman docker; do fake "$W/only-$b" $b; fake "$W/all" $b; done
fake "$W/two" podman; fake "$W/two" docker

cd "$W/project" || exit 1
printf 'FROM scratch\nEXPOSE 80\nCMD ["/x"]\n' >Dockerfile
printf '{\n\t"name" : "shop",   "service": {"port": 80},\n\t"tls_termination": false\n}\n' >cage.json
cp cage.json "$W/original.json"
# cage PATH-DIR OPTION…: with only that directory's builders installed.
cage() { local dir=$1; shift; : >"$W/calls"; : >"$W/epochs"; env PATH="$dir:$W/bin" "$EIFGEN_BIN/eifgen" cage build --runtime "$W/runtime" --blobs "$P" --epoch 1700000000 "$@"; }
first() { head -n 1 "$W/calls" | cut -d' ' -f1; }

# ---- which ------------------------------------------------------------------------------------------------------------
FAKE=speak t_exit 0 "all three are there" cage "$W/all"
t "buildah is taken" test "$(first)" = buildah
t_says "what a builder says is on standard error" "the builder speaks"
t "and not in the answer" jq -e .Measurements.PCR0 "$TEST_TMP/out"
cp "$TEST_TMP/out" "$W/buildah.json"
t_exit 0 "podman and docker are there" cage "$W/two"
t "podman is taken" test "$(first)" = podman
t_exit 0 "docker alone is there" cage "$W/only-docker"
t "docker is taken" test "$(first)" = docker
t_exit 0 "--builder decides" cage "$W/all" --builder docker
t "for docker" test "$(first)" = docker
t_exit 0 "--builder podman" cage "$W/all" --builder podman
t "for podman" test "$(first)" = podman
t "all of them give the same registers for the same image" test "$(jq -c .Measurements "$TEST_TMP/out")" = "$(jq -c .Measurements "$W/buildah.json")"
t_exit 2 "none is there" cage "$W/none"
t_says "which it says" "no builder is installed: install buildah, podman or docker"
t_exit 2 "one that is not there" cage "$W/only-docker" --builder buildah
t_says "which it says, too" "buildah cannot be run: is it installed?"

# ---- what they are told -------------------------------------------------------------------------------------------------
cap() { local l; l=$(ulimit -H "$1"); if [ "$l" = unlimited ] || [ "$l" -gt "$2" ]; then l=$2; fi; echo "$l:$l"; }
pid_max=$(cat /proc/sys/kernel/pid_max)
limits="--ulimit=nofile=$(cap -n 1048576) --ulimit=nproc=$(cap -u $((pid_max < 1048576 ? pid_max : 1048576)))"
for b in buildah podman; do
	t_exit 0 "$b builds cold with an argument" cage "$W/only-$b" --no-cache --build-arg "A=b c" --arch x86_64 .
	name=$(sed -n 's/.*--tag=\([^ ]*\) .*/\1/p' "$W/calls")
	cat >"$W/want" <<-END_WANT
		$b build --timestamp=1700000000 --tag=$name --isolation=chroot --layers=false $limits --platform=linux/amd64 --build-arg=SOURCE_DATE_EPOCH=1700000000 --file=./Dockerfile --no-cache --build-arg=A=b c .
		$b push $name oci:shop.eif.oci.new:cage
		$b rmi $name
	END_WANT
	t "$b is told so, and nothing else" diff "$W/want" "$W/calls"
	t "with the epoch in its environment, each time" test "$(sort -u "$W/epochs")" = SOURCE_DATE_EPOCH=1700000000
done
t_exit 0 "docker builds cold" cage "$W/only-docker" --no-cache
cat >"$W/want" <<'END_WANT'
docker buildx build --provenance=false --sbom=false --output=type=oci,dest=shop.eif.oci.new.tar,rewrite-timestamp=true --platform=linux/amd64 --build-arg=SOURCE_DATE_EPOCH=1700000000 --file=./Dockerfile --no-cache .
END_WANT
t "docker is told so, and nothing else" diff "$W/want" "$W/calls"
t "with the epoch in its environment" test "$(sort -u "$W/epochs")" = SOURCE_DATE_EPOCH=1700000000
t_exit 0 "without --no-cache" cage "$W/only-docker"
t_not "no builder is told to be cold" grep -q no-cache "$W/calls"
t "the record names the image where it is" test "$(jq -r .Image.Reference shop.eif.record.json)" = oci:shop.eif.oci
t_exit 0 "from which the EIF is built again" eifgen rebuild shop.eif.record.json --blobs "$P" --cage cage.json --runtime "$W/runtime"

# ---- what is written -----------------------------------------------------------------------------------------------------
t "the PCRs are the EIF's" test "$(jq -r .attestation.PCR0 cage.json)" = "$(eifgen pcr shop.eif | jq -r .Measurements.PCR0)"
t "every other byte of cage.json is as it was" test "$(head -c "$(($(stat -c %s "$W/original.json") - 3))" cage.json)" = \
	"$(head -c "$(($(stat -c %s "$W/original.json") - 3))" "$W/original.json")"
t "and no key is new but one" test "$(jq -c 'del(.attestation)' cage.json)" = "$(jq -c . "$W/original.json")"
chmod 640 cage.json; jq 'del(.attestation)' cage.json >"$W/real.json"; chmod 640 "$W/real.json"; ln -sf "$W/real.json" link.json
t_exit 0 "a cage.json that is a symlink" cage "$W/all" --config link.json
t "is still one" test -L link.json
t "its target has the PCRs" jq -e .attestation.PCR2 "$W/real.json"
t "and the permissions that it had" test "$(stat -c %a "$W/real.json")" = 640
ls >"$W/listing"
t "nothing but the outputs is left" diff - "$W/listing" <<'END_LIST'
Dockerfile
cage.json
link.json
shop.eif
shop.eif.oci
shop.eif.record.json
END_LIST

# ---- what is not -----------------------------------------------------------------------------------------------------------
everything() { find . -type f -exec sha256sum {} + | sort -k2; find . | sort; }
everything >"$W/before"
unharmed() { everything | diff "$W/before" -; }
for b in buildah podman docker; do
	FAKE=fail t_exit 2 "a $b that fails" cage "$W/only-$b"
	t "is named with its status" grep -qE "^eifgen: unable to build .*: $b buildx? ended with status 3$" "$TEST_TMP/err"
	t "nothing is written and nothing is lost" unharmed
done
FAKE=push t_exit 2 "a push that breaks off" cage "$W/all"
t "leaves the earlier image, and no part of the new one" unharmed
t "its builder was told to drop what it had built" grep -q "^buildah rmi localhost/eifgen-cage-" "$W/calls"
FAKE=mark t_exit 2 "a platform that is not there, seen after the image was built" cage "$W/all" --blobs "$W/nowhere"
t "leaves everything as it was" unharmed
full() { cage "$@" >/dev/full; }
FAKE=mark t_exit 2 "a full disk for the answer" full "$W/all" --epoch 1700000001
t "leaves everything as it was, the image too" unharmed
t_exit 2 "a full disk at the first build" full "$W/all" -o "$W/virgin.eif"
t "leaves nothing" test "$(cd "$W" && echo virgin*)" = "virgin*"

# interrupted SIGNAL: eifgen gets it while the builder runs.
interrupted() {
	rm -f "$W/waiting"
	FAKE=wait PATH="$W/only-buildah:$W/bin" "$EIFGEN_BIN/eifgen" cage build --runtime "$W/runtime" --blobs "$P" --epoch 1 >"$W/o" 2>"$W/e" & # no subshell: the signal is for eifgen itself
	local pid=$!
	for _ in $(seq 100); do [ -s "$W/waiting" ] && break; sleep 0.1; done
	kill "-$1" $pid
	wait $pid
	[ $? -eq 2 ] && grep -q "buildah build was killed by signal $(kill -l "$1")" "$W/e" && ! kill -0 "$(cat "$W/waiting")" 2>/dev/null
}
t "a signal that ends the command ends the builder" interrupted TERM
t "and leaves everything as it was" unharmed

# ---- outputs that are inputs -------------------------------------------------------------------------------------------------
eifgen cert new --key-out "$W/key.pem" --cert-out "$W/cert.pem" >/dev/null
t_exit 2 "a certificate without its key is no unsigned cage" cage "$W/all" --sign-cert "$W/cert.pem" -o "$W/half.eif"
t "nothing of it is there" test ! -e "$W/half.eif"
cp "$P/init" "$W/init"; ln -s "$W/project/Dockerfile" "$W/docker.link"
for out in Dockerfile ./cage.json "$W/project/cage.json" "$W/project/../project/Dockerfile" "$W/docker.link" "$W/init" "$W/key.pem"; do
	t_exit 2 "-o ${out#"$W"/}" cage "$W/all" --init "$W/init" --sign-key "$W/key.pem" --sign-cert "$W/cert.pem" -o "$out"
	t_says "is an input" "is an input, too"
	t "and no builder was run" test ! -s "$W/calls"
done
t_exit 2 "--record cage.json" cage "$W/all" --record cage.json
t_says "is an input, too" "the output cage.json is an input, too"
t_exit 2 "record and EIF in one place" cage "$W/all" -o a.eif --record ./a.eif
t_says "is refused" "two outputs are named a.eif"
mkdir -p "$W/mine.eif.oci" && echo precious >"$W/mine.eif.oci/notes"
t_exit 2 "a directory of somebody's where the image would go" cage "$W/all" -o "$W/mine.eif"
t_says "is not touched" "is there and is no OCI layout"
t "and keeps what it holds" test "$(cat "$W/mine.eif.oci/notes")" = precious
t "nothing else came there" test "$(cd "$W" && echo mine.*)" = "mine.eif.oci"
t "all the while nothing changed" unharmed

# ---- where cage.json and the repository are --------------------------------------------------------------------------
git init -q "$W/kept" && cp "$W/project/Dockerfile" "$W/kept/" && git -C "$W/kept" add -A &&
	GIT_COMMITTER_DATE=@1710000000 git -C "$W/kept" -c user.name=a -c user.email=a@b commit -qm one
git_cage() { env PATH="$W/only-buildah:$W/bin" "$EIFGEN_BIN/eifgen" cage build --runtime "$W/runtime" --blobs "$P" --config "$W/original.json" "$@"; }
: >"$W/epochs"
FAKE=speak t_exit 0 "a cage.json that is not in the context's repository" git_cage -f "$W/kept/Dockerfile" "$W/kept" --no-write -o "$W/kept.eif"
t "leaves the epoch to the last commit" test "$(sort -u "$W/epochs")" = SOURCE_DATE_EPOCH=1710000000
echo "gitdir: $W/gone/.git/worktrees/lost" >"$W/lost.git"; mkdir "$W/lost"; cp "$W/kept/Dockerfile" "$W/lost/"; mv "$W/lost.git" "$W/lost/.git"
t_exit 2 "a context whose repository is not there is not built with the default" git_cage "$W/lost" --no-write -o "$W/lost.eif"
t_says "and the reason names it" "gone/.git/worktrees/lost"
t_done
