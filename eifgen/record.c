// SPDX-License-Identifier: Apache-2.0
//
// Writing a record. The members are said in any order into one JSON text, which is then read back and written sorted:
// so no order is kept by hand.
#include "eifgen/record.h"

#include "eifgen/json_value.h"
#include "eifgen/report.h"
#include "layerfs/entropy.h"

#include <string.h>

enum { RECORD_DEPTH = 32 };

static const char *hex_of(const char *digest)
{
	const char *colon = strchr(digest, ':');

	return colon ? colon + 1 : digest;
}

static void text_or_null(struct jout *o, const char *key, const char *text)
{
	if (text && *text)
		jout_str(o, key, text);
	else
		jout_null(o, key);
}

static void put_file(struct jout *o, const char *key, const struct platform_file *f)
{
	if (!f->path) {
		jout_null(o, key);
		return;
	}
	jout_open(o, key, '{');
	jout_str(o, "Name", f->name);
	jout_str(o, "Sha256", hex_of(f->digest));
	jout_uint(o, "Size", f->size);
	jout_close(o, '}');
}

static void put_platform(struct jout *o, const struct platform *p)
{
	jout_open(o, "Platform", '{');
	jout_str(o, "Cmdline", p->cmdline);
	put_file(o, "Init", &p->init);
	put_file(o, "Kernel", &p->kernel);
	put_file(o, "KernelConfig", &p->config);
	put_file(o, "Nsm", &p->nsm);
	jout_open(o, "Modules", '[');
	for (size_t i = 0; i < p->module_count; i++)
		put_file(o, NULL, &p->modules[i]);
	jout_close(o, ']');
	jout_close(o, '}');
}

static void put_image(struct jout *o, const struct record_source *s)
{
	const struct image *img = s->input->image;

	jout_open(o, "Image", '{');
	jout_str(o, "Reference", s->image_reference ? s->image_reference : image_reference(img));
	text_or_null(o, "Manifest", image_manifest_digest(img));
	jout_str(o, "Config", image_config_digest(img));
	jout_open(o, "Layers", '[');
	for (size_t i = 0; i < image_layer_count(img); i++) {
		const struct image_layer *l = image_layer(img, i);

		jout_open(o, NULL, '{');
		jout_str(o, "Digest", l->digest);
		jout_str(o, "DiffId", l->diff_id);
		jout_uint(o, "Size", l->size);
		jout_close(o, '}');
	}
	jout_close(o, ']');
	jout_close(o, '}');
}

static void put_epoch(struct jout *o, const struct epoch *e)
{
	jout_open(o, "Epoch", '{');
	jout_uint(o, "Seconds", e->seconds);
	jout_str(o, "Source", epoch_source_name(e->source));
	text_or_null(o, "Commit", e->commit);
	text_or_null(o, "Path", e->path);
	jout_bool(o, "Dirty", e->dirty);
	jout_close(o, '}');
}

static void put_strings(struct jout *o, const char *key, const char *const *list, size_t n)
{
	jout_open(o, key, '[');
	for (size_t i = 0; i < n; i++)
		jout_str(o, NULL, list[i]);
	jout_close(o, ']');
}

static void put_overrides(struct jout *o, const struct record_source *s)
{
	jout_open(o, "Overrides", '{');
	if (s->cmd)
		put_strings(o, "Cmd", (const char *const *)s->cmd, s->cmd_count);
	else
		jout_null(o, "Cmd");
	put_strings(o, "Env", s->env, s->env_count);
	jout_str(o, "User", s->user);
	jout_str(o, "Workdir", s->workdir);
	jout_close(o, '}');
}

static void put_scrub(struct jout *o, const struct record_source *s)
{
	const struct scan *done = s->output ? s->output->scrubbed : NULL;

	if (!s->input->scrub) {
		jout_null(o, "Scrub");
		return;
	}
	jout_open(o, "Scrub", '{');
	jout_uint(o, "Version", ENTROPY_RULES_VERSION);
	jout_open(o, "Rules", '[');
	for (size_t i = 0; entropy_rules[i].id; i++)
		if (s->input->scrub >> i & 1)
			jout_str(o, NULL, entropy_rules[i].id);
	jout_close(o, ']');
	jout_open(o, "Changed", '[');
	for (size_t i = 0; done && i < done->count; i++) {
		jout_open(o, NULL, '{');
		jout_str(o, "Path", done->findings[i].path);
		jout_str(o, "Rule", done->findings[i].id);
		jout_close(o, '}');
	}
	jout_close(o, ']');
	jout_close(o, '}');
}

static void put_metadata(struct jout *o, const struct eif_metadata *m)
{
	jout_open(o, "Metadata", '{');
	jout_str(o, "ImageName", m->image_name);
	jout_str(o, "ImageVersion", m->image_version);
	if (m->custom_json)
		jout_strn(o, "Custom", m->custom_json, m->custom_json_len);
	else
		jout_null(o, "Custom");
	jout_close(o, '}');
}

// Package versions of what is measured beside the image, from the bundle that holds this init.
static void put_runtime(struct jout *o, const struct platform *p)
{
	_cleanup_json_ cJSON *doc = NULL;
	const cJSON *packages = NULL, *item;
	struct err ignored = ERR_INIT;

	if (!p->bundle || json_parse(p->bundle, strlen(p->bundle), RECORD_FILE_MAX, &doc, &ignored) ||
	    json_get_object(doc, "packages", JSON_REQUIRED, &packages, &ignored)) {
		jout_null(o, "Runtime");
		return;
	}
	jout_open(o, "Runtime", '{');
	jout_open(o, "Packages", '{');
	cJSON_ArrayForEach(item, packages)
		if (cJSON_IsString(item))
			jout_str(o, item->string, item->valuestring);
	jout_close(o, '}');
	jout_close(o, '}');
}

static void put_sections(struct jout *o, const struct build_output *out)
{
	jout_open(o, "Sections", '[');
	for (size_t i = 0; i < out->section_count; i++) {
		jout_open(o, NULL, '{');
		jout_str(o, "Type", build_section_name(out->sections[i].type));
		jout_uint(o, "Size", out->sections[i].size);
		jout_hex(o, "Sha384", out->sections[i].sha384, SHA384_SIZE);
		jout_close(o, '}');
	}
	jout_close(o, ']');
}

static void put_output(struct jout *o, const struct record_source *s)
{
	report_measurements(o, &s->output->pcrs);
	put_sections(o, s->output);
	jout_open(o, "Eif", '{');
	jout_str(o, "Sha256", s->eif_digest ? hex_of(s->eif_digest) : NULL);
	jout_uint(o, "Size", s->output->size);
	jout_close(o, '}');
	jout_str(o, "Listing", s->listing_digest ? hex_of(s->listing_digest) : NULL);
	put_strings(o, "Unpredictable", (const char *const *)s->unpredictable, s->unpredictable_count);
}

static void put_inputs(struct jout *o, const struct record_source *s)
{
	const struct build_input *in = s->input;

	jout_str(o, "Schema", RECORD_SCHEMA);
	jout_open(o, "Tool", '{');
	jout_str(o, "Name", "eifgen");
	jout_str(o, "Version", EIFGEN_VERSION);
	jout_close(o, '}');
	jout_open(o, "Layout", '{');
	jout_str(o, "Name", layout_name(in->layout.id));
	jout_uint(o, "Version", layout_version(in->layout.id));
	jout_close(o, '}');
	jout_str(o, "Arch", platform_arch_name(in->platform->arch));
	jout_str(o, "Mtime", in->layout.mtime == MTIME_CLAMP ? "clamp" : "set");
	jout_bool(o, "AllowLarge", in->layout.allow_large);
	put_image(o, s);
	put_platform(o, in->platform);
	put_runtime(o, in->platform);
	put_epoch(o, s->epoch);
	put_overrides(o, s);
	put_scrub(o, s);
	put_metadata(o, &in->metadata);
	jout_str(o, "Cage", in->overlay_digest ? hex_of(in->overlay_digest) : NULL);
	if (in->overlay_digest)
		jout_uint(o, "CagePort", in->overlay_port);
	else
		jout_null(o, "CagePort");
	if (in->overlay_report && s->output) { // known when the image has been looked into
		jout_open(o, "CageTools", '[');
		in->overlay_report(in->overlay_ctx, o);
		jout_close(o, ']');
	} else {
		jout_null(o, "CageTools");
	}
	if (in->certificate_sha256) {
		jout_open(o, "Signature", '{');
		jout_str(o, "CertificateSha256", in->certificate_sha256);
		jout_str(o, "Nonce", in->signature_nonce);
		jout_close(o, '}');
	} else {
		jout_null(o, "Signature");
	}
}

int record_canonical(const char *text, struct buf *out, struct err *err)
{
	_cleanup_jdoc_ struct jdoc doc = JDOC_INIT;
	_cleanup_jout_ struct jout o = JOUT_INIT(false);

	if (jdoc_parse(&doc, text, strlen(text), RECORD_DEPTH, JDOC_EXACT, err) ||
	    jdoc_write(&doc, &doc.nodes[0], true, &o, err))
		return -1;
	text = jout_text(&o, err);
	if (!text)
		return -1;
	return buf_add_str(out, text, err) || buf_add_byte(out, '\n', err) ? -1 : 0;
}

int record_write(const struct record_source *src, struct buf *out, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(false);
	const char *text;

	jout_open(&o, NULL, '{');
	put_inputs(&o, src);
	if (src->output)
		put_output(&o, src);
	jout_close(&o, '}');
	text = jout_text(&o, err);
	return text ? record_canonical(text, out, err) : -1;
}
