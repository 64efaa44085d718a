#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
#
# EIFs through a registry: push and pull against Debian's docker-registry (which has no referrers list, so the fallback
# tag is used), with TLS and a password, and what pull refuses. The artifact's form is checked with jq and skopeo.
. tests/lib.sh
. tests/tools/registry-lib.sh
export HOME=$TEST_TMP
unset REGISTRY_AUTH_FILE XDG_RUNTIME_DIR XDG_CONFIG_HOME DOCKER_CONFIG
cd "$TOP" || exit 1

L=$TEST_TMP/layout T=$TEST_TMP
make_image "$L" || { t_fail "an image is made"; t_done; }
make_certificates
echo kernel >"$T/kernel"
cp "$EIFGEN_BIN/eifgen" "$T/init"
platform=(--kernel "$T/kernel" --cmdline "console=ttyS0" --init "$T/init")
registry_start
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/team/app:v1"
image=docker://$REGISTRY/team/app:v1
t_exit 0 "an EIF is built from the registry" eifgen build "$image" -o "$T/app.eif" "${platform[@]}"
manifest=$(jq -r .Image.Manifest "$T/app.eif.record.json")
raw() { skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/team/app$1" 2>/dev/null; }
t "whose manifest the record names" test "$manifest" = "sha256:$(raw :v1 | sha256sum | cut -d' ' -f1)"

# ---- push ---------------------------------------------------------------------------------------------------------------
t_exit 0 "push" eifgen push "$T/app.eif" "docker://$REGISTRY/team/app:v1-eif"
cp "$T/out" "$T/push.json"
raw :v1-eif >"$T/artifact.json"
pushed=$(jq -r .Manifest "$T/push.json")
t "says the manifest's digest" test "$pushed" = "sha256:$(sha256sum <"$T/artifact.json" | cut -d' ' -f1)"
t "says the PCRs" test "$(jq -c .Measurements.PCR0 "$T/push.json")" = "$(jq -c .Measurements.PCR0 "$T/app.eif.record.json")"
t "the manifest is an artifact's" jq -e '.schemaVersion == 2 and (.artifactType | test("eifgen")) and
	.config.mediaType == "application/vnd.oci.empty.v1+json" and .config.size == 2' "$T/artifact.json"
t "the EIF and the record are its layers" test "$(jq -r '.layers[].digest' "$T/artifact.json")" = \
	"$(sha256sum "$T/app.eif" "$T/app.eif.record.json" | sed 's/ .*//; s/^/sha256:/')"
t "the image is its subject" test "$(jq -r .subject.digest "$T/artifact.json")" = "$manifest"
t "the referrers tag lists it" test "$(raw ":sha256-${manifest#sha256:}" | jq -r '.manifests[].digest')" = "$pushed"
t_exit 0 "push again" eifgen push "$T/app.eif" "docker://$REGISTRY/team/app:v1-eif"
t "gives the same manifest" cmp "$T/out" "$T/push.json"
t "and lists it once" test "$(raw ":sha256-${manifest#sha256:}" | jq '.manifests | length')" = 1
t_exit 0 "push under another name" eifgen push "$T/app.eif" "docker://$REGISTRY/team/app:other"
t "is the same artifact" test "$(jq -r .Manifest "$T/out")" = "$pushed"
t_exit 2 "the artifact is no image" eifgen ls "docker://$REGISTRY/team/app:v1-eif"
t_says "and says so" "not a container image"
t_exit 0 "push where the image is not" eifgen push "$T/app.eif" "docker://$REGISTRY/elsewhere:eif"
t_says "warns" "without a subject"
t "has no subject" test "$(jq .Subject "$T/out")" = null

t_exit 2 "an EIF that is none" eifgen push "$T/kernel" "docker://$REGISTRY/team/app:x"
cp "$T/app.eif" "$T/bad.eif" && printf x | dd of="$T/bad.eif" bs=1 seek=600 conv=notrunc status=none
t_exit 2 "a damaged EIF" eifgen push "$T/bad.eif" "docker://$REGISTRY/team/app:x"
eifgen build "$image" -o "$T/two.eif" --no-record --cmd '["/other"]' "${platform[@]}" >/dev/null
t_exit 2 "another EIF's record" eifgen push "$T/two.eif" --record "$T/app.eif.record.json" "docker://$REGISTRY/team/app:x"
t_says "is named" "the record of another EIF"
t_exit 2 "a reference by digest" eifgen push "$T/app.eif" "docker://$REGISTRY/team/app@$manifest"
t_exit 2 "a reference that is no registry's" eifgen push "$T/app.eif" "oci:$L:v1"
t_exit 2 "one argument" eifgen push "$T/app.eif"
t "nothing of that was pushed" test -z "$(raw :x)"

# ---- pull ---------------------------------------------------------------------------------------------------------------
mkdir "$T/in"
# pulled NAME REFERENCE: the EIF and its record come back
pulled() {
	rm -f "$T"/in/*
	t_exit 0 "$1" eifgen pull "$2" -o "$T/in/got.eif"
	t "$1: the EIF" cmp "$T/in/got.eif" "$T/app.eif"
	t "$1: the record" cmp "$T/in/got.eif.record.json" "$T/app.eif.record.json"
}
pulled "pull by tag" "docker://$REGISTRY/team/app:v1-eif"
t "says the PCRs too" test "$(jq -c .Measurements "$T/out")" = "$(jq -c .Measurements "$T/push.json")"
pulled "pull by digest" "docker://$REGISTRY/team/app@$pushed"
pulled "pull by the image's tag" "$image"
pulled "pull by the image's digest" "docker://$REGISTRY/team/app@$manifest"
(cd "$T/in" && rm -f ./* && TOP=$TOP eifgen pull "docker://$REGISTRY/team/app:v1-eif" >/dev/null)
t "without -o it has the repository's name" cmp "$T/in/app.eif" "$T/app.eif"
t_exit 0 "the record verifies it" eifgen verify "$T/in/app.eif" --record "$T/in/app.eif.record.json"

m=application/vnd.oci.image.manifest.v1+json i=application/vnd.oci.image.index.v1+json
arm=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "v2") | .digest' "$L/index.json")
skopeo copy -q --dest-tls-verify=false "oci:$L:v2" "docker://$REGISTRY/team/app:v2"
cat >"$T/index.json" <<END
{"schemaVersion":2,"mediaType":"$i","manifests":[
{"mediaType":"$m","digest":"$arm","size":$(raw :v2 | wc -c),"platform":{"os":"linux","architecture":"arm64"}},
{"mediaType":"$m","digest":"$manifest","size":$(raw :v1 | wc -c),"platform":{"os":"linux","architecture":"amd64"}}]}
END
curl -sf -X PUT -H "Content-Type: $i" --data-binary "@$T/index.json" "http://$REGISTRY/v2/team/app/manifests/multi"
pulled "pull by the tag of an index that holds the image" "docker://$REGISTRY/team/app:multi"

t_exit 0 "a second EIF of the image" eifgen build "$image" -o "$T/two.eif" --cmd '["/other"]' "${platform[@]}"
t_exit 0 "is pushed" eifgen push "$T/two.eif" "docker://$REGISTRY/team/app:two-eif"
t_exit 2 "then the image's reference is not enough" eifgen pull "$image" -o "$T/in/x.eif"
t_says "and both are named" "several refer to this image"
t_exit 2 "and that of the index is not, either" eifgen pull "docker://$REGISTRY/team/app:multi" -o "$T/in/x.eif"
t_exit 2 "an image without an EIF" eifgen pull "docker://$REGISTRY/team/app:v2" -o "$T/in/x.eif"
t_says "is told" "none in this repository refers to it"
t_exit 2 "no such tag" eifgen pull "docker://$REGISTRY/team/app:nope" -o "$T/in/x.eif"

# ---- what comes altered -------------------------------------------------------------------------------------------------
eif=$(jq -r '.layers[0].digest' "$T/artifact.json") record=$(jq -r '.layers[1].digest' "$T/artifact.json")
proxy_start --upstream "http://$REGISTRY"
echo before >"$T/in/kept.eif"
# refused NAME TEXT RULE…
refused() {
	rules "${@:3}"
	t_exit 2 "$1" eifgen pull "docker://$PROXY/team/app:v1-eif" -o "$T/in/kept.eif"
	t_says "$1: says so" "$2"
	t "$1: what was there stays" test "$(cat "$T/in/kept.eif")" = before
	t_not "$1: no record appears" test -e "$T/in/kept.eif.record.json"
}
refused "an EIF with another byte" "$eif" "blobs/$eif flip -"
refused "a record with another byte" "$record" "blobs/$record flip -"
refused "an EIF that is cut for ever" "after 5 tries" "blobs/$eif cut:0 -"
refused "a manifest with another byte" "manifest" "manifests/v1-eif flip -"
t "no temporary file is left" test -z "$(find "$T/in" -name '*tmp*')"
rules "blobs/$eif cut:1000 1" "blobs/$eif cut:2000 1"
t_exit 0 "an EIF that is cut twice" eifgen pull "docker://$PROXY/team/app:v1-eif" -o "$T/in/kept.eif"
t "comes whole" cmp "$T/in/kept.eif" "$T/app.eif"
rules "POST status:500 1" "PUT status:503:1 1"
t_exit 0 "a push that meets trouble" eifgen push "$T/two.eif" --no-record "docker://$PROXY/fresh:one"
bare() { t_exit 0 "$1" eifgen pull "docker://$REGISTRY/fresh:one" -o "$T/in/fresh.eif"; }
cp "$T/app.eif.record.json" "$T/in/fresh.eif.record.json"
bare "an EIF without a record, where there is one of another"
t_says "is warned of" "fresh.eif.record.json is another EIF's record"
echo other >"$T/in/fresh.eif.record.json"
bare "where there is something else"
t_says "is warned of, too" "fresh.eif.record.json is no record of this EIF"
eifgen build "$image" -o "$T/again.eif" --record "$T/in/fresh.eif.record.json" --cmd '["/other"]' "${platform[@]}" >/dev/null
bare "where there is its own"
t "is the same file" cmp "$T/again.eif" "$T/in/fresh.eif"
t "and nothing is said" test ! -s "$T/err"

# ---- a disk that fails at any write: the pair that was there stays
cp "$T/two.eif" "$T/in/pair.eif"; echo old >"$T/in/pair.eif.record.json"
faulty() { EIFGEN_FAIL=write:$1 "$TOP/build/san/bin/eifgen" pull "docker://$REGISTRY/team/app:v1-eif" -o "$T/in/pair.eif" >"$T/out" 2>&1; }
high=32 low=0 bad=''
while ! faulty $high && [ $high -lt 4096 ]; do high=$((high * 2)); done
while [ $((high - low)) -gt 1 ]; do if faulty $(((low + high) / 2)); then high=$(((low + high) / 2)); else low=$(((low + high) / 2)); fi; done
failed=0
for n in 1 2 3 4 5 $(seq $((low > 18 ? low - 12 : 6)) $((low + 4))); do # how many there are depends on how the bytes come; the last are the files'
	cp "$T/two.eif" "$T/in/pair.eif"; echo old >"$T/in/pair.eif.record.json"
	faulty "$n" && continue
	failed=$((failed + 1))
	cmp -s "$T/two.eif" "$T/in/pair.eif" && grep -qx old "$T/in/pair.eif.record.json" || bad+=" $n"
done
t "a pull meets failing writes" test $failed -gt 3
t "and leaves what was there" test -z "$bad"
faulty 1000000 # more than there are, however the bytes come
t "when none fails both come" cmp "$T/app.eif.record.json" "$T/in/pair.eif.record.json"
rules "PUT /v2/fresh3/blobs partial:100 2"
t_exit 0 "a push whose uploads are cut" eifgen push "$T/two.eif" --no-record "docker://$PROXY/fresh3:one"
t "begins a new upload each time" test "$(grep -c 'POST /v2/fresh3/blobs/uploads/ ' "$PROXY_LOG")" = 4
t_exit 0 "and has stored the EIF" eifgen pull "docker://$REGISTRY/fresh3:one" -o "$T/in/fresh3.eif"
t "whole" cmp "$T/in/fresh3.eif" "$T/two.eif"
rules "PUT partial:100 -"
t_exit 2 "a push that is always cut" eifgen push "$T/two.eif" --no-record "docker://$PROXY/fresh4:one"
t_says "gives up" "after 5 tries"
rules "PUT status:413 -"
t_exit 2 "a push that is refused" eifgen push "$T/two.eif" --no-record "docker://$PROXY/fresh2:one"
t_says "with the status" "answers 413"

# ---- the referrers tag, and others who write it ----------------------------------------------------------------------------
# A list that lacks ours, written by another client right after ours; then it must be made good, and the other's kept.
listing() { raw ":sha256-${manifest#sha256:}"; }
listing >"$T/others.json"
for n in 1 2 3 4; do
	eifgen build "$image" -o "$T/n$n.eif" --no-record --name "n$n" "${platform[@]}" >/dev/null
	jq -c --arg s "$(sha256sum <"$T/n$n.eif" | cut -d' ' -f1)" '.Eif.Sha256 = $s' "$T/app.eif.record.json" >"$T/n$n.eif.record.json"
done
rules "PUT /v2/team/app/manifests/sha256- after:$T/others.json 2"
t_exit 0 "a push whose entry is written over, twice" eifgen push "$T/n1.eif" "docker://$PROXY/team/app:n1"
one=$(jq -r .Manifest "$T/out")
t "wrote it three times" test "$(grep -c 'PUT /v2/team/app/manifests/sha256-' "$PROXY_LOG")" = 3
t "and it stands there" jq -e --arg d "$one" 'any(.manifests[]; .digest == $d)' <(listing)
t "beside all others" test "$(jq -c '.manifests | length' <(listing))" = $(($(jq '.manifests | length' "$T/others.json") + 1))
t "each write said which version it replaces" test "$(grep -c 'PUT /v2/team/app/manifests/sha256-.* If-Match="sha256:' "$PROXY_LOG")" = 3
rules "PUT /v2/team/app/manifests/sha256- status:412 2"
t_exit 0 "a registry that refuses to replace another version" eifgen push "$T/n2.eif" "docker://$PROXY/team/app:n2"
t "is asked again" test "$(grep -c 'PUT /v2/team/app/manifests/sha256-' "$PROXY_LOG")" = 3
t "is read before each" test "$(grep -c 'GET /v2/team/app/manifests/sha256-' "$PROXY_LOG")" = 4
rules "PUT /v2/fresh5/manifests/sha256- status:400 -"
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/fresh5:v1"
t_exit 2 "a list that cannot be written" eifgen push "$T/n2.eif" "docker://$PROXY/fresh5:n2"
t_says "is trouble" "referrers of $manifest"
t "a first list says that there was none" grep -q 'PUT /v2/fresh5/manifests/sha256-.* If-None-Match=\*' "$PROXY_LOG"
rules
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/crowd:v1"
pushers=()
for n in 1 2 3 4; do
	eifgen push "$T/n$n.eif" "docker://$REGISTRY/crowd:n$n" >"$T/crowd.$n" 2>"$T/crowd.$n.err" &
	pushers+=($!)
done
for pid in "${pushers[@]}"; do wait "$pid" || t_fail "a push among others ended with 0"; done
t "four at once are all listed" test "$(skopeo inspect --raw --tls-verify=false "docker://$REGISTRY/crowd:sha256-${manifest#sha256:}" |
	jq -r '.manifests[].digest' | sort)" = "$(jq -r .Manifest "$T"/crowd.[1-4] | sort)"

# ---- a registry that keeps referrers itself -----------------------------------------------------------------------------
proxy_start --upstream "http://$REGISTRY" --referrers
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/listed:v1"
t_exit 0 "push where referrers are kept" eifgen push "$T/app.eif" "docker://$PROXY/listed:eif"
t_not "needs no tag" grep -q "PUT /v2/listed/manifests/sha256-" "$PROXY_LOG"
t_exit 0 "pull by the image there" eifgen pull "docker://$PROXY/listed:v1" -o "$T/in/listed.eif"
t "asks for the list" grep -q "GET /v2/listed/referrers/$manifest" "$PROXY_LOG"
t "and gets the EIF" cmp "$T/in/listed.eif" "$T/app.eif"
t "from its second page" grep -q "GET /v2/listed/referrers/$manifest?last=1" "$PROXY_LOG"
t_exit 0 "a second EIF, whose place is on the third" eifgen push "$T/two.eif" "docker://$PROXY/listed:two"
t_exit 2 "is seen, too" eifgen pull "docker://$PROXY/listed:v1" -o "$T/in/x.eif"
t_says "so the image is not enough" "several refer to this image"
proxy_start --upstream "http://$REGISTRY" --referrers --circle
t_exit 2 "a list whose pages never end" eifgen pull "docker://$PROXY/listed:v1" -o "$T/in/x.eif"
t_says "is left" "more than 64 pages"

# ---- a record whose tag has moved on --------------------------------------------------------------------------------------
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/moving:tag"
t_exit 0 "a build from a tag" eifgen build "docker://$REGISTRY/moving:tag" -o "$T/moving.eif" "${platform[@]}"
skopeo copy -q --dest-tls-verify=false "oci:$L:v2" "docker://$REGISTRY/moving:tag"
again=("$T/moving.eif.record.json" --kernel "$T/kernel" --init "$T/init" --no-nsm)
t_exit 0 "is built again by the record's digest" eifgen rebuild "${again[@]}"
t "and is the same" jq -e .Reproduced "$T/out"
t_exit 0 "from another repository that has it, too" eifgen rebuild "${again[@]}" --image "docker://$REGISTRY/listed:v1"
skopeo copy -q --dest-tls-verify=false --format v2s2 "oci:$L:v1" "docker://$REGISTRY/mirror:tag"
t_exit 0 "and from a mirror with another manifest" eifgen -v rebuild "${again[@]}" --image "docker://$REGISTRY/mirror:tag"
t "in one pass there, too" bash -c '! grep -q "read once more" "$0"' "$TEST_TMP/err"
skopeo copy -q --dest-tls-verify=false "oci:$L:v2" "docker://$REGISTRY/mirror2:tag"
t_exit 2 "but not from one that has another image" eifgen rebuild "${again[@]}" --image "docker://$REGISTRY/mirror2:tag"
t_says "by its config" "Image.Config is"

# ---- built, signed later, pushed ------------------------------------------------------------------------------------------
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes -keyout "$T/k.pem" -out "$T/c.pem" -subj /CN=t -days 9 2>/dev/null
t_exit 0 "built signed" eifgen build "$image" -o "$T/at-once.eif" "${platform[@]}" --sign-key "$T/k.pem" --sign-cert "$T/c.pem"
cp "$T/app.eif" "$T/later.eif" && cp "$T/app.eif.record.json" "$T/later.eif.record.json"
t_exit 0 "signed later" eifgen sign "$T/later.eif" --key "$T/k.pem" --cert "$T/c.pem"
t "is the same file" cmp "$T/later.eif" "$T/at-once.eif"
t "with the same record" cmp "$T/later.eif.record.json" "$T/at-once.eif.record.json"
t_exit 0 "is pushed" eifgen push "$T/later.eif" "docker://$REGISTRY/team/app:signed"
t_exit 0 "and pulled" eifgen pull "docker://$REGISTRY/team/app:signed" -o "$T/in/signed.eif"
t_exit 0 "its record verifies it" eifgen verify "$T/in/signed.eif" --record "$T/in/signed.eif.record.json" --require-signed
cp "$T/app.eif" "$T/aws.eif" && cp "$T/app.eif.record.json" "$T/aws.eif.record.json"
eifgen sign "$T/aws.eif" --no-record --key "$T/k.pem" --cert "$T/c.pem" >/dev/null
t_exit 2 "signed without its record" eifgen push "$T/aws.eif" "docker://$REGISTRY/team/app:aws"
t_says "is told why" "before it was signed"

# ---- with TLS and a password --------------------------------------------------------------------------------------------
registry_start tls htpasswd
printf '{"auths":{"%s":{"auth":"%s"}}}' "$REGISTRY" "$(printf user:secret | base64)" >"$T/auth.json"
auth=(--tls-ca "$T/tls.crt" --authfile "$T/auth.json")
t_exit 0 "push with TLS and a password" eifgen push "${auth[@]}" "$T/app.eif" "docker://$REGISTRY/app:eif"
t_exit 0 "pull with TLS and a password" eifgen pull "${auth[@]}" "docker://$REGISTRY/app:eif" -o "$T/in/secret.eif"
t "comes back" cmp "$T/in/secret.eif" "$T/app.eif"
t_exit 2 "push without the password" eifgen push --tls-ca "$T/tls.crt" "$T/app.eif" "docker://$REGISTRY/app:eif2"
t_done
