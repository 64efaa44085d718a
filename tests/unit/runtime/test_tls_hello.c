// SPDX-License-Identifier: Apache-2.0
//
// ClientHellos built by hand: whole, byte by byte, over several records, without a name, and broken in every way that
// two readers could understand differently.
#include "runtime/common/tls_hello.h"

#include "base/be.h"
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <string.h>

struct hello {
	uint8_t b[TLS_HELLO_MAX + 512];
	size_t n;
};

static void put(struct hello *h, const void *p, size_t n)
{
	memcpy(h->b + h->n, p, n);
	h->n += n;
}

static void put_sni(struct hello *h, const char *name)
{
	size_t n = strlen(name);
	uint8_t head[9] = {0};

	put_be16(head + 2, (uint16_t)(n + 5));
	put_be16(head + 4, (uint16_t)(n + 3));
	put_be16(head + 7, (uint16_t)n);
	put(h, head, sizeof(head));
	put(h, name, n);
}

// A hello in one record: `sni` names (may be none), a filler extension of `pad` bytes before them.
static struct hello make_hello(const char *const *sni, size_t pad)
{
	struct hello h = {{0x16, 3, 1, 0, 0, 1, 0, 0, 0, 3, 3}, 11 + 32};
	static const uint8_t middle[] = {2, 0xaa, 0xbb, 0, 4, 0x13, 1, 0x13, 2, 1, 0};
	uint8_t filler[4] = {0x00, 0x15, (uint8_t)(pad >> 8), (uint8_t)pad};

	put(&h, middle, sizeof(middle));
	size_t ext = h.n;

	h.n += 2;
	put(&h, filler, 4);
	h.n += pad;
	for (; *sni; sni++)
		put_sni(&h, *sni);
	put_be16(h.b + ext, (uint16_t)(h.n - ext - 2));
	put_be16(h.b + 7, (uint16_t)(h.n - 9));
	put_be16(h.b + 3, (uint16_t)(h.n - 5));
	return h;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
static const char *const no_names[] = {NULL};

START_TEST(test_tls_hello_read_every_prefix_wants_more)
{
	struct hello h = make_hello(NAMES("WWW.Example.com"), 3000);
	char name[HOSTNAME_MAX + 1];

	for (size_t n = 0; n < h.n; n++)
		ck_assert_int_eq(tls_hello_read(h.b, n, name), TLS_HELLO_MORE);
	ck_assert_int_eq(tls_hello_read(h.b, h.n, name), TLS_HELLO_NAME);
	ck_assert_str_eq(name, "www.example.com");
	h.b[h.n] = 0x17; // what follows is not looked at
	ck_assert_int_eq(tls_hello_read(h.b, h.n + 1, name), TLS_HELLO_NAME);
}
END_TEST

START_TEST(test_tls_hello_read_over_records_is_joined)
{
	struct hello h = make_hello(NAMES("a.example"), 40), split = {.n = 0};
	char name[HOSTNAME_MAX + 1];

	for (size_t off = 5; off < h.n; off += 7) {
		size_t n = h.n - off < 7 ? h.n - off : 7;
		uint8_t head[5] = {0x16, 3, 3, 0, (uint8_t)n};

		put(&split, head, 5);
		put(&split, h.b + off, n);
	}
	for (size_t n = 0; n < split.n; n++)
		ck_assert_int_eq(tls_hello_read(split.b, n, name), TLS_HELLO_MORE);
	ck_assert_int_eq(tls_hello_read(split.b, split.n, name), TLS_HELLO_NAME);
	ck_assert_str_eq(name, "a.example");
}
END_TEST

START_TEST(test_tls_hello_read_without_name_says_so)
{
	struct hello h = make_hello(no_names, 3);
	char name[HOSTNAME_MAX + 1];

	ck_assert_int_eq(tls_hello_read(h.b, h.n, name), TLS_HELLO_NO_NAME);
	ck_assert_str_eq(name, "");
	h.n = 5 + 4 + 2 + 32 + 11; // cut before the extensions, lengths to match
	put_be16(h.b + 7, (uint16_t)(h.n - 9));
	put_be16(h.b + 3, (uint16_t)(h.n - 5));
	ck_assert_int_eq(tls_hello_read(h.b, h.n, name), TLS_HELLO_NO_NAME);
}
END_TEST

START_TEST(test_tls_hello_read_other_protocols_are_not)
{
	static const char *const streams[] = {"GET / HTTP/1.1\r\n", "SSH-2.0-x\r\n", "\x80\x2e",	    "\x17\x03\x03\x01\x01",
					      "\x16Q:: and on",	"\x14Qwerty",	  "\x15Qwerty"};
	// What a database's client says whose first message is 0x116 or 0x115 bytes long.
	static const uint8_t message[] = {0x16, 1, 0, 0, 7, 0, 0, 0}, reply[] = {0x15, 1, 0, 0, 2, 0, 0, 0};
	char name[HOSTNAME_MAX + 1];

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++)
		ck_assert_msg(tls_hello_read(streams[i], strlen(streams[i]), name) == TLS_HELLO_NOT, "stream %zu", i);
	ck_assert_int_eq(tls_hello_read(message, sizeof(message), name), TLS_HELLO_NOT);
	ck_assert_int_eq(tls_hello_read(reply, sizeof(reply), name), TLS_HELLO_NOT);
}
END_TEST

static const uint8_t versions[][2] = {{0, 0}, {2, 1}, {0xf, 0xff}, {0xff, 0xff}, {3, 9}, {3, 1}, {3, 3}};
enum { VERSIONS = sizeof(versions) / sizeof(versions[0]) };

// Servers are told to ignore the version of the first record: a hello under any must not go by unread.
START_TEST(test_tls_hello_read_any_version_is_a_hello)
{
	char name[HOSTNAME_MAX + 1];

	for (size_t i = 0; i < VERSIONS; i++) {
		struct hello h = make_hello(NAMES("a.example"), 0);
		bool ours = versions[i][0] == 3;

		memcpy(h.b + 1, versions[i], 2);
		for (size_t n = 1; n <= 5; n++)
			ck_assert_int_eq(tls_hello_read(h.b, n, name), TLS_HELLO_MORE);
		ck_assert_int_eq(tls_hello_read(h.b, h.n, name), ours ? TLS_HELLO_NAME : TLS_HELLO_BAD);
		put_be16(h.b + 3, 0xffff); // of a length that no record has
		ck_assert_int_eq(tls_hello_read(h.b, h.n, name), TLS_HELLO_BAD);
	}
}
END_TEST

// Some servers drop a warning or an empty record that comes before the hello, and go on: the hello behind it must not
// go by unread.
START_TEST(test_tls_hello_read_behind_another_record_is_bad)
{
	static const uint8_t firsts[][7] = {{0x15, 3, 1, 0, 2, 1, 90},	{0x15, 3, 3, 0, 2, 1, 0}, {0x15, 3, 3, 0, 1, 1, 0x15},
					    {0x15, 3, 3, 0, 4, 1, 90}, {0x15, 3, 3, 0, 2, 2, 40}, {0x14, 3, 3, 0, 1, 1, 0x16},
					    {0x16, 3, 1, 0, 0, 0x16, 3}, {0x15, 3, 1, 0, 0, 0x16, 3}};
	char name[HOSTNAME_MAX + 1];

	for (size_t i = 0; i < VERSIONS * sizeof(firsts) / sizeof(firsts[0]); i++) {
		uint8_t first[7];

		memcpy(first, firsts[i / VERSIONS], sizeof(first));
		memcpy(first + 1, versions[i % VERSIONS], 2);
		for (size_t n = 1; n < 6; n++)
			ck_assert_int_eq(tls_hello_read(first, n, name), TLS_HELLO_MORE);
		ck_assert_msg(tls_hello_read(first, 6, name) == TLS_HELLO_BAD, "record %zu", i);
		ck_assert_int_eq(tls_hello_read(first, 7, name), TLS_HELLO_BAD);
	}
}
END_TEST

START_TEST(test_tls_hello_read_broken_is_bad)
{
	char name[HOSTNAME_MAX + 1];
	struct hello twice = make_hello(NAMES("a.example", "b.example"), 0);
	struct hello literal = make_hello(NAMES("10.0.0.1"), 0);
	struct hello empty = make_hello(NAMES(""), 0);
	struct hello h = make_hello(NAMES("a.example"), 0), broken;

	ck_assert_int_eq(tls_hello_read(twice.b, twice.n, name), TLS_HELLO_BAD);
	ck_assert_int_eq(tls_hello_read(literal.b, literal.n, name), TLS_HELLO_BAD);
	ck_assert_str_eq(name, "");
	ck_assert_int_eq(tls_hello_read(empty.b, empty.n, name), TLS_HELLO_BAD);
	broken = h;
	broken.b[5] = 2; // a ServerHello
	ck_assert_int_eq(tls_hello_read(broken.b, broken.n, name), TLS_HELLO_BAD);
	broken = h;
	broken.b[6] = 1; // a message of more than 64 KiB
	ck_assert_int_eq(tls_hello_read(broken.b, broken.n, name), TLS_HELLO_BAD);
	broken = h;
	broken.b[3] = broken.b[4] = 0; // an empty record
	ck_assert_int_eq(tls_hello_read(broken.b, broken.n, name), TLS_HELLO_BAD);
	broken = h;
	broken.b[3] = 0x41; // a record of more than 2^14 bytes
	ck_assert_int_eq(tls_hello_read(broken.b, broken.n, name), TLS_HELLO_BAD);
	for (size_t i = 43; i < h.n - 9; i++) { // every length byte after the random, too large
		broken = h;
		broken.b[i] = 0xff;
		enum tls_hello v = tls_hello_read(broken.b, broken.n, name);

		ck_assert_msg(v != TLS_HELLO_MORE && v != TLS_HELLO_NOT, "byte %zu gave %d", i, v);
	}
}
END_TEST

START_TEST(test_tls_hello_read_endless_is_bad)
{
	static uint8_t b[TLS_HELLO_MAX];
	static const uint8_t tiny[6] = {0x16, 3, 3, 0, 1, 0};
	char name[HOSTNAME_MAX + 1];

	// One byte of message a record: the message of 10 000 bytes has not ended when the limit is reached.
	for (size_t i = 0; i + 6 <= sizeof(b); i += 6)
		memcpy(b + i, tiny, 6);
	b[5] = 1;
	b[17] = 0x27;
	ck_assert_int_eq(tls_hello_read(b, sizeof(b) - 1, name), TLS_HELLO_MORE);
	ck_assert_int_eq(tls_hello_read(b, sizeof(b), name), TLS_HELLO_BAD);
}
END_TEST

UNIT_MAIN("runtime/tls_hello",
	  ADD(test_tls_hello_read_every_prefix_wants_more) ADD(test_tls_hello_read_over_records_is_joined)
	      ADD(test_tls_hello_read_without_name_says_so) ADD(test_tls_hello_read_other_protocols_are_not)
		  ADD(test_tls_hello_read_any_version_is_a_hello)
		  ADD(test_tls_hello_read_behind_another_record_is_bad)
		  ADD(test_tls_hello_read_broken_is_bad) ADD(test_tls_hello_read_endless_is_bad))
