#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# --provenance and --sbom, and the record itself, held against published schemas by validators that are not ours:
# Debian's python3-jsonschema, protoc and protobuf's JSON parser. And: equal builds write equal documents.
. tests/lib.sh
P=testdata/images/platform W=$TEST_TMP
python=/usr/bin/python3 # Debian's, which has Debian's modules

valid() { # SCHEMA FILE
	$python - "$@" <<-'E'
		import json, sys, jsonschema
		schema = json.load(open(sys.argv[1]))
		jsonschema.Draft7Validator.check_schema(schema)
		jsonschema.Draft7Validator(schema).validate(json.load(open(sys.argv[2])))
	E
}
statement_valid() { # FILE
	protoc -I testdata/schemas --python_out="$W" in_toto_attestation/v1/statement.proto \
		in_toto_attestation/v1/resource_descriptor.proto in_toto_attestation/predicates/provenance/v1/provenance.proto
	PYTHONPATH=$W $python - "$1" <<-'E'
		import json, sys
		from google.protobuf import json_format
		from in_toto_attestation.v1.statement_pb2 import Statement
		from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
		text = open(sys.argv[1]).read()
		s = json_format.Parse(text, Statement())
		p = json_format.Parse(json.dumps(json.loads(text)["predicate"]), Provenance())
		assert s.type == "https://in-toto.io/Statement/v1" and s.predicateType == "https://slsa.dev/provenance/v1"
		assert s.subject and all(v.digest for v in s.subject)
		assert p.build_definition.build_type and p.run_details.builder.id
		assert p.build_definition.resolved_dependencies
	E
}

# An image with two packages of dpkg's, one of them not installed, and names that need escaping.
mkdir -p "$W/root/var/lib/dpkg" "$W/root/etc"
printf 'ID=debian\nVERSION_ID="12"\n' >"$W/root/etc/os-release"
printf 'Package: libstdc++6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 12.2.0-14+deb12u1\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n' \
	>"$W/root/var/lib/dpkg/status"
python3 tests/tools/mkoci.py "$W/image" '{"config":{"Cmd":["/x"]}}' "$W/root"
build() { eifgen build "oci:$W/image:latest" --blobs $P -o "$W/$1.eif" --sbom "$W/$1.spdx" --provenance "$W/$1.prov"; }

t_exit 0 "a build with both documents" build a
t "says where they are" test "$(jq -r '.Sbom, .Provenance' "$W/out")" = "$W/a.spdx"$'\n'"$W/a.prov"
t "the package list is SPDX 2.3" valid testdata/schemas/spdx-2.3.json "$W/a.spdx"
broken() { jq -c "$1" "$W/a.spdx" >"$W/broken.spdx"; valid testdata/schemas/spdx-2.3.json "$W/broken.spdx"; }
t_not "a package without its name is none" broken 'del(.packages[0].name)'
t_not "nor with a relationship that SPDX does not know" broken '.relationships[0].relationshipType = "LIKES"'
t_not "nor with a member of its own" broken '.packages[0].Extra = 1'
t_not "nor without a document's creator" broken 'del(.creationInfo.creators)'
t "and lists what is installed" test "$(jq -r '[.packages[].name] | sort | join(" ")' "$W/a.spdx")" = "image libstdc++6"
t "by package URL" test "$(jq -r '.packages[] | select(.name == "libstdc++6").externalRefs[0].referenceLocator' "$W/a.spdx")" = \
	"pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"
t "the statement is in-toto's, with SLSA's predicate" statement_valid "$W/a.prov"
jq -c '.predicate.buildDefinition.Extra = 1' "$W/a.prov" >"$W/broken.prov"
t_not "one with a member that SLSA's predicate lacks is refused" statement_valid "$W/broken.prov"
jq -c '.subject[0].digest = "x"' "$W/a.prov" >"$W/broken.prov"
t_not "and one whose digest is no map" statement_valid "$W/broken.prov"
t "its subject is the file" test "$(jq -r '.subject[0].digest.sha256' "$W/a.prov")" = "$(sha256sum <"$W/a.eif" | cut -d' ' -f1)"
t "it names the record" test "$(jq -r '.predicate.runDetails.byproducts[0].digest.sha256' "$W/a.prov")" = \
	"$(sha256sum <"$W/a.eif.record.json" | cut -d' ' -f1)"
t "and the registers" test "$(jq -r '.predicate.runDetails.byproducts[] | select(.name == "PCR2").digest.sha384' "$W/a.prov")" = \
	"$(jq -r .Measurements.PCR2 "$W/a.eif.record.json")"
t "and every platform file" jq -e --arg init "$(sha256sum <$P/init | cut -d' ' -f1)" \
	'any(.predicate.buildDefinition.resolvedDependencies[]; .name == "init" and .digest.sha256 == $init)' "$W/a.prov"
t "it is canonical JSON" cmp "$W/a.prov" <(jq -cS . "$W/a.prov")
t "and holds no time of day" sh -c '! grep -q startedOn\|finishedOn "$1"' - "$W/a.prov"

mkdir "$W/again"; cp -r "$W/image" "$W/again/"
t_exit 0 "the same build again" sh -c "cd '$W' && TZ=Asia/Tokyo '$EIFGEN_BIN/eifgen' build 'oci:$W/image:latest' --blobs '$TOP/$P' -o again/a.eif --sbom again/s --provenance again/p"
t "writes the same package list" cmp "$W/a.spdx" "$W/again/s"
t "and the same statement" cmp "$W/a.prov" "$W/again/p"
t_exit 0 "a statement needs no record file" eifgen build "oci:$W/image:latest" --blobs $P -o "$W/n.eif" --no-record --provenance "$W/n.prov"
t "is valid, too" statement_valid "$W/n.prov"

# ---- the record's own schema, which users have as man/eifgen-record.schema.json
schema=man/eifgen-record.schema.json
t "the record fits its published schema" valid $schema "$W/a.eif.record.json"
eifgen -q build testdata/images/layers --layout nitro-cli --blobs $P -o "$W/l.eif" >/dev/null
t "a record with unpredictable paths, too" valid $schema "$W/l.eif.record.json"
printf 'module' >"$W/m.ko"; echo '{"a":1}' >"$W/m.json"
eifgen build testdata/images/user --blobs $P --module "$W/m.ko" --scrub safe --cmd '["/x"]' --env A=1 --user 1 --workdir /w \
	--metadata "$W/m.json" --epoch git:. -q -o "$W/f.eif" >/dev/null 2>&1 ||
	eifgen build testdata/images/user --blobs $P --module "$W/m.ko" --scrub safe --cmd '["/x"]' --env A=1 --user 1 --workdir /w \
		--metadata "$W/m.json" -q -o "$W/f.eif" >/dev/null
t "a record with every choice, too" valid $schema "$W/f.eif.record.json"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp384r1 -nodes -keyout "$W/k.pem" -out "$W/c.pem" -subj /CN=t -days 9 2>/dev/null
eifgen build testdata/images/plain --blobs $P --sign-key "$W/k.pem" --sign-cert "$W/c.pem" -o "$W/g.eif" >/dev/null
t "a signed build's record, too" valid $schema "$W/g.eif.record.json"
jq -c '.Extra = 1' "$W/a.eif.record.json" >"$W/extra.json"
t_not "a record with a member of its own does not" valid $schema "$W/extra.json"
jq -c 'del(.Epoch)' "$W/a.eif.record.json" >"$W/less.json"
t_not "nor one without its epoch" valid $schema "$W/less.json"

t_exit 2 "two outputs of one name" eifgen build testdata/images/plain --blobs $P -o "$W/x" --sbom "$W/x"
printf 'Package: bro\377ken\nStatus: install ok installed\nVersion: 1\n\n' >"$W/root/var/lib/dpkg/status"; rm -rf "$W/image"
python3 tests/tools/mkoci.py "$W/image" '{"config":{"Cmd":["/x"]}}' "$W/root"
t_exit 2 "a package database that cannot be read" build b
t_says "is named" var/lib/dpkg/status
t "and leaves nothing" test -z "$(ls "$W" | grep '^b\.')"
t_done
