// SPDX-License-Identifier: Apache-2.0
//
// `eifgen push`: an EIF and its record into a registry, as one OCI artifact that refers to the image it was built from.
// What would not verify is not pushed: the EIF is read in full first, and the record must be this file's.
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

struct push {
	struct registry_option registry;
	const char *eif, *reference, *record_path; // record_path NULL: none is pushed
	bool no_record;
	char *default_record;	  // owned
	struct record *record;	  // or NULL
	struct pcr_values pcrs;
	int eif_fd, record_fd;
	struct artifact artifact;
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int add_part(struct push *p, const char *path, int *fd, const char *type, struct err *err)
{
	*fd = io_open(path, err);
	if (*fd < 0)
		return -1;
	if (artifact_part_set(&p->artifact.parts[p->artifact.count], *fd, type, base_name(path), err))
		return err_prefix(err, "%s: ", path);
	p->artifact.count++;
	return 0;
}

// The record that stands beside the EIF is taken unless the command line says otherwise.
static int find_record(struct push *p, struct err *err)
{
	if (p->record_path || p->no_record)
		return 0;
	p->default_record = mem_printf(err, "%s.record.json", p->eif);
	if (!p->default_record)
		return -1;
	if (!access(p->default_record, F_OK))
		p->record_path = p->default_record;
	return 0;
}

// Whoever signed with another tool than ours has a record of what was there before.
static bool is_of_unsigned(const struct push *p)
{
	const struct pcr_values *r = &p->record->pcrs;

	return !memcmp(r->pcr0, p->pcrs.pcr0, PCR_SIZE) && !memcmp(r->pcr1, p->pcrs.pcr1, PCR_SIZE) &&
	       !memcmp(r->pcr2, p->pcrs.pcr2, PCR_SIZE) && p->pcrs.has_pcr8;
}

static int load_record(struct push *p, struct err *err)
{
	const char *sha256;

	if (record_load(p->record_path, &p->record, err))
		return -1;
	sha256 = record_text(p->record, "Eif.Sha256");
	if (!sha256 || strcmp(sha256, p->artifact.parts[0].digest + strlen("sha256:")))
		return err_set(err, ERR_MISMATCH, "%s is the record of another EIF%s", p->record_path,
			       is_of_unsigned(p)
				   ? ", of this one before it was signed: `eifgen sign` would have kept it true"
				   : "");
	return add_part(p, p->record_path, &p->record_fd, RECORD_PART_TYPE, err);
}

static int prepare(struct push *p, struct err *err)
{
	memcpy(p->artifact.type, EIF_ARTIFACT_TYPE, sizeof(EIF_ARTIFACT_TYPE));
	if (eif_reader_pcrs(p->eif, &p->pcrs, err) || add_part(p, p->eif, &p->eif_fd, EIF_PART_TYPE, err) ||
	    find_record(p, err))
		return -1;
	return p->record_path ? load_record(p, err) : 0;
}

// The image's manifest, if the record names one and this repository has it.
static int find_subject(struct push *p, struct registry *r, struct err *err)
{
	const char *manifest = p->record ? record_text(p->record, "Image.Manifest") : NULL;
	bool found = false;

	if (!manifest)
		return 0;
	if (artifact_find_subject(r, manifest, &p->artifact.subject, &found, err))
		return -1;
	if (!found) {
		memset(&p->artifact.subject, 0, sizeof(p->artifact.subject));
		cmd_warn(NULL,
			 "the image of the record is not in this repository, so the EIF is pushed without a subject");
	}
	return 0;
}

static int parse_reference(const char *text, struct reference *ref, struct err *err)
{
	if (reference_parse(text, ref, err))
		return -1;
	if (ref->kind != REFERENCE_REGISTRY)
		return err_set(err, ERR_USAGE, "not a docker:// reference");
	if (ref->digest)
		return err_set(err, ERR_USAGE, "a tag is needed, not a digest");
	return 0;
}

static int push(struct push *p, struct err *err)
{
	_cleanup_reference_ struct reference ref = {0};
	_cleanup_registry_ struct registry *r = NULL;

	if (parse_reference(p->reference, &ref, err) || prepare(p, err) ||
	    registry_open(ref.host, ref.repo, REGISTRY_PUSH, &p->registry.opt, &r, err) || find_subject(p, r, err))
		return -1;
	return artifact_push(r, ref.tag, &p->artifact, err);
}

static void report_part(struct jout *o, const char *key, const struct artifact_part *part)
{
	jout_open(o, key, '{');
	jout_str(o, "Digest", part->digest);
	jout_uint(o, "Size", part->size);
	jout_close(o, '}');
}

static int report(const struct push *p)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	jout_open(&o, NULL, '{');
	report_measurements(&o, &p->pcrs);
	jout_str(&o, "Reference", p->reference);
	jout_str(&o, "Manifest", p->artifact.digest);
	report_part(&o, "Eif", &p->artifact.parts[0]);
	if (p->record)
		report_part(&o, "Record", &p->artifact.parts[1]);
	else
		jout_null(&o, "Record");
	jout_str(&o, "Subject", *p->artifact.subject.digest ? p->artifact.subject.digest : NULL);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_print(text) : cmd_fail("push", p->eif, &err);
}

static int parse(struct push *p, int argc, char **argv)
{
	enum { OPT_RECORD = 1, OPT_NO_RECORD };
	static const struct option longs[] = {{"record", required_argument, NULL, OPT_RECORD},
					      {"no-record", no_argument, NULL, OPT_NO_RECORD},
					      REGISTRY_LONGS,
					      {NULL, 0, NULL, 0}};
	int option;

	while ((option = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status;
		if (option == OPT_RECORD)
			p->record_path = optarg;
		else if (option == OPT_NO_RECORD)
			p->no_record = true;
		else if (registry_option_take(&p->registry, option, "push"))
			return EXIT_TROUBLE;
	}
	if (p->no_record && p->record_path)
		return cmd_usage_error("push", "--record and --no-record are at odds");
	if (argc - optind != 2)
		return cmd_usage_error("push", "one EIF and one docker:// reference are needed");
	p->eif = argv[optind];
	p->reference = argv[optind + 1];
	return CMD_OPT_STOP; // parsed, and nothing to end for
}

static int run(int argc, char **argv)
{
	struct push p = {.eif_fd = -1, .record_fd = -1};
	struct err err = ERR_INIT;
	int status;

	registry_option_init(&p.registry);
	status = parse(&p, argc, argv);
	if (status != CMD_OPT_STOP)
		return status;
	status = push(&p, &err) ? cmd_fail("push", p.reference, &err) : report(&p);
	record_free(p.record);
	free(p.default_record);
	cleanup_closep(&p.eif_fd);
	cleanup_closep(&p.record_fd);
	return status;
}

const struct cmd cmd_push = {
	"push",
	"an EIF and its record into a registry",
	"Usage: eifgen push FILE.eif docker://HOST[:PORT]/REPO[:TAG] [options]\n"
	"Store an EIF and its record in a registry as one OCI artifact. If the repository holds the image that the\n"
	"record names, the artifact refers to it, so that `eifgen pull` finds it by the image's reference.\n\n"
	"      --record FILE         its record (default: FILE.eif.record.json, if there is one)\n"
	"      --no-record           the EIF alone\n" REGISTRY_HELP
	CMD_COMMON_HELP,
	run,
};
