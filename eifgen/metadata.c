// SPDX-License-Identifier: Apache-2.0
//
// The metadata section (facts/eif-format.md 5): one line of compact JSON, every key always there, in this order:
//
//   {"ImageName":S,"ImageVersion":S,"BuildMetadata":{"BuildTime":S,"BuildTool":S,"BuildToolVersion":S,
//    "OperatingSystem":S,"KernelVersion":S},"DockerInfo":null,"CustomMetadata":V}
//
// It is not measured, yet the file's bytes depend on it: so nothing here is taken from clock or machine, and the
// caller's own JSON is parsed and written anew with its keys sorted.
#include "eifgen/eif.h"

#include "base/utf8.h"
#include "eifgen/json_out.h"
#include "eifgen/json_value.h"

#include <string.h>

enum {
	CUSTOM_MAX = 4096, // bytes of --metadata, white space included, as the reference's writer has it
	CUSTOM_DEPTH = 126, // one more and the reference's reader, which counts the object around it, refuses the file
};

static int add_field(struct jout *o, const char *key, const char *text, struct err *err)
{
	if (!text)
		return err_set(err, ERR_USAGE, "metadata field %s is not set", key);
	if (!utf8_valid(text, strlen(text)))
		return err_set(err, ERR_INPUT, "metadata field %s is not UTF-8", key);
	jout_str(o, key, text);
	return 0;
}

static int add_custom(struct jout *o, const struct eif_metadata *m, struct err *err)
{
	_cleanup_jdoc_ struct jdoc doc = JDOC_INIT;

	if (!m->custom_json) {
		jout_null(o, "CustomMetadata");
		return 0;
	}
	if (m->custom_json_len > CUSTOM_MAX)
		return err_set(err, ERR_LIMIT, "custom metadata of %zu bytes is more than %d", m->custom_json_len,
			       CUSTOM_MAX);
	if (jdoc_parse(&doc, m->custom_json, m->custom_json_len, CUSTOM_DEPTH, JDOC_AS_REFERENCE, err))
		return err_prefix(err, "custom metadata: ");
	jout_key(o, "CustomMetadata", strlen("CustomMetadata"));
	return jdoc_write(&doc, doc.nodes, true, o, err);
}

int eif_metadata_write(const struct eif_metadata *m, struct buf *out, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(false);
	const char *text;

	jout_open(&o, NULL, '{');
	if (add_field(&o, "ImageName", m->image_name, err) || add_field(&o, "ImageVersion", m->image_version, err))
		return -1;
	jout_open(&o, "BuildMetadata", '{');
	if (add_field(&o, "BuildTime", m->build_time, err) || add_field(&o, "BuildTool", m->build_tool, err) ||
	    add_field(&o, "BuildToolVersion", m->build_tool_version, err) ||
	    add_field(&o, "OperatingSystem", m->operating_system, err) ||
	    add_field(&o, "KernelVersion", m->kernel_version, err))
		return -1;
	jout_close(&o, '}');
	jout_null(&o, "DockerInfo");
	if (add_custom(&o, m, err))
		return -1;
	jout_close(&o, '}');
	text = jout_text(&o, err);
	return text ? buf_add_str(out, text, err) : -1;
}
