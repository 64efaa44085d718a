#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 300
#
# What can go wrong between us and a registry, by the fault proxy: cut connections, short and long bodies, wrong
# bytes and digests, refusals that pass and those that do not, redirects, tokens. Whatever the network does, either
# the listing is the right one or there is one error line and exit 2.
. tests/lib.sh
. tests/tools/registry-lib.sh
export HOME=$TEST_TMP
unset REGISTRY_AUTH_FILE XDG_RUNTIME_DIR XDG_CONFIG_HOME DOCKER_CONFIG
cd "$TOP" || exit 1

L=$TEST_TMP/layout
make_image "$L" || { t_fail "an image is made"; t_done; }
eifgen ls --json "oci:$L:v1" >"$TEST_TMP/v1.json" || t_fail "the layout is read"
manifest=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "v1") | .digest' "$L/index.json")
blobs=$L/blobs/sha256
config=$(jq -r .config.digest "$blobs/${manifest#sha256:}")
big=$(jq -r '.layers | max_by(.size) | .digest' "$blobs/${manifest#sha256:}")
# shellcheck disable=SC2119 # its words are options
registry_start
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/app:v1"
skopeo copy -q --dest-tls-verify=false "oci:$L:v1" "docker://$REGISTRY/app:sub"
proxy_start --upstream "http://$REGISTRY"
ref=docker://$PROXY/app:v1

# survives NAME RULE…: the listing comes out right all the same
survives() {
	local name=$1; shift
	rules "$@"
	t_exit 0 "$name" eifgen ls --json "$ref"
	t "$name: same listing" cmp "$TEST_TMP/out" "$TEST_TMP/v1.json"
}
# fails NAME TEXT RULE…: exit 2, and the error line holds TEXT
fails() {
	local name=$1 text=$2; shift 2
	rules "$@"
	t_exit 2 "$name" eifgen ls --json "$ref"
	t_says "$name: says so" "$text"
}

survives "no fault"
t "the tag is asked for once" test "$(grep -c 'GET /v2/app/manifests/v1 ' "$PROXY_LOG")" = 1
t "and its manifest not again by digest" test "$(grep -c 'GET /v2/app/manifests/sha256' "$PROXY_LOG")" = 0

# ---- cut and resumed ----------------------------------------------------------------------------------------------------
survives "a blob cut three times" "blobs/$big cut:1000000 1" "blobs/$big cut:500000 1" "blobs/$big cut:10 1"
t "goes on where it stopped" grep -q "blobs/$big .*range=bytes=1000000- status=206" "$PROXY_LOG"
t "and again" grep -q "blobs/$big .*range=bytes=1500000- status=206" "$PROXY_LOG"
survives "a blob cut, and a server without ranges" "blobs/$big cut:1000000 1" "blobs/$big norange -"
survives "a blob cut before its first byte" "blobs/$big cut:0 2"
survives "a config cut" "blobs/$config cut:20 1"
survives "a manifest cut" "manifests/v1 cut:20 2"
survives "a body that ends early and says it is whole" "blobs/$big short:1000 1"
fails "a blob that never comes further" "after 5 tries" "blobs/$big cut:0 -"
t "was tried five times" test "$(grep -c "blobs/$big " "$PROXY_LOG")" = 5
fails "a manifest that is always cut" "manifest v1" "manifests/v1 cut:20 -"

# ---- wrong bytes --------------------------------------------------------------------------------------------------------
fails "a layer with another byte" "$big" "blobs/$big flip -"
fails "a config with another byte" "blob $config: its bytes have the digest" "blobs/$config flip -"
fails "a config that is too long" "longer than" "blobs/$config long -"
fails "a layer that is too long" "longer than" "blobs/$big long -"
fails "a manifest with another byte" "not the one that its header names" "manifests/v1 flip -"
fails "a manifest whose header lies" "not the one that its header names" "manifests/v1 digest -"
ref=docker://$PROXY/app@$manifest
fails "a manifest by digest with another byte" "the registry sends one with the digest" "manifests/sha256 flip -"
ref=docker://$PROXY/app:v1

# ---- refusals -----------------------------------------------------------------------------------------------------------
survives "429 with Retry-After, 500, 502, 503" "blobs/$big status:429:1 1" "blobs/$big status:500 1" \
	"blobs/$config status:502 1" "manifests status:503:1 1"
fails "500 for ever" "after 5 tries: GET: the registry answers 500" "blobs/$big status:500 -"
fails "a Retry-After of an hour" "asks to wait 3600 seconds" "blobs/$big status:429:3600 -"
t "is not obeyed" test "$(grep -c "blobs/$big " "$PROXY_LOG")" = 1
fails "403" "answers 403" "blobs/$big status:403 -"
t "is not tried again" test "$(grep -c "blobs/$big " "$PROXY_LOG")" = 1
fails "404 for a blob" "answers 404" "blobs/$config status:404 -"
fails "401 without a challenge" "other than Bearer and Basic" "manifests status:401 -"
fails "another status" "answers 418" "manifests status:418 -"
fails "no registry" "no /v2/" "/v2/ status:404 -"

# ---- redirects ----------------------------------------------------------------------------------------------------------
survives "a blob redirected to another origin" "blobs location:http://$OTHER{PATH} 3"
fails "redirects in a circle" "more than 5 redirects" "blobs/$big location:http://$PROXY{PATH} -"
fails "a redirect to plain HTTP elsewhere" "plain HTTP to another machine" "blobs/$big location:http://192.0.2.1/x -"
fails "a redirect to another scheme" "neither https nor http" "blobs/$big location:ftp://127.0.0.1/x -"
fails "a redirect with a password" "names a user" "blobs/$big location:http://a:b@127.0.0.1/x -"

# ---- tokens -------------------------------------------------------------------------------------------------------------
proxy_start --upstream "http://$REGISTRY" --token user:secret
ref=docker://$PROXY/app:v1
fails "a token wants credentials" "wrong password"
mkdir -p "$TEST_TMP/.docker"
printf '{"auths":{"%s":{"auth":"%s"}}}' "$PROXY" "$(printf user:secret | base64)" >"$TEST_TMP/.docker/config.json"
survives "a token for a user"
t "was asked for this repository and to pull, whatever the challenge says" \
	grep -qF 'TOKEN scope=repository:app:pull service=test "registry"' "$PROXY_LOG"
t "once for all threads" test "$(grep -c ^TOKEN "$PROXY_LOG")" = 1
survives "a token that is refused for a while" "GET /token status:503 1" "GET /token status:429:1 1" "GET /token status:500 1"
survives "a token that is cut" "GET /token cut:9 2"
fails "a token that never comes" "after 5 tries: authentication: the registry answers 503" "GET /token status:503 -"
t "was asked for five times" test "$(grep -c 'GET /token' "$PROXY_LOG")" = 5
fails "a token in an hour" "asks to wait 3600 seconds" "GET /token status:429:3600 -"
survives "a redirect to another origin" "blobs location:http://$OTHER{PATH} 3"
t "goes there" grep -q "host=$OTHER" "$PROXY_LOG"
t_not "without the token" grep -q "host=$OTHER auth=Bearer" "$PROXY_LOG"
printf '{"auths":{"%s":{"identitytoken":"refresh-me"}}}' "$PROXY" >"$TEST_TMP/.docker/config.json"
survives "a refresh token" "POST /token status:502 1"
t "is exchanged by POST" grep -q '^TOKEN scope=repository:app:pull' "$PROXY_LOG"
printf '{"auths":{"%s":{"identitytoken":"stale"}}}' "$PROXY" >"$TEST_TMP/.docker/config.json"
fails "a stale refresh token" "authentication: the registry answers 401"
t_not "no secret is printed" grep -q stale "$TEST_TMP/err"
t_done
