// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cert new`: a signing key and its certificate. The key file is made readable for its owner alone and never
// replaces one that is there: a lost signing key means another PCR8.
#include "base/cleanup.h"
#include "base/hex.h"
#include "base/io.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/time_option.h"
#include "eifgen/json_out.h"
#include "pcr/cert.h"
#include "pcr/cert_new.h"
#include "pcr/pcr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPT_KEY_OUT = 256, OPT_CERT_OUT, OPT_SUBJECT, OPT_DAYS };

static const struct option longs[] = {{"key-out", required_argument, NULL, OPT_KEY_OUT},
				      {"cert-out", required_argument, NULL, OPT_CERT_OUT},
				      {"subject", required_argument, NULL, OPT_SUBJECT},
				      {"days", required_argument, NULL, OPT_DAYS},
				      {NULL, 0, NULL, 0}};

static int write_key(const char *path, const struct buf *pem, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, errno, "create %s", path);
	if (io_write(fd, pem->data, pem->len, err) || fsync(fd)) {
		unlink(path);
		return err->class == ERR_NONE ? err_sys(err, errno, "write %s", path) : -1;
	}
	return 0;
}

static int report(const struct buf *cert_pem, struct jout *o, struct err *err)
{
	_cleanup_x509_ X509 *cert = cert_from_pem(cert_pem->data, cert_pem->len, err);
	_cleanup_buf_ struct buf der = BUF_INIT(0), from = BUF_INIT(0), to = BUF_INIT(0);
	uint8_t pcr8[PCR_SIZE], digest[PCR_SIZE];

	if (!cert || cert_der(cert, &der, err) || pcr8_of_der(der.data, der.len, pcr8, err) ||
	    cert_sha384(cert, digest, err) || cert_date_text(X509_get0_notBefore(cert), &from, err) ||
	    cert_date_text(X509_get0_notAfter(cert), &to, err))
		return -1;
	jout_open(o, NULL, '{');
	jout_hex(o, "PCR8", pcr8, sizeof(pcr8));
	jout_hex(o, "CertificateSha384", digest, sizeof(digest));
	jout_strn(o, "NotBefore", from.data, from.len);
	jout_strn(o, "NotAfter", to.data, to.len);
	jout_close(o, '}');
	return 0;
}

static int make(const struct cert_request *req, const char *key_out, const char *cert_out, struct jout *o,
		struct err *err)
{
	_cleanup_buf_ struct buf key = BUF_INIT(0), cert = BUF_INIT(0);
	int rc = cert_new(req, &key, &cert, err) || report(&cert, o, err) || write_key(key_out, &key, err) ? -1 : 0;

	if (key.data)
		explicit_bzero(key.data, key.len);
	if (!rc && io_write_file(cert_out, cert.data, cert.len, err)) {
		unlink(key_out); // a key without its certificate is of no use
		rc = -1;
	}
	return rc;
}

static int parse_days(unsigned *days)
{
	char *end;
	unsigned long n = strtoul(optarg, &end, 10);

	if (*optarg < '0' || *optarg > '9' || *end || n < 1 || n > 36500)
		return cmd_usage_error("cert", "--days is 1 to 36500, not %s", optarg);
	*days = (unsigned)n;
	return 0;
}

static int run(int argc, char **argv)
{
	struct cert_request req = {.subject = "CN=eifgen signing", .days = 365};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	const char *key_out = NULL, *cert_out = NULL, *text;
	struct err err = ERR_INIT;
	int option;

	while ((option = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status;
		if (option == OPT_DAYS && parse_days(&req.days))
			return EXIT_TROUBLE;
		if (option == OPT_KEY_OUT)
			key_out = optarg;
		else if (option == OPT_CERT_OUT)
			cert_out = optarg;
		else if (option == OPT_SUBJECT)
			req.subject = optarg;
	}
	if (argc - optind != 1 || strcmp(argv[optind], "new") != 0)
		return cmd_usage_error("cert", "the only thing to do is `cert new`");
	if (!key_out || !cert_out)
		return cmd_usage_error("cert", "--key-out and --cert-out are needed");
	if (time_option(NULL, &req.from, &err) || make(&req, key_out, cert_out, &o, &err))
		return cmd_fail("make", "a signing certificate", &err);
	text = jout_text(&o, &err);
	return text ? cmd_print(text) : cmd_fail("make", "a signing certificate", &err);
}

const struct cmd cmd_cert = {
	"cert",
	"make a signing key and certificate (cert new)",
	"Usage: eifgen cert new --key-out KEY --cert-out CERT [--subject TEXT] [--days N]\n"
	"Makes a P-384 key and a self-signed certificate for signing EIFs, and prints the PCR8 that its images will have.\n\n"
	"      --key-out FILE    private key, PEM, readable for its owner alone; must not exist\n"
	"      --cert-out FILE   certificate, PEM\n"
	"      --subject TEXT    such as CN=build,O=Company (default: CN=eifgen signing)\n"
	"      --days N          valid for so long from now (default: 365)\n",
	run,
};
