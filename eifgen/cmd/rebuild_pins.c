// SPDX-License-Identifier: Apache-2.0
//
// From a record back to options, and from a rebuild's output to the verdict.
#include "base/hex.h"
#include "base/mem.h"
#include "eifgen/cmd/rebuild.h"
#include "layerfs/reference.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static int pin_choices(const struct record *r, struct build_options *opt, struct err *err)
{
	const char *layout = record_text(r, "Layout.Name"), *mtime = record_text(r, "Mtime"),
		   *arch = record_text(r, "Arch");
	uint64_t version;

	if (!layout || (strcmp(layout, "canonical") && strcmp(layout, "nitro-cli")))
		return err_set(err, ERR_UNSUPPORTED, "its layout is not known here");
	opt->layout = !strcmp(layout, "canonical") ? LAYOUT_CANONICAL : LAYOUT_NITRO_CLI;
	if (record_number(r, "Layout.Version", &version, err))
		return -1;
	if (version != layout_version(opt->layout))
		return err_set(err, ERR_UNSUPPORTED, "it was made by version %llu of layout %s, this program has %u",
			       (unsigned long long)version, layout, layout_version(opt->layout));
	if (!mtime || (strcmp(mtime, "set") && strcmp(mtime, "clamp")))
		return err_set(err, ERR_INPUT, "its Mtime is neither set nor clamp");
	opt->mtime = !strcmp(mtime, "set") ? MTIME_SET : MTIME_CLAMP;
	if (!arch || !platform_arch_parse(arch, &opt->arch))
		return err_set(err, ERR_INPUT, "its Arch is neither x86_64 nor aarch64");
	opt->platform.arch = opt->arch;
	opt->allow_large = cJSON_IsTrue(record_get(r, "AllowLarge"));
	return 0;
}

static int pin_overrides(const struct record *r, struct build_options *opt, struct rebuild_pins *pins, struct err *err)
{
	const cJSON *cmd = record_get(r, "Overrides.Cmd"), *env = record_get(r, "Overrides.Env"), *item;

	opt->user = record_text(r, "Overrides.User");
	opt->workdir = record_text(r, "Overrides.Workdir");
	if (cmd) {
		pins->cmd_json = cJSON_PrintUnformatted(cmd);
		if (!pins->cmd_json)
			return err_nomem(err);
		opt->cmd_json = pins->cmd_json;
	}
	cJSON_ArrayForEach(item, env) {
		if (!cJSON_IsString(item) || !strchr(item->valuestring, '='))
			return err_set(err, ERR_INPUT, "its Overrides.Env holds something else than NAME=VALUE");
		if (mem_grow(&opt->env, &opt->env_cap, opt->env_count, sizeof(*opt->env), err))
			return -1;
		opt->env[opt->env_count++] = item->valuestring;
	}
	return 0;
}

static int pin_scrub(const struct record *r, struct build_options *opt, struct rebuild_pins *pins, struct err *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, record_get(r, "Scrub.Rules")) {
		if (!cJSON_IsString(item))
			return err_set(err, ERR_INPUT, "its Scrub.Rules holds something else than strings");
		if (buf_printf(&pins->scrub, err, "%s%s", pins->scrub.len ? "," : "", item->valuestring))
			return -1;
	}
	if (pins->scrub.len && !(opt->scrub = buf_cstr(&pins->scrub, err)))
		return -1;
	return 0;
}

int rebuild_pin_options(const struct record *r, struct build_options *opt, struct rebuild_pins *pins, struct err *err)
{
	uint64_t seconds;

	if (pin_choices(r, opt, err) || record_number(r, "Epoch.Seconds", &seconds, err) ||
	    pin_overrides(r, opt, pins, err) || pin_scrub(r, opt, pins, err))
		return -1;
	snprintf(pins->epoch, sizeof(pins->epoch), "%llu", (unsigned long long)seconds);
	opt->epoch = pins->epoch;
	opt->platform.cmdline = record_text(r, "Platform.Cmdline");
	if (!opt->platform.cmdline)
		return err_set(err, ERR_INPUT, "it has no Platform.Cmdline");
	opt->platform.no_nsm = !record_get(r, "Platform.Nsm");
	opt->name = record_text(r, "Metadata.ImageName");
	opt->image_version = record_text(r, "Metadata.ImageVersion");
	opt->metadata_text = record_text(r, "Metadata.Custom");
	return 0;
}

void rebuild_pins_clear(struct rebuild_pins *p)
{
	cJSON_free(p->cmd_json);
	buf_free(&p->scrub);
}

// docker://HOST/REPO@MANIFEST in place of docker://HOST/REPO:TAG; NULL for what has no tag that could have moved.
static int pin_image(const struct record *r, const char *image, char **out, struct err *err)
{
	_cleanup_reference_ struct reference ref = {0};
	const char *manifest = record_text(r, "Image.Manifest");

	*out = NULL;
	if (reference_parse(image, &ref, err))
		return -1;
	if (ref.kind != REFERENCE_REGISTRY || ref.digest || !manifest)
		return 0;
	*out = mem_printf(err, "docker://%s/%s@%s", ref.host, ref.repo, manifest);
	return *out ? 0 : -1;
}

int rebuild_open(struct build_job *job, const struct build_options *opt, const struct record *r, const char *image,
		 struct err *err)
{
	const struct build_input asked = job->input; // what the caller wants digested
	_cleanup_free_ char *pinned = NULL;
	struct err why = ERR_INIT;

	image = image ? image : record_text(r, "Image.Reference");
	if (!image)
		return err_set(err, ERR_USAGE, "the record names no image: say --image");
	if (pin_image(r, image, &pinned, err))
		return -1;
	if (!pinned)
		return build_job_open(job, opt, image, err);
	if (!build_job_open(job, opt, pinned, &why))
		return 0;
	if (why.class != ERR_INPUT || why.errnum != ENOENT) {
		*err = why;
		return -1;
	}
	build_job_clear(job);
	*job = (struct build_job){.input = asked};
	return build_job_open(job, opt, image, err);
}

bool rebuild_is_whole(const struct record *r, const struct build_job *job)
{
	return !record_get(r, "Signature") || (job->signer && job->signer->key);
}

// ---- the verdict ---------------------------------------------------------------------------------------------------

struct verdict {
	struct jout *o;
	bool same;
};

static void differ(struct verdict *v, const char *what, const char *recorded, const char *rebuilt)
{
	v->same = false;
	jout_open(v->o, NULL, '{');
	jout_str(v->o, "What", what);
	jout_str(v->o, "Recorded", recorded);
	jout_str(v->o, "Rebuilt", rebuilt);
	jout_close(v->o, '}');
}

static void compare_hex(struct verdict *v, const char *what, const char *recorded, const uint8_t *p, size_t n)
{
	char hex[2 * 64 + 1];

	hex_encode(p, n, hex);
	if (!recorded || strcasecmp(recorded, hex))
		differ(v, what, recorded, hex);
}

// Sections that the record has beyond those that were built.
static void compare_rest(struct verdict *v, const cJSON *list, size_t built)
{
	const cJSON *row;
	char what[48];
	size_t i = 0;

	cJSON_ArrayForEach(row, list) {
		const cJSON *type = cJSON_GetObjectItemCaseSensitive(row, "Type");
		const cJSON *digest = cJSON_GetObjectItemCaseSensitive(row, "Sha384");
		const char *name = cJSON_IsString(type) ? type->valuestring : "unknown";

		if (i++ < built || !strcmp(name, build_section_name(EIF_SECTION_SIGNATURE)))
			continue;
		snprintf(what, sizeof(what), "section %zu (%.20s)", i, name);
		differ(v, what, cJSON_IsString(digest) ? digest->valuestring : NULL, NULL);
	}
}

static void compare_sections(struct verdict *v, const struct record *r, const struct build_output *out)
{
	const cJSON *list = record_get(r, "Sections"), *item;
	char what[48];

	for (size_t i = 0; i < out->section_count; i++) {
		const struct build_section *s = &out->sections[i];

		if (s->type == EIF_SECTION_SIGNATURE)
			continue;
		item = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, (int)i), "Sha384");
		snprintf(what, sizeof(what), "section %zu (%s)", i + 1, build_section_name(s->type));
		compare_hex(v, what, cJSON_IsString(item) ? item->valuestring : NULL, s->sha384, SHA384_SIZE);
	}
	compare_rest(v, list, out->section_count);
}

int rebuild_compare(const struct record *r, const struct build_job *job, const char *eif_digest, struct jout *o)
{
	const struct pcr_values *p = &job->output.pcrs;
	struct verdict v = {o, true};
	const char *recorded = record_text(r, "Eif.Sha256"), *rebuilt = eif_digest + sizeof("sha256:") - 1;

	jout_open(o, "Differences", '[');
	compare_hex(&v, "PCR0", record_text(r, "Measurements.PCR0"), p->pcr0, PCR_SIZE);
	compare_hex(&v, "PCR1", record_text(r, "Measurements.PCR1"), p->pcr1, PCR_SIZE);
	compare_hex(&v, "PCR2", record_text(r, "Measurements.PCR2"), p->pcr2, PCR_SIZE);
	if (p->has_pcr8)
		compare_hex(&v, "PCR8", record_text(r, "Measurements.PCR8"), p->pcr8, PCR_SIZE);
	compare_sections(&v, r, &job->output);
	if (rebuild_is_whole(r, job) && (!recorded || strcasecmp(recorded, rebuilt)))
		differ(&v, "EIF", recorded, rebuilt);
	jout_close(o, ']');
	jout_bool(o, "Reproduced", v.same);
	return v.same ? 0 : 1;
}
