// SPDX-License-Identifier: Apache-2.0
//
// nitro-cli's smaller commands under their own names: `describe-eif --eif-path`, `sign-eif --eif-path
// --signing-certificate --private-key`, and `pcr --input|--signing-certificate`. Their answers are nitro-cli's; their
// refusals are ours, which are stricter.
#include "eifgen/cmd/nitro.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "eifgen/cmd/sign_record.h"
#include "eifgen/cmd/time_option.h"
#include "eifgen/eif_sign.h"
#include "eifgen/report.h"
#include "pcr/cert.h"
#include "pcr/signer.h"

#include <string.h>

enum { OPT_EIF = 256, OPT_CERT, OPT_KEY };
enum { CERT_FILE_MAX = 1 << 20, BLOCK = 128 * 1024 };

int nitro_take_once(const char *command, const struct option *longs, int option, const char **slot)
{
	while (longs->val != option)
		longs++;
	if (*slot) // not its values: a key's name can hold a PIN
		return cmd_usage_error(command, "--%s is given twice", longs->name);
	*slot = optarg;
	return 0;
}

int nitro_check_key(const char *command, const char *key)
{
	if (!key || strncmp(key, "arn:", 4) != 0)
		return 0;
	return cmd_usage_error(command, "a key in KMS: on the unsigned EIF `sign --detached --digest`, `aws kms sign`, "
			       "`sign --attach`");
}

// What AWS's reader would fail at. There nothing is printed; so here.
static int check_readable(const struct eif_file *f, struct err *err)
{
	bool metadata = true;

	for (size_t i = 0; i < f->section_count; i++)
		if (f->sections[i].type == EIF_SECTION_METADATA)
			metadata = f->has_metadata || (f->meta.nodes && f->meta.nodes->type == JVAL_NULL);
	if (!f->cut && metadata && (!f->signature_count || f->cose_ok))
		return 0;
	for (size_t i = 0; i < f->anomaly_count; i++)
		if (!f->anomalies[i].tolerated)
			return err_set(err, ERR_INPUT, "%s", f->anomalies[i].text);
	return err_set(err, ERR_INPUT, "not a sound EIF");
}

static int describe(const char *path)
{
	_cleanup_eif_file_ struct eif_file *f = NULL;
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	if (eif_file_open(path, &f, &err) || check_readable(f, &err))
		return cmd_fail("describe", path, &err);
	for (size_t i = 0; i < f->anomaly_count; i++)
		cmd_warn(NULL, f->anomalies[i].text);
	jout_open(&o, NULL, '{');
	if (report_describe(&o, f, &err))
		return cmd_fail("describe", path, &err);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_print(text) : cmd_fail("describe", path, &err);
}

static int run_describe(int argc, char **argv)
{
	static const struct option longs[] = {{"eif-path", required_argument, NULL, OPT_EIF}, {NULL, 0, NULL, 0}};
	const char *path = NULL;
	int option;

	while ((option = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status;
		if (nitro_take_once("describe-eif", longs, option, &path))
			return EXIT_TROUBLE;
	}
	if (!path || optind < argc)
		return cmd_usage_error("describe-eif", "--eif-path is needed, and nothing else");
	return describe(path);
}

static int sign(const char *path, struct signer_options *opt)
{
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	_cleanup_eif_file_ struct eif_file *f = NULL;
	_cleanup_signer_ struct signer *signer = NULL;
	_cleanup_sign_record_ struct sign_record record = SIGN_RECORD_INIT; // nitro-cli knows none; ours stay true
	_cleanup_buf_ struct buf section = BUF_INIT(0);
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *given = path;
	_cleanup_free_ char *target = sign_target(path, &err); // nitro-cli writes through a symlink
	struct pcr_values pcrs;
	const char *text;

	if (!target)
		return cmd_fail("sign", path, &err);
	path = target;
	if (time_option(NULL, &opt->at, &err) || signer_open(opt, &signer, &err) || eif_file_open(path, &f, &err) ||
	    eif_sign_allowed(f, &err) || sign_record_find(&record, path, given, NULL, f, &err))
		return cmd_fail("sign", path, &err);
	pcrs = f->pcrs;
	pcrs.has_pcr8 = true;
	if (signer_pcr8(signer, pcrs.pcr8, &err) || signer_section(signer, pcrs.pcr0, &section, &err) ||
	    atomic_file_open(&file, path, &err))
		return cmd_fail("sign", path, &err);
	file.keep_mode = true;
	if (eif_sign_copy(f, &section, file.fd, &err) ||
	    sign_record_write(&record, signer, false, pcrs.pcr8, &section, file.fd, &err))
		return cmd_fail("sign", path, &err);
	jout_open(&o, NULL, '{');
	report_measurements(&o, &pcrs);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_finish((struct atomic_file *[]){&file, &record.file}, 2, text) : cmd_fail("sign", path, &err);
}

static int run_sign(int argc, char **argv)
{
	static const struct option longs[] = {{"eif-path", required_argument, NULL, OPT_EIF},
					      {"signing-certificate", required_argument, NULL, OPT_CERT},
					      {"private-key", required_argument, NULL, OPT_KEY},
					      {NULL, 0, NULL, 0}};
	struct signer_options opt = {0};
	const char *path = NULL;
	int option;

	while ((option = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status;
		if (nitro_take_once("sign-eif", longs, option,
				    option == OPT_EIF ? &path : option == OPT_CERT ? &opt.cert : &opt.key))
			return EXIT_TROUBLE;
	}
	if (!path || !opt.cert || !opt.key || optind < argc)
		return cmd_usage_error("sign-eif", "--eif-path, --signing-certificate and --private-key are needed");
	if (nitro_check_key("sign-eif", opt.key))
		return EXIT_TROUBLE;
	return sign(path, &opt);
}

static int print_register(const char *name, const uint8_t value[PCR_SIZE])
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	jout_open(&o, NULL, '{');
	jout_hex(&o, name, value, PCR_SIZE);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_print(text) : cmd_fail("print", "the register", &err);
}

// One ramdisk and nothing else: PCR0 of such a measurement is the register of its bytes.
static int measure_file(const char *path, struct pcr_measure *m, struct pcr_values *v, struct err *err)
{
	_cleanup_close_ int fd = io_open(path, err);
	uint8_t block[BLOCK];
	ssize_t n;

	if (fd < 0 || pcr_measure_section(m, PCR_RAMDISK, err))
		return -1;
	while ((n = io_read(fd, block, sizeof(block), err)) > 0)
		if (pcr_measure_update(m, block, (size_t)n, err))
			return -1;
	return n < 0 ? -1 : pcr_measure_final(m, v, err);
}

int nitro_pcr_of_file(const char *path)
{
	struct pcr_values v = {.has_pcr8 = false};
	struct err err = ERR_INIT;
	struct pcr_measure *m = pcr_measure_new(&err);
	int rc = m ? measure_file(path, m, &v, &err) : -1;

	pcr_measure_free(m);
	return rc ? cmd_fail("measure", path, &err) : print_register("PCR", v.pcr0);
}

int nitro_pcr_of_certificate(const char *path)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0), der = BUF_INIT(0);
	_cleanup_x509_ X509 *cert = NULL;
	uint8_t value[PCR_SIZE];
	struct err err = ERR_INIT;

	if (io_slurp(path, CERT_FILE_MAX, &text, &err))
		return cmd_fail("measure", path, &err);
	cert = cert_from_pem(text.data, text.len, &err);
	if (!cert || cert_der(cert, &der, &err) || pcr8_of_der(der.data, der.len, value, &err))
		return cmd_fail("measure", path, &err);
	return print_register("PCR8", value);
}

const struct cmd cmd_describe_eif = {
	"describe-eif",
	"nitro-cli's describe-eif",
	"Usage: eifgen describe-eif --eif-path FILE\n"
	"Prints nitro-cli's JSON. What is wrong with the file is warned of; where nitro-cli's reader would fail, this does.\n\n"
	"      --eif-path FILE   the EIF\n"
	CMD_COMMON_HELP,
	run_describe,
};

const struct cmd cmd_sign_eif = {
	"sign-eif",
	"nitro-cli's sign-eif",
	"Usage: eifgen sign-eif --eif-path FILE --signing-certificate CERT --private-key KEY\n"
	"Adds or replaces the signature of FILE, which is replaced as a whole, and prints its Measurements.\n\n"
	"      --eif-path FILE              the EIF\n"
	"      --signing-certificate FILE   PEM\n"
	"      --private-key FILE|pkcs11:URI\n"
	CMD_COMMON_HELP,
	run_sign,
};
