// SPDX-License-Identifier: Apache-2.0
//
// `eifgen sign`: adds or replaces an EIF's signature. With a key here (PEM or a token) in one step; with a key
// elsewhere in two: --detached gives the bytes to be signed, --attach takes the signature that some other tool made of
// them.
#include "base/cleanup.h"
#include "base/hex.h"
#include "base/io.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/sign_record.h"
#include "eifgen/cmd/time_option.h"
#include "eifgen/eif_sign.h"
#include "eifgen/report.h"
#include "pcr/signer.h"

#include <string.h>
#include <unistd.h>

enum { SIGNATURE_FILE_MAX = 4096 }; // r || s or DER: at most 141 bytes

struct sign {
	const char *given, *target; // what the EIF is called by, and what that leads to
	const char *path;	    // what is read: the target, if it is signed in place
	const char *out, *at_text, *attach;
	bool detached, digest;
	struct signer_options signer;
	struct sign_record record;
};

enum { OPT_KEY = 256, OPT_CERT, OPT_PASS, OPT_AT, OPT_DETACHED, OPT_DIGEST, OPT_ATTACH, OPT_RECORD, OPT_NO_RECORD };

static const struct option longs[] = {{"key", required_argument, NULL, OPT_KEY},
				      {"cert", required_argument, NULL, OPT_CERT},
				      {"passphrase-file", required_argument, NULL, OPT_PASS},
				      {"at", required_argument, NULL, OPT_AT},
				      {"detached", no_argument, NULL, OPT_DETACHED},
				      {"digest", no_argument, NULL, OPT_DIGEST},
				      {"attach", required_argument, NULL, OPT_ATTACH},
				      {"record", required_argument, NULL, OPT_RECORD},
				      {"no-record", no_argument, NULL, OPT_NO_RECORD},
				      {"output", required_argument, NULL, 'o'},
				      {NULL, 0, NULL, 0}};

static void take_option(struct sign *s, int option)
{
	switch (option) {
	case OPT_KEY:
		s->signer.key = optarg;
		break;
	case OPT_CERT:
		s->signer.cert = optarg;
		break;
	case OPT_PASS:
		s->signer.passphrase_file = optarg;
		break;
	case OPT_AT:
		s->at_text = optarg;
		break;
	case OPT_ATTACH:
		s->attach = optarg;
		break;
	case OPT_DETACHED:
		s->detached = true;
		break;
	case OPT_DIGEST:
		s->digest = true;
		break;
	case OPT_RECORD:
		s->record.path = optarg;
		break;
	case OPT_NO_RECORD:
		s->record.none = true;
		break;
	default:
		s->out = optarg;
	}
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct sign *s)
{
	int option;

	while ((option = cmd_getopt(argc, argv, "o:", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		take_option(s, option);
	}
	if (argc - optind != 1)
		return 1 + cmd_usage_error("sign", "one EIF is needed");
	s->path = s->given = s->target = argv[optind];
	if (!s->signer.cert)
		return 1 + cmd_usage_error("sign", "--cert is needed");
	if (!!s->signer.key + s->detached + !!s->attach != 1)
		return 1 + cmd_usage_error("sign", "one of --key, --detached and --attach is needed");
	if (s->digest && !s->detached)
		return 1 + cmd_usage_error("sign", "--digest goes with --detached");
	if (s->out && s->detached)
		return 1 + cmd_usage_error("sign", "--detached writes to standard output, not to -o");
	if (s->signer.passphrase_file && !s->signer.key)
		return 1 + cmd_usage_error("sign", "--passphrase-file goes with --key");
	if (s->record.path && (s->record.none || s->detached))
		return 1 + cmd_usage_error("sign", "--record and %s are at odds",
					   s->detached ? "--detached" : "--no-record");
	return 0;
}

static int print_detached(const struct sign *s, const struct signer *signer, const struct eif_file *f, struct err *err)
{
	_cleanup_buf_ struct buf tbs = BUF_INIT(0);
	uint8_t digest[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];

	if (signer_detached(signer, f->pcrs.pcr0, &tbs, digest, err))
		return -1;
	if (!cmd_quiet)
		cmd_say("to be signed with ECDSA on %s; its %s is %s", signer->alg->curve,
			EVP_MD_get0_name(signer->alg->md()), hex_encode(digest, signer->alg->digest_len, hex));
	return s->digest ? io_write(STDOUT_FILENO, digest, signer->alg->digest_len, err)
			 : io_write(STDOUT_FILENO, tbs.data, tbs.len, err);
}

static int make_section(const struct sign *s, const struct signer *signer, const struct eif_file *f,
			struct buf *section, struct err *err)
{
	_cleanup_buf_ struct buf signature = BUF_INIT(0);

	if (!s->attach)
		return signer_section(signer, f->pcrs.pcr0, section, err);
	if (io_slurp(s->attach, SIGNATURE_FILE_MAX, &signature, err))
		return -1;
	if (signer_attach(signer, f->pcrs.pcr0, signature.data ? (void *)signature.data : "", signature.len, section,
			  err))
		return err_prefix(err, "%s: ", s->attach);
	return 0;
}

static int write_signed(struct sign *s, const struct signer *signer, const struct eif_file *f, struct err *err)
{
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	_cleanup_buf_ struct buf section = BUF_INIT(0);
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct pcr_values pcrs = f->pcrs;
	const char *text;

	if (sign_record_find(&s->record, s->target, s->given, s->out, f, err) ||
	    make_section(s, signer, f, &section, err) || signer_pcr8(signer, pcrs.pcr8, err))
		return -1;
	pcrs.has_pcr8 = true;
	if (atomic_file_open(&file, s->out ? s->out : s->path, err))
		return -1;
	file.keep_mode = !s->out;
	if (eif_sign_copy(f, &section, file.fd, err) ||
	    sign_record_write(&s->record, signer, s->attach != NULL, pcrs.pcr8, &section, file.fd, err))
		return -1;
	jout_open(&o, NULL, '{');
	report_measurements(&o, &pcrs);
	jout_str(&o, "Algorithm",
		 signer->alg->id == COSE_ES256   ? "ES256"
		 : signer->alg->id == COSE_ES384 ? "ES384"
						 : "ES512");
	jout_str(&o, "Nonce", s->attach ? "chosen by the signer" : signer->token ? "token" : "RFC 6979");
	jout_bool(&o, "Replaced", f->signature_count > 0);
	jout_str(&o, "Record", s->record.to);
	jout_close(&o, '}');
	text = jout_text(&o, err);
	if (!text)
		return -1;
	return cmd_finish((struct atomic_file *[]){&file, &s->record.file}, 2, text) ? EXIT_TROUBLE : 0;
}

static int run(int argc, char **argv)
{
	_cleanup_eif_file_ struct eif_file *f = NULL;
	_cleanup_signer_ struct signer *signer = NULL;
	_cleanup_free_ char *target = NULL;
	struct sign s = {.record = SIGN_RECORD_INIT};
	struct err err = ERR_INIT;
	int rc = parse(argc, argv, &s);

	if (rc)
		return rc - 1;
	target = sign_target(s.given, &err);
	if (target)
		s.target = target;
	else if (!s.out || err.class != ERR_IO) // a file without a name (/dev/stdin) can be signed into another
		return cmd_fail("sign", s.given, &err);
	if (!s.out)
		s.path = s.target;
	if (time_option(s.at_text, &s.signer.at, &err) || signer_open(&s.signer, &signer, &err) ||
	    eif_file_open(s.path, &f, &err) || eif_sign_allowed(f, &err))
		return cmd_fail("sign", s.path, &err);
	rc = s.detached ? print_detached(&s, signer, f, &err) : write_signed(&s, signer, f, &err);
	sign_record_clear(&s.record);
	return rc < 0 ? cmd_fail("sign", s.path, &err) : rc;
}

const struct cmd cmd_sign = {
	"sign",
	"add or replace an EIF's signature",
	"Usage: eifgen sign FILE.eif --cert CERT --key KEY [-o OUT]\n"
	"       eifgen sign FILE.eif --cert CERT --detached [--digest] >BYTES\n"
	"       eifgen sign FILE.eif --cert CERT --attach SIGNATURE [-o OUT]\n"
	"Signs PCR0 as AWS's readers want it. With a key in a file the signature is deterministic (RFC 6979): the same image,\n"
	"key and certificate give the same bytes. It is verified before anything is written. The record of the EIF is made\n"
	"that of the signed one, as `build` with that key would have written it.\n\n"
	"      --cert FILE            certificate, PEM: P-256, P-384 or P-521, within its dates\n"
	"      --key FILE|pkcs11:URI  its private key: PEM, or in a token (module-path= and pin-value= in the URI)\n"
	"      --passphrase-file FILE opens an encrypted key; a token's PIN\n"
	"      --detached             print the bytes to be signed; their digest is said on standard error\n"
	"      --digest               with --detached: print the digest's bytes instead (as KMS and HSMs want it)\n"
	"      --attach FILE          a signature made elsewhere: r and s, or DER\n"
	"      --record FILE          the EIF's record (default: FILE.eif.record.json, if there is one, beside the file or\n"
	"                             the link that names it); with -o the signed one's is OUT.record.json, else the same\n"
	"      --no-record            leave it as it is\n"
	"      --at TIME              judge the certificate's dates then, not now\n"
	"  -o, --output FILE          the signed file (default: FILE.eif is replaced)\n"
	CMD_COMMON_HELP,
	run,
};
