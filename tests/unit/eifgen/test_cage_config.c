// SPDX-License-Identifier: Apache-2.0
//
// cage.json: what is taken, what is refused and with which key's path, what the data plane is told, and the write-back
// that changes nothing but the measurements.
#include "base/cbor.h"
#include "eifgen/cage_config.h"
#include "layerfs/json.h"

#include "tests/unit/unit.h"

#include <string.h>

#define HEX48 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"

static struct cage_config *parse(const char *text)
{
	struct cage_config *c = NULL;
	struct err err = ERR_INIT;

	assert_ok(cage_config_parse(text, strlen(text), &c, &err));
	return c;
}

START_TEST(test_cage_config_parse_minimal_has_defaults)
{
	struct cage_config *c = parse("{\"name\": \"hello\"}");

	ck_assert_str_eq(c->name, "hello");
	ck_assert_str_eq(c->dockerfile, "Dockerfile");
	ck_assert(c->tls_termination);
	ck_assert(!c->egress.enabled);
	ck_assert(!c->attestation.present);
	ck_assert_uint_eq(c->service_port, 0);
	cage_config_free(c);
}
END_TEST

START_TEST(test_cage_config_parse_every_key)
{
	struct cage_config *c = parse(
		"{\"name\":\"a-1\",\"dockerfile\":\"sub/D\",\"service\":{\"port\":8080},"
		"\"egress\":{\"enabled\":true,\"destinations\":[\"api.example.com:443\",\"*.example.org\",\"10.0.0.0/8\"]},"
		"\"tls_termination\":true,\"api_key_auth\":true,\"trx_logging\":true,\"trusted_headers\":[\"X-Id\"],"
		"\"forward_proxy_protocol\":true,\"healthcheck\":{\"path\":\"/up\",\"port\":9},"
		"\"signing\":{\"cert\":\"c.pem\",\"key\":\"k.pem\"},\"scaling\":{\"desired_replicas\":2},"
		"\"acceptor\":{\"max_connections\":100,\"max_handshakes\":10,\"handshake_ms\":500,\"max_service_connections\":7},"
		"\"runtime\":{\"bundle\":\"sha256:" "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"},"
		"\"attestation\":{\"HashAlgorithm\":\"x\",\"PCR0\":\"" HEX48 "\",\"PCR1\":\"" HEX48 "\",\"PCR2\":\"" HEX48 "\"}}");

	ck_assert_uint_eq(c->egress.count, 3);
	ck_assert_uint_eq(c->acceptor.handshake_ms, 500);
	ck_assert_uint_eq(c->acceptor.max_service_connections, 7);
	ck_assert_str_eq(c->healthcheck.path, "/up");
	ck_assert_str_eq(c->signing.key, "k.pem");
	ck_assert_uint_eq(c->desired_replicas, 2);
	ck_assert_str_eq(c->attestation.pcr[1], HEX48);
	ck_assert_ptr_null(c->attestation.pcr[3]);
	cage_config_free(c);
}
END_TEST

#define N "\"name\":\"x\""
static const struct {
	const char *text, *message;
} refused[] = {
	{"[]", "the file is no JSON object"},
	{"{}", "name: missing"},
	{"{\"name\":7}", "name: wants a text"},
	{"{\"name\":\"Up\"}", "name: wants lower-case"},
	{"{\"name\":\"-x\"}", "name: wants lower-case"},
	{"{\"name\":\"data-plane\"}", "name: wants lower-case"},
	{"{\"name\":\"\"}", "name: wants 1 to 63 bytes"},
	{"{" N ",\"nmae\":1}", "\"nmae\": unknown key"},
	{"{" N ",\"egress.enabled\":true}", "unknown key"},
	{"{" N ",\"egress\":true}", "egress: wants an object"},
	{"{" N ",\"egress\":{\"enable\":true}}", "egress.\"enable\": unknown key"},
	{"{" N ",\"egress\":{\"enabled\":\"yes\"}}", "egress.enabled: wants true or false"},
	{"{" N ",\"egress\":{\"enabled\":null}}", "egress.enabled: wants true or false"},
	{"{" N ",\"egress\":{\"enabled\":true}}", "egress.destinations: wants at least one"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[]}}", "egress.destinations: wants at least one"},
	{"{" N ",\"egress\":{\"destinations\":[\"a.b\"]}}", "egress.destinations: of no use"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":\"*\"}}", "egress.destinations: wants a list"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"a.b\",7]}}", "egress.destinations[1]: wants a text"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"\"]}}", "egress.destinations[0]: is empty"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"a.b\",\"*\"]}}", "egress.destinations[1]: allows every name"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"*.com\"]}}", "egress.destinations[0]: allows a whole top-level"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"*.\"]}}", "egress.destinations[0]: allows a whole top-level"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"*example.com\"]}}", "egress.destinations[0]: has a `*`"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"a.*.com\"]}}", "egress.destinations[0]: has a `*`"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"a.b,*\"]}}", "egress.destinations[0]: holds a comma"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"https://a.b/\"]}}", "egress.destinations[0]: is a URL"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"0.0.0.0/0\"]}}", "egress.destinations[0]: allows every address"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"0.0.0.0/0:443\"]}}", "egress.destinations[0]: allows every address"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"a.b\",\"::/0\"]}}", "egress.destinations[1]: allows every address"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"[::/0]:443\"]}}", "egress.destinations[0]: allows every address"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"10.1.2.3/00\"]}}", "egress.destinations[0]: allows every address"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"*.com:443\"]}}", "egress.destinations[0]: allows a whole top-level"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"a.b\",\"a.b:0\"]}}", "egress.destinations[1]: has a port that is no number"},
	{"{" N ",\"healthcheck\":{\"path\":\"/a b\"}}", "healthcheck.path: wants a path"},
	{"{" N ",\"healthcheck\":{\"path\":\"/a\\r\\nX: y\"}}", "healthcheck.path: wants a path"},
	{"{" N ",\"healthcheck\":{\"path\":\"/\xc3\xa9\"}}", "healthcheck.path: wants a path"},
	{"{" N ",\"trusted_headers\":[\"A\",\"B(\"]}", "trusted_headers[1]: wants a header's name"},
	{"{" N ",\"egress\":{\"enabled\":true,\"destinations\":[\"*:443\",\"a.b\"]}}", "egress.destinations[0]: allows every name"},
	{"{" N ",\"trx_logging\":true,\"tls_termination\":false}", "trx_logging: wants tls_termination"},
	{"{" N ",\"api_key_auth\":true,\"tls_termination\":false}", "api_key_auth: wants tls_termination"},
	{"{" N ",\"tls\":{\"cert_file\":\"/c\"}}", "tls.key_file: missing"},
	{"{" N ",\"tls\":{\"key_file\":\"/k\"}}", "tls.cert_file: missing"},
	{"{" N ",\"tls\":{\"cert_file\":\"c\",\"key_file\":\"/k\"}}", "tls.cert_file: wants an absolute path"},
	{"{" N ",\"tls\":{\"cert_file\":\"/c\",\"key_file\":\"/k\\n\"}}", "tls.key_file: wants an absolute path"},
	{"{" N ",\"tls\":{\"cert_file\":\"/c\",\"key_file\":\"/k\"},\"tls_termination\":false}", "tls.cert_file: of no use"},
	{"{" N ",\"tls\":\"/c\"}", "tls: wants an object"},
	{"{" N ",\"api_keys_file\":\"/k\"}", "api_keys_file: of no use"},
	{"{" N ",\"api_key_auth\":true,\"api_keys_file\":\"k\"}", "api_keys_file: wants an absolute path"},
	{"{" N ",\"service\":{\"port\":0}}", "service.port: wants a whole number from 1 to 65535"},
	{"{" N ",\"service\":{\"port\":80.5}}", "service.port: wants a whole number"},
	{"{" N ",\"service\":{\"port\":1e300}}", "service.port: wants a whole number"},
	{"{" N ",\"healthcheck\":{\"path\":\"up\"}}", "healthcheck.path: wants a path"},
	{"{" N ",\"healthcheck\":{\"port\":80}}", "healthcheck.path: missing"},
	{"{" N ",\"signing\":{\"cert\":\"c\"}}", "signing.key: missing"},
	{"{" N ",\"trusted_headers\":[\"A: b\"]}", "trusted_headers[0]: wants"},
	{"{" N ",\"acceptor\":{\"max_connections\":5,\"max_handshakes\":6}}", "acceptor.max_handshakes: is more"},
	{"{" N ",\"runtime\":{\"bundle\":\"latest\"}}", "runtime.bundle: wants 71 characters"},
	{"{" N ",\"dockerfile\":\"/etc/D\"}", "dockerfile: wants a path relative"},
	{"{" N ",\"attestation\":{\"PCR0\":\"" HEX48 "\"}}", "attestation.PCR1: missing"},
	{"{" N ",\"attestation\":{\"PCR0\":\"00\"}}", "attestation.PCR0: wants 96"},
	{"{" N "," N "}", "name"},
	{"{" N "} x", ""},
};

START_TEST(test_cage_config_parse_names_the_key_at_fault)
{
	struct cage_config *c = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(cage_config_parse(refused[_i].text, strlen(refused[_i].text), &c, &err) == -1, "taken: %s",
		      refused[_i].text);
	ck_assert_msg(strstr(err.msg, refused[_i].message) != NULL, "%s\n  said: %s", refused[_i].text, err.msg);
	ck_assert_ptr_null(c);
}
END_TEST

// The compiled configuration as hex, which a person can check against RFC 8949.
static void compile(const char *text, struct buf *out)
{
	struct cage_config *c = parse(text);
	struct err err = ERR_INIT;

	assert_ok(cage_config_compile(c, 8080, out, &err));
	cage_config_free(c);
}

START_TEST(test_cage_config_compile_without_tls_exact_bytes)
{
	static const char want[] = "\xa2"
				   "\x67" "ingress" "\xa2" "\x63" "tls" "\xf4" "\x68" "protocol" "\x63" "tcp"
				   "\x67" "service" "\xa1" "\x67" "address" "\x72" "tcp:127.0.0.1:8080";
	struct buf b = BUF_INIT(0);

	compile("{\"name\":\"x\",\"tls_termination\":false}", &b);
	ck_assert_uint_eq(b.len, sizeof(want) - 1);
	ck_assert_int_eq(memcmp(b.data, want, b.len), 0);
	buf_free(&b);
}
END_TEST

START_TEST(test_cage_config_compile_names_the_files_for_the_secrets)
{
	struct buf b = BUF_INIT(0);

	compile("{\"name\":\"x\",\"api_key_auth\":true}", &b);
	ck_assert_ptr_nonnull(memmem(b.data, b.len, "\x6b" "certificate\x76" "/run/cage/tls/cert.pem", 35));
	ck_assert_ptr_nonnull(memmem(b.data, b.len, "\x63" "key\x75" "/run/cage/tls/key.pem", 26));
	ck_assert_ptr_nonnull(memmem(b.data, b.len, "\x68" "api_keys\x72" "/run/cage/api-keys", 28));
	buf_free(&b);
	b = (struct buf)BUF_INIT(0);
	compile("{\"name\":\"x\",\"api_key_auth\":true,\"api_keys_file\":\"/a\",\"tls\":{\"cert_file\":\"/c\",\"key_file\":\"/k\"}}", &b);
	ck_assert_ptr_nonnull(memmem(b.data, b.len, "\x6b" "certificate\x62/c\x63key\x62/k", 22));
	ck_assert_ptr_nonnull(memmem(b.data, b.len, "\x68" "api_keys\x62/a", 12));
	buf_free(&b);
}
END_TEST

static const struct {
	const char *exposed[4];
	uint32_t own, port; // port 0: refused
} ports[] = {
	{{NULL}, 0, 0},
	{{NULL}, 7, 7},
	{{"8080/tcp"}, 0, 8080},
	{{"8080/tcp"}, 7, 7},
	{{"8080"}, 0, 8080},
	{{"53/udp", "8080/tcp"}, 0, 8080},
	{{"53/udp"}, 0, 0},
	{{"8080/tcp", "8443/tcp"}, 0, 0},
	{{"8080/tcp", "8080"}, 0, 8080},
	{{"8000-8002/tcp"}, 0, 0},
	{{"8080/TCP"}, 0, 8080},
	{{"5000-5003/udp", "8080/tcp", "53/UDP"}, 0, 8080},
	{{"5000-5003/udp"}, 0, 0},
	{{"x/udp", "8080/tcp"}, 0, 0},
	{{"8080/tcp", "8000-8002"}, 0, 0},
	{{"0/tcp"}, 0, 0},
	{{"65536/tcp"}, 0, 0},
	{{"65535/tcp"}, 0, 65535},
	{{"080808/tcp"}, 0, 0},
	{{"80x"}, 0, 0},
	{{"$PORT"}, 0, 0},
	{{""}, 0, 0},
};

START_TEST(test_cage_config_port_is_its_own_or_the_one_exposed)
{
	struct cage_config c = {.service_port = ports[_i].own};
	struct err err = ERR_INIT;
	uint32_t port;
	size_t n = 0;

	while (ports[_i].exposed[n])
		n++;
	if (ports[_i].port) {
		assert_ok(cage_config_port(&c, (char *const *)ports[_i].exposed, n, &port, &err));
		ck_assert_uint_eq(port, ports[_i].port);
		return;
	}
	ck_assert_int_eq(cage_config_port(&c, (char *const *)ports[_i].exposed, n, &port, &err), -1);
	ck_assert_msg(strstr(err.msg, "service.port: missing") == err.msg, "%s", err.msg);
}
END_TEST

START_TEST(test_cage_config_compile_egress_is_strict_cbor_with_the_list)
{
	struct buf b = BUF_INIT(0);
	struct cbor_reader r;
	struct err err = ERR_INIT;

	compile("{\"name\":\"x\",\"egress\":{\"enabled\":true,\"destinations\":[\"a.b\",\"c.d:1\"]},\"trusted_headers\":[\"A\"]}", &b);
	cbor_reader_init(&r, b.data, b.len, CBOR_STRICT);
	assert_ok(cbor_skip(&r, &err));
	assert_ok(cbor_end(&r, &err));
	ck_assert_ptr_nonnull(memmem(b.data, b.len, "\x65" "allow" "\x69" "a.b,c.d:1", 16));
	buf_free(&b);
}
END_TEST

START_TEST(test_cage_config_compile_healthcheck_port_is_an_address_of_its_own)
{
	struct buf b = BUF_INIT(0);

	compile("{\"name\":\"x\",\"healthcheck\":{\"path\":\"/up\",\"port\":9}}", &b);
	ck_assert_ptr_nonnull(memmem(b.data, b.len, "\x6b" "health_path" "\x63" "/up" "\x6e" "health_address" "\x6f" "tcp:127.0.0.1:9", 47));
	buf_free(&b);
}
END_TEST

static const struct pcr_values sample = {.pcr0 = {0xaa}, .pcr1 = {0xbb}, .pcr2 = {0xcc}};
#define ZEROS47 "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
#define MEMBER(i)                                                                                                      \
	"\"attestation\": {\n" i i "\"HashAlgorithm\": \"Sha384 { ... }\",\n" i i "\"PCR0\": \"aa" ZEROS47 "\",\n" i i   \
	"\"PCR1\": \"bb" ZEROS47 "\",\n" i i "\"PCR2\": \"cc" ZEROS47 "\"\n" i "}"

static const struct {
	const char *before, *after;
} written[] = {
	{"{\"name\": \"x\"}", "{\"name\": \"x\",\n  " MEMBER("  ") "\n}"},
	{"{\n    \"name\": \"x\"\n}\n", "{\n    \"name\": \"x\",\n    " MEMBER("    ") "\n}\n"},
	{"{\n\t\"attestation\" : {},\n\t\"name\":\"x\" }", "{\n\t\"attestation\" : " "{\n\t\t\"HashAlgorithm\": \"Sha384 { ... }\",\n"
	 "\t\t\"PCR0\": \"aa" ZEROS47 "\",\n\t\t\"PCR1\": \"bb" ZEROS47 "\",\n\t\t\"PCR2\": \"cc" ZEROS47 "\"\n\t},\n\t\"name\":\"x\" }"},
	{"{\"name\": \"x\", \"egress\": {\"attestation\": \"}\\\"\"}, \"attestation\":null, \"z\":[1,{}]}",
	 "{\"name\": \"x\", \"egress\": {\"attestation\": \"}\\\"\"}, \"attestation\":"
	 "{\n    \"HashAlgorithm\": \"Sha384 { ... }\",\n    \"PCR0\": \"aa" ZEROS47 "\",\n    \"PCR1\": \"bb" ZEROS47
	 "\",\n    \"PCR2\": \"cc" ZEROS47 "\"\n  }, \"z\":[1,{}]}"},
	{"{\"name\": \"x\", \"\\u0061ttestatio\\u006E\":{}}",
	 "{\"name\": \"x\", \"\\u0061ttestatio\\u006E\":"
	 "{\n    \"HashAlgorithm\": \"Sha384 { ... }\",\n    \"PCR0\": \"aa" ZEROS47 "\",\n    \"PCR1\": \"bb" ZEROS47
	 "\",\n    \"PCR2\": \"cc" ZEROS47 "\"\n  }}"},
	{"{\"attestation\\u006f\":1}", "{\"attestation\\u006f\":1,\n  " MEMBER("  ") "\n}"},
};

START_TEST(test_cage_config_set_pcrs_changes_one_member)
{
	struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(cage_config_set_pcrs(written[_i].before, strlen(written[_i].before), &sample, &b, &err));
	ck_assert_str_eq(buf_cstr(&b, &err), written[_i].after);
	buf_free(&b);
}
END_TEST

START_TEST(test_cage_config_set_pcrs_twice_is_the_same)
{
	static const char text[] = "{\n  \"name\": \"x\",\n  \"service\": {\"port\": 1}\n}\n";
	struct buf once = BUF_INIT(0), twice = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct pcr_values v = sample;

	v.has_pcr8 = true;
	assert_ok(cage_config_set_pcrs(text, strlen(text), &v, &once, &err));
	assert_ok(cage_config_set_pcrs(once.data, once.len, &v, &twice, &err));
	ck_assert_uint_eq(once.len, twice.len);
	ck_assert_int_eq(memcmp(once.data, twice.data, once.len), 0);
	cage_config_free(parse(buf_cstr(&once, &err))); // and it is a cage.json
	buf_free(&once);
	buf_free(&twice);
}
END_TEST

UNIT_MAIN("eifgen/cage_config",
	  ADD(test_cage_config_parse_minimal_has_defaults)
	  ADD(test_cage_config_parse_every_key)
	  tcase_add_loop_test(tc_, test_cage_config_parse_names_the_key_at_fault, 0,
			      (int)(sizeof(refused) / sizeof(refused[0])));
	  ADD(test_cage_config_compile_without_tls_exact_bytes)
	  ADD(test_cage_config_compile_names_the_files_for_the_secrets)
	  tcase_add_loop_test(tc_, test_cage_config_port_is_its_own_or_the_one_exposed, 0,
			      (int)(sizeof(ports) / sizeof(ports[0])));
	  ADD(test_cage_config_compile_egress_is_strict_cbor_with_the_list)
		    ADD(test_cage_config_compile_healthcheck_port_is_an_address_of_its_own)
	  tcase_add_loop_test(tc_, test_cage_config_set_pcrs_changes_one_member, 0,
			      (int)(sizeof(written) / sizeof(written[0])));
	  ADD(test_cage_config_set_pcrs_twice_is_the_same))
