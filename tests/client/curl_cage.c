// SPDX-License-Identifier: Apache-2.0
//
// A curl that talks only to a cage with the right PCRs: the example of libcage-attest(3).
//   cc curl_cage.c -lcage-attest -lcurl -lssl -lcrypto;  ./a.out HOST PORT PCR0 [a test's root, DER]
// The certificate is judged inside the handshake, so nothing is sent to anybody else.
#include <cage_attest.h>
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <sys/random.h>
#include <time.h>

static int judge(X509_STORE_CTX *store, void *attest)
{
	unsigned char *der = NULL;
	int n = i2d_X509(X509_STORE_CTX_get0_cert(store), &der);
	int ok = n > 0 && cage_attest_verify_cert(attest, der, (size_t)n, time(NULL)) == CAGE_ATTEST_YES;
	OPENSSL_free(der);
	return ok;
}

static CURLcode hook(CURL *curl, void *ctx, void *attest)
{
	(void)curl;
	SSL_CTX_set_cert_verify_callback(ctx, judge, attest); // in place of the CAs: attestation is the trust
	return CURLE_OK;
}

int main(int argc, char **argv)
{
	unsigned char nonce[20], root[1024];
	char url[512], to[512], hex[41];
	cage_attest *attest = cage_attest_new();
	CURL *curl = curl_easy_init();
	FILE *f = argc > 4 ? fopen(argv[4], "rb") : NULL;

	if (argc < 4 || !attest || !curl || getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		return 2;
	for (int i = 0; i < 20; i++)
		snprintf(hex + 2 * i, 3, "%02x", nonce[i]);
	snprintf(url, sizeof(url), "https://%s.attest.%s:%s/", hex, argv[1], argv[2]); // the nonce travels in the SNI
	snprintf(to, sizeof(to), "::%s:%s", argv[1], argv[2]);
	if (argc > 4)
		cage_attest_set_root(attest, root, f ? fread(root, 1, sizeof(root), f) : 0);
	cage_attest_expect_pcr(attest, 0, argv[3]);
	cage_attest_set_nonce(attest, nonce, sizeof(nonce));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CONNECT_TO, curl_slist_append(NULL, to));
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L); // names prove nothing here; VERIFYPEER stays on
	curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L); // a resumed session shows no certificate
	curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, hook);
	curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, attest);
	CURLcode rc = curl_easy_perform(curl);
	fprintf(stderr, "%s: %s\n", curl_easy_strerror(rc), cage_attest_error(attest));
	return rc == CURLE_OK ? 0 : 1;
}
