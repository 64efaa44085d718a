#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# man/cage.schema.json and the program agree: both know the same keys, and both take or refuse the same files (save for rules
# that a schema cannot say). The manual page names every key.
. tests/lib.sh

schema=$TOP/man/cage.schema.json
printf 'FROM scratch\nEXPOSE 80\nCMD ["/x"]\n' >"$TEST_TMP/Dockerfile"
mkdir "$TEST_TMP/d" && cp "$TEST_TMP/Dockerfile" "$TEST_TMP/d/e"
# What the program says of a cage.json on stdin; the runtime is missing on purpose, so every end is 2.
verdict() { cat >"$TEST_TMP/cage.json"; eifgen cage dockerfile "$TEST_TMP" --runtime "$TEST_TMP/none" 2>&1; }

python3 - "$schema" >"$TEST_TMP/keys" <<'END'
import json, sys
for key, value in json.load(open(sys.argv[1]))["properties"].items():
    print(key)
    for inner in value.get("properties", {}):
        print(key + "." + inner)
END
t "the schema has keys" test "$(wc -l <"$TEST_TMP/keys")" -gt 25
while read -r key; do
	said=$(jq -nc --arg k "$key" '{name: "x"} | setpath($k | split("."); [])' | verdict)
	t "the program knows $key" bash -c '! grep -q "unknown key" <<<"$0"' "$said"
	t "the manual page names $key" grep -qE "\*(.*\*, \*)?${key//./\\.}\*|_${key##*.}_|^\*${key}\." "$TOP/man/cage.json.5.scd"
done <"$TEST_TMP/keys"

/usr/bin/python3 - "$schema" "$TEST_TMP/bundle" >"$TEST_TMP/cases" <<'END'
import json, sys
try:
    import jsonschema
except ImportError:
    sys.exit("no jsonschema")
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
check = jsonschema.Draft202012Validator(schema)
hexes = "0" * 96
for extra in ({}, {"name": "Up"}, {"name": "data-plane"}, {"nmae": 1}, {"service": {"port": 80}}, {"service": {"port": 0}},
              {"service": {"port": "80"}}, {"egress": {"enabled": True}}, {"egress": {"enabled": True, "destinations": []}},
              {"egress": {"enabled": True, "destinations": ["a.b"]}}, {"egress": {"destinations": ["a.b"]}},
              {"egress": {"enabled": True, "destinations": ["a.b,c.d"]}}, {"egress": {"enabled": False, "destinations": []}},
              {"healthcheck": {"path": "x"}}, {"healthcheck": {"path": "/x", "port": 1}}, {"healthcheck": {"port": 1}},
              {"signing": {"cert": "c"}}, {"signing": {"cert": "c", "key": "k"}}, {"dockerfile": "/d"}, {"dockerfile": "d/e"},
              {"trusted_headers": ["X-A"]}, {"trusted_headers": ["X: A"]}, {"acceptor": {"max_connections": 0}},
              {"runtime": {"bundle": "x"}}, {"runtime": {"bundle": "sha256:" + "a" * 64}}, {"attestation": {"PCR0": hexes}},
              {"attestation": {"PCR0": hexes, "PCR1": hexes, "PCR2": hexes}}, {"scaling": {"desired_replicas": 2}},
              {"tls": {"cert_file": "/c", "key_file": "/k"}}, {"tls": {"cert_file": "/c"}}, {"tls": {"cert_file": "c", "key_file": "/k"}},
              {"tls": {"cert_file": "/c", "key": "/k"}}, {"tls": {"cert_file": "/c", "key_file": "/k\nx"}},
              {"api_key_auth": True, "api_keys_file": "/k"}, {"api_key_auth": True, "api_keys_file": "k"}, {"api_key_auth": "yes"},
              {"service": {"port": 1.5}}, {"service": {"port": 65536}}, {"service": 80}, {"egress": {"enabled": True, "destinations": [1]}},
              {"acceptor": {"handshake_ms": 3600001}}, {"scaling": {"desired_replicas": 0}}, {"forward_proxy_protocol": 1},
              {"trusted_headers": "X-A"}, {"signing": {"cert": "", "key": "k"}}, {"attestation": {"PCR0": "x"}}, {"runtime": []},
              {"tls_termination": None}, {"forward_proxy_protocol": True}):
    case = dict({"name": "x"}, **extra)
    print("yes" if check.is_valid(case) else "no", json.dumps(case))
END
while read -r want text; do
	if verdict <<<"$text" | grep -q "bundle.json"; then got=yes; else got=no; fi # it came as far as the missing runtime
	t "schema and program agree on $text" test "$got" = "$want"
done <"$TEST_TMP/cases"
t "cases were tried" test "$(wc -l <"$TEST_TMP/cases")" -ge 25
for f in testdata/cage/*/cage.json; do
	t "$f is valid" /usr/bin/python3 -c 'import json, jsonschema, sys; jsonschema.validate(json.load(open(sys.argv[2])), json.load(open(sys.argv[1])))' \
		"$schema" "$f"
done
t_done
