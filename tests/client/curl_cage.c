// SPDX-License-Identifier: Apache-2.0
//
// A curl that talks only to a cage with the right PCRs: the example of libcage-attest(3). The certificate is judged
// inside the handshake, so not a byte is said to anybody else.   curl_cage HOST PORT PCR0 [PCR1 [PCR2 [PCR8]]]
#include <cage_attest.h>
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <time.h>

static int judge(X509_STORE_CTX *peer, void *attest)
{
	unsigned char *der = NULL;
	int n = i2d_X509(X509_STORE_CTX_get0_cert(peer), &der);
	int answer = cage_attest_verify_cert(attest, der, n > 0 ? (size_t)n : 0, time(NULL));
	OPENSSL_free(der);
	return answer == CAGE_ATTEST_YES;
}

static CURLcode hook(CURL *curl, void *ctx, void *attest)
{
	SSL_CTX_set_cert_verify_callback(ctx, judge, attest); // in place of the CAs: attestation is the trust
	return curl ? CURLE_OK : CURLE_BAD_FUNCTION_ARGUMENT;
}

int main(int argc, char **argv)
{
	static const unsigned registers[] = {0, 1, 2, 8};
	char name[300], url[400], to[300];
	cage_attest *attest = cage_attest_new();
	CURL *curl = curl_easy_init();
	if (argc < 4 || argc > 7 || !attest || !curl || cage_attest_fresh_nonce(attest, argv[1], name, sizeof(name)))
		return 2;
	for (int i = 3; i < argc; i++)
		cage_attest_expect_pcr(attest, registers[i - 3], argv[i]);
	snprintf(url, sizeof(url), "https://%s:%s/", name, argv[2]); // the nonce travels in the name
	snprintf(to, sizeof(to), "::%s:%s", argv[1], argv[2]);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CONNECT_TO, curl_slist_append(NULL, to));
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);	 // names prove nothing here; VERIFYPEER stays on
	curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L); // a resumed session shows no certificate
	curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, attest);
	if (curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, hook) != CURLE_OK) // a curl on another TLS library
		return 2;
	CURLcode rc = curl_easy_perform(curl);
	fprintf(stderr, "%s: %s\n", curl_easy_strerror(rc), cage_attest_error(attest));
	return rc == CURLE_OK ? 0 : 1;
}
