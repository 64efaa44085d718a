#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
#
# docker:// against Debian's docker-registry on loopback: plain, with TLS, with a password; by tag, by digest, through an
# index; filled by skopeo. What a registry gives must equal what the OCI layout gives, byte for byte of the listing.
. tests/lib.sh
. tests/tools/registry-lib.sh
export HOME=$TEST_TMP
unset REGISTRY_AUTH_FILE XDG_RUNTIME_DIR XDG_CONFIG_HOME DOCKER_CONFIG DOCKER_HOST
cd "$TOP" || exit 1

L=$TEST_TMP/layout
make_image "$L" || { t_fail "an image is made"; t_done; }
make_certificates || { t_fail "certificates are made"; t_done; }
eifgen ls --json "oci:$L:v1" >"$TEST_TMP/v1.json" || t_fail "the layout is read"
manifest=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "v1") | .digest' "$L/index.json")

# same NAME OPTION… REFERENCE: the listing equals the layout's
same() {
	local name=$1; shift
	t_exit 0 "$name" eifgen ls --json "$@"
	t "$name: same as the layout" cmp "$TEST_TMP/out" "$TEST_TMP/v1.json"
}

# ---- plain, on loopback -------------------------------------------------------------------------------------------------
registry_start
plain=$REGISTRY
t "skopeo fills the registry" skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$plain/team/app:v1"
skopeo copy -q --dest-tls-verify=false --format v2s2 "oci:$L:v1" "docker://$plain/team/app:docker" 2>/dev/null
same "a tag" "docker://$plain/team/app:v1"
same "a digest" "docker://$plain/team/app@$manifest"
same "one layer after the other" --threads 1 "docker://$plain/team/app:v1"
same "Docker's media types" "docker://$plain/team/app:docker"
same "localhost is loopback" "docker://localhost:${plain#*:}/team/app:v1"
same "--plain-http" --plain-http "docker://$plain/team/app:v1"
t_exit 2 "a tag that is not there" eifgen ls "docker://$plain/team/app:nope"
t_says "and the registry's word for it" "manifest unknown"
t_exit 2 "a repository that is not there" eifgen ls "docker://$plain/nothing/here"
t_exit 2 "a registry that is not there" eifgen ls "docker://127.0.0.1:$(free_port)/x"
t_says "and which" "registry 127.0.0.1:"
t_exit 2 "--tls-ca insists on TLS" eifgen ls --tls-ca "$TEST_TMP/tls.crt" "docker://$plain/team/app:v1"
t_exit 2 "--tls-ca names a file" eifgen ls --tls-ca "$TEST_TMP/nowhere" "docker://$plain/team/app:v1"

# An index of two platforms, put there by hand.
size=$(stat -c %s "$L/blobs/sha256/${manifest#sha256:}")
other=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "v2") | .digest' "$L/index.json")
skopeo copy -q --dest-tls-verify=false "oci:$L:v2" "docker://$plain/team/app:v2"
osize=$(stat -c %s "$L/blobs/sha256/${other#sha256:}")
m=application/vnd.oci.image.manifest.v1+json i=application/vnd.oci.image.index.v1+json
cat >"$TEST_TMP/index.json" <<END
{"schemaVersion":2,"mediaType":"$i","manifests":[
{"mediaType":"$m","digest":"$other","size":$osize,"platform":{"os":"linux","architecture":"arm64"}},
{"mediaType":"$m","digest":"$manifest","size":$size,"platform":{"os":"linux","architecture":"amd64"}}]}
END
curl -sf -X PUT -H "Content-Type: $i" --data-binary "@$TEST_TMP/index.json" "http://$plain/v2/team/app/manifests/multi"
same "an index, by the EIF's arch" "docker://$plain/team/app:multi"
t_exit 2 "a platform that is not the EIF's" eifgen ls --platform linux/arm64 "docker://$plain/team/app:multi"
t_says "is told from what is wanted" "another machine than linux/amd64"
jq -c '.manifests |= .[:1]' "$TEST_TMP/index.json" >"$TEST_TMP/arm.json"
curl -sf -X PUT -H "Content-Type: $i" --data-binary "@$TEST_TMP/arm.json" "http://$plain/v2/team/app/manifests/arm"
t_exit 2 "an index without the wanted platform" eifgen ls "docker://$plain/team/app:arm"
t_says "names what there is" '"linux/arm64"'
for lie in "+ 1:shorter" "- 1:longer"; do # the digest is right, the size is not
	jq -c ".manifests[1].size |= . ${lie%:*}" "$TEST_TMP/index.json" >"$TEST_TMP/liar.json"
	curl -sf -X PUT -H "Content-Type: $i" --data-binary "@$TEST_TMP/liar.json" "http://$plain/v2/team/app/manifests/liar"
	t_exit 2 "an index that lies about a manifest's size (${lie%:*})" eifgen ls "docker://$plain/team/app:liar"
	t_says "is refused for it" "$manifest: ${lie#*:} than the"
done

# ---- TLS ----------------------------------------------------------------------------------------------------------------
registry_start tls
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/app:v1"
same "TLS with --tls-ca" --tls-ca "$TEST_TMP/tls.crt" "docker://$REGISTRY/app:v1"
t_exit 2 "a certificate that nobody trusts" eifgen ls "docker://$REGISTRY/app:v1"
t_says "is called so" "certificate"
t_exit 2 "another certificate" eifgen ls --tls-ca "$TEST_TMP/other.crt" "docker://$REGISTRY/app:v1"

# ---- a password ---------------------------------------------------------------------------------------------------------
registry_start tls htpasswd
skopeo copy -q --dest-tls-verify=false --dest-creds user:secret "oci:$L:v1" "docker://$REGISTRY/app:v1"
ca=(--tls-ca "$TEST_TMP/tls.crt")
t_exit 2 "no credentials" eifgen ls "${ca[@]}" "docker://$REGISTRY/app:v1"
t_says "says what is missing" "no credentials"
auth() { printf '{"auths":{"%s":{"auth":"%s"}}}' "$1" "$(printf %s "$2" | base64)"; }
auth "$REGISTRY" user:secret >"$TEST_TMP/auth.json"
auth "$REGISTRY" user:wrong >"$TEST_TMP/wrong.json"
same "--authfile" "${ca[@]}" --authfile "$TEST_TMP/auth.json" "docker://$REGISTRY/app:v1"
t_exit 2 "a wrong password" eifgen ls "${ca[@]}" --authfile "$TEST_TMP/wrong.json" "docker://$REGISTRY/app:v1"
t_says "is the registry's refusal" "401"
t_not "and the password is not printed" grep -q user:wrong "$TEST_TMP/err"
mkdir -p "$TEST_TMP/.docker" "$TEST_TMP/bin"
cp "$TEST_TMP/auth.json" "$TEST_TMP/.docker/config.json"
same "Docker's config.json" "${ca[@]}" "docker://$REGISTRY/app:v1"
mkdir -p "$TEST_TMP/.config/containers" && mv "$TEST_TMP/.docker/config.json" "$TEST_TMP/.config/containers/auth.json"
same "containers/auth.json" "${ca[@]}" "docker://$REGISTRY/app:v1"
rm "$TEST_TMP/.config/containers/auth.json"
cat >"$TEST_TMP/bin/docker-credential-test" <<'END'
#!/bin/sh
read -r server
grep SigIgn /proc/self/status >"$0.ignored"
case $server in
127.0.0.1:*) printf '{"ServerURL":"%s","Username":"user","Secret":"secret"}' "$server" ;;
*) echo "credentials not found in native keychain"; exit 1 ;;
esac
END
chmod +x "$TEST_TMP/bin/docker-credential-test"
printf '{"credHelpers":{"%s":"test"}}' "$REGISTRY" >"$TEST_TMP/.docker/config.json"
PATH=$TEST_TMP/bin:$PATH same "a credential helper" "${ca[@]}" "docker://$REGISTRY/app:v1"
ignored=$((16#$(awk '{ print $2 }' "$TEST_TMP/bin/docker-credential-test.ignored")))
t "it ignores neither SIGPIPE nor SIGXFSZ because we do" test $((ignored >> 12 & 1 | ignored >> 24 & 1)) = 0
echo '{"credsStore":"test"}' >"$TEST_TMP/.docker/config.json"
PATH=$TEST_TMP/bin:$PATH same "a credential store" "${ca[@]}" "docker://$REGISTRY/app:v1"
PATH=$TEST_TMP/bin:$PATH same "a store that does not know the host" "docker://localhost:${plain#*:}/team/app:v1"
t_exit 2 "a helper that is not there" eifgen ls "${ca[@]}" "docker://$REGISTRY/app:v1"
t_says "is named" "docker-credential-test"
t_done
