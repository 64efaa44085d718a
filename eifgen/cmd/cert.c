// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cert new`: a signing key and its certificate. The key file is made readable for its owner alone, and neither
// replaces one that is there: a signing key or certificate that is lost means another PCR8.
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
enum { PATH_QUOTE_MAX = 512 };

static const struct option longs[] = {{"key-out", required_argument, NULL, OPT_KEY_OUT},
				      {"cert-out", required_argument, NULL, OPT_CERT_OUT},
				      {"subject", required_argument, NULL, OPT_SUBJECT},
				      {"days", required_argument, NULL, OPT_DAYS},
				      {NULL, 0, NULL, 0}};

// A file of its own, or none: what stands there already is somebody's.
static int write_new(const char *path, mode_t mode, const struct buf *pem, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	char q[PATH_QUOTE_MAX];

	if (fd < 0)
		return err_sys(err, errno, "create %s", err_quote(path, strlen(path), q, sizeof(q)));
	if (io_write(fd, pem->data, pem->len, err) || fsync(fd)) {
		if (err->class == ERR_NONE)
			err_sys(err, errno, "write %s", err_quote(path, strlen(path), q, sizeof(q)));
		unlink(path);
		return -1;
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

// Both files and the answer, or neither file.
static int put(const char *key_out, const struct buf *key, const char *cert_out, const struct buf *cert,
	       const char *text)
{
	struct err err = ERR_INIT;
	int status = EXIT_TROUBLE;

	if (write_new(key_out, 0600, key, &err))
		return cmd_fail("make", "a signing certificate", &err);
	if (write_new(cert_out, 0666, cert, &err)) {
		cmd_fail("make", "a signing certificate", &err);
	} else {
		status = cmd_print(text);
		if (status)
			unlink(cert_out);
	}
	if (status)
		unlink(key_out); // a key without its certificate is of no use
	return status;
}

static int make(const struct cert_request *req, const char *key_out, const char *cert_out)
{
	_cleanup_buf_ struct buf key = BUF_INIT(0), cert = BUF_INIT(0);
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text = NULL;
	int status;

	if (!cert_new(req, &key, &cert, &err) && !report(&cert, &o, &err))
		text = jout_text(&o, &err);
	status = text ? put(key_out, &key, cert_out, &cert, text) : cmd_fail("make", "a signing certificate", &err);
	if (key.data)
		explicit_bzero(key.data, key.len);
	return status;
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
	const char *key_out = NULL, *cert_out = NULL;
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
	if (time_option(NULL, &req.from, &err))
		return cmd_fail("make", "a signing certificate", &err);
	return make(&req, key_out, cert_out);
}

const struct cmd cmd_cert = {
	"cert",
	"make a signing key and certificate (cert new)",
	"Usage: eifgen cert new --key-out KEY --cert-out CERT [--subject TEXT] [--days N]\n"
	"Makes a P-384 key and a self-signed certificate for signing EIFs, and prints the PCR8 that its images will have.\n\n"
	"      --key-out FILE    private key, PEM, readable for its owner alone; must not exist\n"
	"      --cert-out FILE   certificate, PEM; must not exist\n"
	"      --subject TEXT    such as CN=build,O=Company (default: CN=eifgen signing)\n"
	"      --days N          valid for so long from now (default: 365)\n"
	CMD_COMMON_HELP,
	run,
};
