// SPDX-License-Identifier: Apache-2.0
//
// A TLS server on loopback that shows itself as a cage does, with a document of the test PKI and one chosen fault.
//
//   mock_cage DIR MODE FAULT [PCR0 PCR1 PCR2]
//
// MODE san: the document stands in the certificate's SAN, made for the nonce in the SNI (<hex>.attest.<host>; labels
// before `attest` are joined); well-known: a plain certificate, and GET /.well-known/attestation?nonce=<hex> answers
// with {"attestation_doc": base64}; stale: as well-known, but the nonce is ignored; none: neither; raw: a plain
// certificate, and to any request the bytes of DIR/answer. Writes DIR/root.pem and, when it listens, DIR/port. Serves
// until its parent ends or 120 s have passed.
#include "base/hex.h"
#include "base/io.h"
#include "pcr/cert.h"
#include "tests/tools/attest_pki.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LIFE = 120, NONCE_MAX = 512, REQUEST_MAX = 8192, ANSWER_MAX = 1 << 20 };
enum mode { MODE_SAN, MODE_WELL_KNOWN, MODE_STALE, MODE_RAW, MODE_NONE };

static struct pki pki;
static enum mode mode;
static const char *dir;
static enum pki_fault fault;
static EVP_PKEY *key; // of the TLS certificate

static void must(int ok)
{
	if (!ok)
		abort();
}

static void document(const uint8_t *nonce, size_t n, struct buf *out)
{
	struct err err = ERR_INIT;
	unsigned char *spki = NULL;
	int len = i2d_PUBKEY(key, &spki);

	pki_document(&pki, fault, n ? nonce : NULL, n, spki, (size_t)len, out, &err);
	OPENSSL_free(spki);
}

static X509 *tls_cert(const char *names)
{
	X509 *cert = X509_new();
	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

	must(cert && san && X509_set_version(cert, X509_VERSION_3) &&
	     ASN1_INTEGER_set(X509_get_serialNumber(cert), 7) && X509_gmtime_adj(X509_getm_notBefore(cert), -10) &&
	     X509_gmtime_adj(X509_getm_notAfter(cert), 3600) && X509_set_pubkey(cert, key) &&
	     X509_add_ext(cert, san, -1) &&
	     X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)"cage",
					-1, -1, 0) &&
	     X509_set_issuer_name(cert, X509_get_subject_name(cert)) && X509_sign(cert, key, EVP_sha384()));
	X509_EXTENSION_free(san);
	return cert;
}

// The nonce in front of `.attest.`; its length.
static size_t nonce_of_sni(const char *sni, uint8_t out[NONCE_MAX])
{
	const char *end = sni ? strstr(sni, ".attest.") : NULL;
	char hex[2 * NONCE_MAX + 1];
	size_t n = 0;

	for (const char *c = sni; end && c < end && n < sizeof(hex) - 1; c++)
		if (*c != '.')
			hex[n++] = *c;
	return n && n % 2 == 0 && !hex_decode(hex, n, out, n / 2) ? n / 2 : 0;
}

static int choose_cert(SSL *ssl, void *arg)
{
	const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	_cleanup_buf_ struct buf doc = BUF_INIT(0), names = BUF_INIT(0);
	struct err err = ERR_INIT;
	uint8_t nonce[NONCE_MAX];
	size_t n = nonce_of_sni(sni, nonce);
	X509 *cert;

	(void)arg;
	buf_add_str(&names, "DNS:localhost", &err);
	if (mode == MODE_SAN) {
		document(nonce, n, &doc);
		buf_add_str(&names, ",DNS:", &err);
		for (size_t i = 0; i < doc.len; i++)
			buf_printf(&names, &err, "%02x", doc.data[i]);
		buf_add_str(&names, ".localhost", &err);
	}
	cert = tls_cert(buf_cstr(&names, &err));
	must(SSL_use_certificate(ssl, cert) && SSL_use_PrivateKey(ssl, key));
	X509_free(cert);
	return 1;
}

static void answer(SSL *ssl, char *request)
{
	const char *path = "GET /.well-known/attestation?nonce=";
	_cleanup_buf_ struct buf doc = BUF_INIT(0), out = BUF_INIT(0), text = BUF_INIT(0);
	struct err err = ERR_INIT;
	uint8_t nonce[NONCE_MAX];
	size_t n = 0;

	fprintf(stderr, "request: %.*s\n", (int)strcspn(request, "\r\n"), request);
	if (!strncmp(request, path, strlen(path))) {
		size_t len = strspn(request + strlen(path), "0123456789abcdef");
		if (len / 2 <= NONCE_MAX && !hex_decode(request + strlen(path), len, nonce, len / 2))
			n = len / 2;
	}
	if (mode == MODE_RAW) {
		buf_printf(&text, &err, "%s/answer", dir);
		must(!io_slurp(buf_cstr(&text, &err), ANSWER_MAX, &out, &err));
	} else if (mode == MODE_NONE || mode == MODE_SAN) {
		buf_add_str(&out, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n", &err);
	} else {
		document(nonce, mode == MODE_STALE ? 0 : n, &doc);
		must(!buf_reserve(&text, doc.len * 2 + 4, &err));
		text.len = (size_t)EVP_EncodeBlock(text.data, doc.data, (int)doc.len);
		buf_printf(&out, &err,
			   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
			   "Connection: close\r\n\r\n{\"attestation_doc\": \"%s\"}\n",
			   text.len + 24, buf_cstr(&text, &err));
	}
	SSL_write(ssl, out.data, (int)out.len);
}

static void serve(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	char request[REQUEST_MAX + 1];
	size_t got = 0;

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		int r;

		while (got < REQUEST_MAX && (r = SSL_read(ssl, request + got, (int)(REQUEST_MAX - got))) > 0) {
			got += (size_t)r;
			request[got] = '\0';
			if (strstr(request, "\r\n\r\n")) {
				answer(ssl, request);
				break;
			}
		}
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(fd);
}

static void write_pem(void)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/root.pem", dir);
	f = fopen(path, "w");
	must(f && PEM_write_X509(f, pki.root) && !fclose(f));
}

static int listen_on_loopback(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char path[4096], text[16];
	struct err err = ERR_INIT;

	must(fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, 16) &&
	     !getsockname(fd, (struct sockaddr *)&a, &len));
	snprintf(path, sizeof(path), "%s/port", dir);
	snprintf(text, sizeof(text), "%u\n", ntohs(a.sin_port));
	must(!io_write_file(path, text, strlen(text), &err)); // by rename: whoever sees it sees the whole number
	return fd;
}

int main(int argc, char **argv)
{
	static const char *const modes[] = {"san", "well-known", "stale", "raw", "none"};
	struct err err = ERR_INIT;
	SSL_CTX *ctx;
	int listener;

	if (argc != 4 && argc != 7)
		return 2;
	dir = argv[1];
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	alarm(LIFE);
	signal(SIGPIPE, SIG_IGN);
	while (mode < MODE_NONE && strcmp(modes[mode], argv[2]) != 0)
		mode++;
	fault = pki_fault_by_name(argv[3]);
	if (fault == PKI_FAULTS || pki_make(&pki, (int64_t)time(NULL), &err))
		return 2;
	for (int i = 4; i < argc; i++)
		if (hex_decode(argv[i], strlen(argv[i]), pki.pcrs[i - 4], sizeof(pki.pcrs[0])))
			return 2;
	key = EVP_EC_gen("P-384");
	ctx = SSL_CTX_new(TLS_server_method());
	must(key && ctx);
	SSL_CTX_set_cert_cb(ctx, choose_cert, NULL);
	write_pem();
	listener = listen_on_loopback();
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			serve(ctx, fd);
	}
}
