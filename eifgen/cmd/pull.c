// SPDX-License-Identifier: Apache-2.0
//
// `eifgen pull`: an EIF and its record out of a registry, verified before they appear: every byte against its digest,
// the EIF's own structure and CRC, the record against the EIF's bytes and its registers. Both are on the disk before
// the first gets its name, so that a failure leaves the pair that was there.
#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/eif_artifact.h"
#include "eifgen/cmd/registry_option.h"
#include "eifgen/eif_reader.h"
#include "eifgen/record.h"
#include "eifgen/report.h"
#include "layerfs/artifact.h"
#include "layerfs/reference.h"

#include <string.h>
#include <unistd.h>

struct pull {
	struct registry_option registry;
	const char *reference, *out;
	char *eif_path, *record_path; // owned; record_path NULL: the artifact has none
	struct artifact artifact;
	const struct artifact_part *eif, *record; // into artifact; record may be NULL
	struct pcr_values pcrs;
	struct atomic_file files[2]; // EIF, record
};

// FILE given with -o, or the repository's last component and ".eif" here.
static int name_outputs(struct pull *p, const char *repo, struct err *err)
{
	const char *slash = strrchr(repo, '/');

	p->eif_path = p->out ? mem_strdup(p->out, err) : mem_printf(err, "%s.eif", slash ? slash + 1 : repo);
	if (!p->eif_path)
		return -1;
	p->record_path = p->record ? mem_printf(err, "%s.record.json", p->eif_path) : NULL;
	return p->record && !p->record_path ? -1 : 0;
}

static int find_parts(struct pull *p, struct err *err)
{
	for (size_t i = 0; i < p->artifact.count; i++) {
		const struct artifact_part *part = &p->artifact.parts[i];
		const struct artifact_part **slot = !strcmp(part->media_type, EIF_PART_TYPE)	? &p->eif :
						    !strcmp(part->media_type, RECORD_PART_TYPE) ? &p->record :
												  NULL;
		if (slot && *slot)
			return err_set(err, ERR_INPUT, "two parts are of type %s", part->media_type);
		if (slot)
			*slot = part;
	}
	if (!p->eif)
		return err_set(err, ERR_INPUT, "no part is an EIF");
	if (p->record && p->record->size > RECORD_FILE_MAX)
		return err_set(err, ERR_LIMIT, "the record is larger than %d bytes", RECORD_FILE_MAX);
	return 0;
}

static int check_record(const struct pull *p, const char *path, struct err *err)
{
	struct record *r = NULL;
	const char *sha256;
	int rc = 0;

	if (record_load(path, &r, err))
		return -1;
	sha256 = record_text(r, "Eif.Sha256");
	if (!sha256 || strcmp(sha256, p->eif->digest + strlen("sha256:")))
		rc = err_set(err, ERR_MISMATCH, "the record is another EIF's");
	else if (memcmp(r->pcrs.pcr0, p->pcrs.pcr0, PCR_SIZE) || memcmp(r->pcrs.pcr1, p->pcrs.pcr1, PCR_SIZE) ||
		 memcmp(r->pcrs.pcr2, p->pcrs.pcr2, PCR_SIZE))
		rc = err_set(err, ERR_MISMATCH, "the record's PCRs are not those of the EIF");
	record_free(r);
	return rc;
}

// Under their temporary names; which they lose is the caller's affair.
static int fetch(struct pull *p, struct registry *r, struct err *err)
{
	struct atomic_file *eif = &p->files[0], *record = &p->files[1];

	if (atomic_file_open(eif, p->eif_path, err) || artifact_fetch(r, p->eif, eif->fd, err) ||
	    eif_reader_pcrs(eif->tmp, &p->pcrs, err))
		return -1;
	if (!p->record)
		return 0;
	return atomic_file_open(record, p->record_path, err) || artifact_fetch(r, p->record, record->fd, err) ||
			       check_record(p, record->tmp, err)
		       ? -1
		       : 0;
}

// A record that stands there already is of what the EIF replaces, unless they are the same bytes.
static int warn_of_old_record(const struct pull *p, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(err, "%s.record.json", p->eif_path), *text = NULL;
	struct err why = ERR_INIT;

	if (!path)
		return -1;
	if (p->record || access(path, F_OK) || !check_record(p, path, &why))
		return 0;
	text = mem_printf(err, "%s is %s: the one that was pulled has none", path,
			  why.class == ERR_MISMATCH ? "another EIF's record" : "no record of this EIF");
	if (!text)
		return -1;
	cmd_warn(NULL, text);
	return 0;
}

static int pull(struct pull *p, struct err *err)
{
	_cleanup_reference_ struct reference ref = {0};
	_cleanup_registry_ struct registry *r = NULL;

	if (reference_parse(p->reference, &ref, err))
		return -1;
	if (ref.kind != REFERENCE_REGISTRY)
		return err_set(err, ERR_USAGE, "not a docker:// reference");
	if (registry_open(ref.host, ref.repo, REGISTRY_PULL, &p->registry.opt, &r, err) ||
	    artifact_open(r, ref.digest ? ref.digest : ref.tag, EIF_ARTIFACT_TYPE, &p->artifact, err) ||
	    find_parts(p, err) || name_outputs(p, ref.repo, err))
		return -1;
	return fetch(p, r, err) || warn_of_old_record(p, err) ? -1 : 0;
}

static int finish(struct pull *p)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	jout_open(&o, NULL, '{');
	report_measurements(&o, &p->pcrs);
	jout_str(&o, "Reference", p->reference);
	jout_str(&o, "Manifest", p->artifact.digest);
	jout_str(&o, "Eif", p->eif_path);
	jout_str(&o, "Record", p->record_path);
	jout_str(&o, "Subject", *p->artifact.subject.digest ? p->artifact.subject.digest : NULL);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_finish((struct atomic_file *[]){&p->files[0], &p->files[1]}, 2, text)
		    : cmd_fail("pull", p->reference, &err);
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"output", required_argument, NULL, 'o'}, REGISTRY_LONGS, {NULL, 0, NULL, 0}};
	struct pull p = {.files = {ATOMIC_FILE_INIT, ATOMIC_FILE_INIT}};
	struct err err = ERR_INIT;
	int option, status;

	registry_option_init(&p.registry);
	while ((option = cmd_getopt(argc, argv, "o:", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status;
		if (option == 'o')
			p.out = optarg;
		else if (registry_option_take(&p.registry, option, "pull"))
			return EXIT_TROUBLE;
	}
	if (argc - optind != 1)
		return cmd_usage_error("pull", "one docker:// reference is needed");
	p.reference = argv[optind];
	status = pull(&p, &err) ? cmd_fail("pull", p.reference, &err) : finish(&p);
	atomic_file_discard(&p.files[0]);
	atomic_file_discard(&p.files[1]);
	free(p.eif_path);
	free(p.record_path);
	return status;
}

const struct cmd cmd_pull = {
	"pull",
	"an EIF and its record out of a registry",
	"Usage: eifgen pull docker://HOST[:PORT]/REPO[:TAG|@DIGEST] [-o FILE.eif]\n"
	"Fetch an EIF that `eifgen push` stored, by its own reference or by that of the image it was built from, and its\n"
	"record as FILE.eif.record.json. Both are verified before they appear: digests, CRC, and the record against the\n"
	"EIF. Who wrote them is another question: see `verify --require-signed` and `rebuild`.\n\n"
	"  -o, --output FILE.eif     where to (default: the repository's last name, in this directory)\n" REGISTRY_HELP
	CMD_COMMON_HELP,
	run,
};
