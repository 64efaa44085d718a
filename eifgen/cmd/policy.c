// SPDX-License-Identifier: Apache-2.0
//
// `eifgen policy`: records into the condition of an AWS KMS key policy (KMS developer guide, condition keys for AWS
// Nitro Enclaves): kms:RecipientAttestation:ImageSha384 is PCR0 by another name, kms:RecipientAttestation:PCR<n> the
// register.
//
// Several records, for a rollover, make lists: any of the values will do for each register. That mixes nothing up,
// since PCR0 alone stands for kernel, command line and both ramdisks: an enclave with an old PCR0 has the old PCR1 and
// PCR2. PCR8 is asked for only if every record has one; a policy for signed and unsigned builds could not ask for it.
#include "base/mem.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/json_out.h"
#include "eifgen/record.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { REGISTERS = 4 };

static const char *const names[REGISTERS] = {"PCR0", "PCR1", "PCR2", "PCR8"};

struct records {
	struct record **items;
	size_t count;
};

static void records_clear(struct records *r)
{
	for (size_t i = 0; i < r->count; i++)
		record_free(r->items[i]);
	free(r->items);
}

// The register in hex, NULL if the record has none.
static const char *value_of(const struct record *r, int i)
{
	char path[32];

	snprintf(path, sizeof(path), "Measurements.%s", names[i]);
	return record_text(r, path);
}

static bool seen_before(const struct records *r, size_t at, int i)
{
	for (size_t k = 0; k < at; k++)
		if (!strcasecmp(value_of(r->items[k], i), value_of(r->items[at], i)))
			return true;
	return false;
}

static bool all_signed(const struct records *r)
{
	for (size_t k = 0; k < r->count; k++)
		if (!r->items[k]->pcrs.has_pcr8)
			return false;
	return true;
}

static void put_values(const struct records *r, const char *key, int i, struct jout *o)
{
	jout_open(o, key, '[');
	for (size_t k = 0; k < r->count; k++)
		if (!seen_before(r, k, i))
			jout_str(o, NULL, value_of(r->items[k], i));
	jout_close(o, ']');
}

static void put_condition(const struct records *r, struct jout *o)
{
	char key[64];

	jout_open(o, "Condition", '{');
	jout_open(o, "StringEqualsIgnoreCase", '{');
	put_values(r, "kms:RecipientAttestation:ImageSha384", 0, o);
	for (int i = 0; i < REGISTERS; i++) {
		if (i == 3 && !all_signed(r))
			continue;
		snprintf(key, sizeof(key), "kms:RecipientAttestation:%s", names[i]);
		put_values(r, key, i, o);
	}
	jout_close(o, '}');
	jout_close(o, '}');
}

static void put_plain(const struct records *r, struct jout *o)
{
	jout_open(o, "Records", '[');
	for (size_t k = 0; k < r->count; k++) {
		jout_open(o, NULL, '{');
		jout_str(o, "Record", r->items[k]->path);
		for (int i = 0; i < REGISTERS; i++)
			if (value_of(r->items[k], i))
				jout_str(o, names[i], value_of(r->items[k], i));
		jout_close(o, '}');
	}
	jout_close(o, ']');
}

static void warn_of_mixture(const struct records *r)
{
	bool any = false;

	for (size_t k = 0; k < r->count; k++)
		any |= r->items[k]->pcrs.has_pcr8;
	if (any && !all_signed(r))
		cmd_warn(NULL, "some of the records are of unsigned builds: the condition does not ask for PCR8");
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {{NULL, 0, NULL, 0}};
	__attribute__((cleanup(records_clear))) struct records r = {0};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	if (cmd_getopt(argc, argv, "", longs) != -1)
		return cmd_opt_status;
	if (optind == argc)
		return cmd_usage_error("policy", "one record or more are needed");
	r.items = mem_zalloc((size_t)(argc - optind), sizeof(*r.items), &err);
	if (!r.items)
		return cmd_fail("read", argv[optind], &err);
	for (int i = optind; i < argc; i++) {
		if (record_load(argv[i], &r.items[r.count], &err))
			return cmd_fail("read", argv[i], &err);
		r.count++;
	}
	warn_of_mixture(&r);
	jout_open(&o, NULL, '{');
	put_condition(&r, &o);
	put_plain(&r, &o);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_print(text) : cmd_fail("print", "the policy", &err);
}

const struct cmd cmd_policy = {
	"policy",
	"the AWS KMS condition that lets these builds, and no others, use a key",
	"Usage: eifgen policy RECORD…\n"
	"Print the condition of a KMS key policy statement for the builds of these records (`Condition`), and the registers\n"
	"of each (`Records`). With the records of an old and a new release both pass, as a rollover needs it.\n\n"
	CMD_COMMON_HELP,
	run,
};
