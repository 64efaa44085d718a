// SPDX-License-Identifier: Apache-2.0
//
// libcage-attest's promises that no server can show: what is forgotten, empty or wrong ends in a no, whether the caller
// looks at results or not. Judges the certificate of a real cage at its own time: contract CERTIFICATE.der PCR0. Prints
// the promises that are broken; exit status 1 if there is one.
#include <cage_attest.h>
#include <ctype.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

enum { THEN = 1674047239 }; // when the cage served it

static unsigned char cert[65536];
static size_t cert_len;
static const char *pcr0;
static int broken;

static void promise(int kept, const char *what)
{
	if (kept)
		return;
	broken = 1;
	printf("broken: %s\n", what);
}

// An object that says yes to the certificate, for a case to spoil.
static cage_attest *sound(void)
{
	cage_attest *c = cage_attest_new();

	cage_attest_expect_pcr(c, 0, pcr0);
	cage_attest_waive_nonce(c);
	return c;
}

static void judge(cage_attest *c, int yes, const char *what)
{
	int answer = cage_attest_verify_cert(c, cert, cert_len, THEN);

	promise(answer == (yes ? CAGE_ATTEST_YES : 0) && *cage_attest_error(c), what);
	cage_attest_free(c);
}

static void expectations(void)
{
	char zeros[97], other[97];
	cage_attest *c;

	memset(zeros, '0', 96);
	memset(other, 'a', 96);
	zeros[96] = other[96] = '\0';
	judge(sound(), 1, "a real cage, at its own time");
	c = cage_attest_new();
	cage_attest_waive_nonce(c);
	judge(c, 0, "no expected register: no");
	c = cage_attest_new();
	cage_attest_expect_pcr(c, 0, pcr0);
	judge(c, 0, "neither a nonce nor its waiver: no");
	c = sound();
	promise(cage_attest_expect_pcr(c, 8, other) == 0, "any register may be expected");
	judge(c, 0, "another PCR8: no");
	c = sound();
	cage_attest_expect_pcr(c, 0, other);
	judge(c, 1, "one of two values of PCR0: yes");
	c = sound();
	promise(cage_attest_expect_pcr(c, 0, zeros) == -1, "zeros cannot be expected");
	judge(c, 0, "and an object told to says no for ever");
	c = sound();
	promise(cage_attest_expect_pcr(c, 0, NULL) == -1, "no text is no expectation");
	judge(c, 0, "and leaves a no");
	c = sound();
	promise(cage_attest_expect_pcr(c, 0, "") == -1, "nor is an empty one");
	judge(c, 0, "and leaves a no");
	c = sound();
	promise(cage_attest_expect_pcr(c, 32, pcr0) == -1, "there is no PCR32");
	judge(c, 0, "and leaves a no");
	c = sound();
	promise(cage_attest_expect_pcr(c, 16, other) == 0, "PCR16 may be expected");
	judge(c, 0, "which the document does not hold: no");
}

static void nonces(void)
{
	char one[128], two[128], small[60];
	cage_attest *c = sound();

	promise(cage_attest_set_nonce(c, "", 0) == -1, "an empty nonce is none");
	judge(c, 0, "and leaves a no");
	c = cage_attest_new();
	cage_attest_expect_pcr(c, 0, pcr0);
	promise(cage_attest_fresh_nonce(c, "cage.example", one, sizeof(one)) == 0, "a fresh nonce");
	promise(strlen(one) == 60 && strspn(one, "0123456789abcdef") == 40 && !strcmp(one + 40, ".attest.cage.example"),
		"travels in the server name");
	promise(cage_attest_fresh_nonce(c, "cage.example", two, sizeof(two)) == 0 && strcmp(one, two) != 0,
		"differs each time");
	judge(c, 0, "another nonce than ours: no");
	c = sound();
	promise(cage_attest_fresh_nonce(c, "cage.example", small, sizeof(small)) == -1 && !*small,
		"a name that does not fit");
	judge(c, 0, "leaves a no");
	c = sound();
	promise(cage_attest_fresh_nonce(c, "", one, sizeof(one)) == -1 && !*one, "a nonce for no host");
	judge(c, 0, "leaves a no");
	c = sound();
	cage_attest_set_nonce(c, "ours", 4);
	judge(c, 0, "a nonce given and waived at once: no");
}

static void others(void)
{
	cage_attest *c = sound();

	promise(cage_attest_verify_cert(c, NULL, 0, THEN) == 0, "no certificate: no");
	promise(cage_attest_verify_cert(c, cert, cert_len - 1, THEN) == 0, "half a certificate: no");
	promise(cage_attest_verify_cert(c, cert, cert_len, THEN + 4 * 3600) == 0, "four hours later: no");
	promise(cage_attest_verify_cert(c, cert, cert_len, THEN - 3600) == 0, "an hour before: no");
	promise(cage_attest_verify_document(c, NULL, 0, cert, cert_len, THEN) == 0, "no document: no");
	judge(c, 1, "a no is no stain: the next one may be a yes");
	c = sound();
	promise(cage_attest_set_max_age(c, 0) == -1, "an age of nothing");
	judge(c, 0, "leaves a no");
	c = sound();
	promise(cage_attest_set_max_age(c, 3 * 3600 + 1) == -1, "an age past three hours");
	judge(c, 0, "leaves a no");
	c = sound();
	promise(cage_attest_set_root(c, cert, 0) == -1, "an empty root");
	judge(c, 0, "leaves a no");
	c = sound();
	promise(cage_attest_set_root(c, cert, 1000) == 0, "another root");
	judge(c, 0, "is not the one that signed this: no");
	cage_attest_free(NULL);
}

// The certificate with the last hex digit of its document changed: of the document's signature, then.
static void spoil_signature(unsigned char *out)
{
	size_t digits = 0;

	memcpy(out, cert, cert_len);
	for (size_t i = 0; i < cert_len; i++) {
		if (digits > 4000 && out[i] == '.') {
			out[i - 1] = out[i - 1] == '0' ? '1' : '0';
			return;
		}
		digits = isxdigit(out[i]) ? digits + 1 : 0;
	}
	promise(0, "a document in the certificate");
}

// The caller's TLS stack reads the queue of OpenSSL's errors too (SSL_get_error): it is left as it was found.
static void error_queue(void)
{
	static unsigned char spoiled[sizeof(cert)];
	cage_attest *c = sound(), *rootless = sound();

	spoil_signature(spoiled);
	cage_attest_set_root(rootless, cert, 1000);
	ERR_clear_error();
	ERR_raise(ERR_LIB_USER, 7);
	promise(cage_attest_verify_cert(c, spoiled, cert_len, THEN) == 0, "another signature: no");
	promise(strstr(cage_attest_error(c), "signature") != NULL, "for its signature");
	promise(cage_attest_verify_cert(c, cert, cert_len / 2, THEN) == 0, "half a certificate: no");
	promise(cage_attest_verify_cert(c, cert, cert_len, THEN + 4 * 3600) == 0, "four hours later: no");
	promise(cage_attest_verify_cert(rootless, cert, cert_len, THEN) == 0, "a root that is none: no");
	promise(cage_attest_verify_cert(c, cert, cert_len, THEN) == CAGE_ATTEST_YES, "a real cage: yes");
	promise(ERR_GET_REASON(ERR_peek_error()) == 7, "the caller's own error is still there");
	promise(ERR_peek_error() == ERR_peek_last_error(), "and no other");
	ERR_clear_error();
	cage_attest_free(c);
	cage_attest_free(rootless);
}

int main(int argc, char **argv)
{
	FILE *f = argc == 3 ? fopen(argv[1], "rb") : NULL;

	if (!f || !(cert_len = fread(cert, 1, sizeof(cert), f)))
		return 2;
	fclose(f);
	pcr0 = argv[2];
	expectations();
	nonces();
	others();
	error_queue();
	return broken;
}
