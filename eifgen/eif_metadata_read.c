// SPDX-License-Identifier: Apache-2.0
//
// The metadata section, read as AWS's reader does (facts/eif-format.md 5.3): all five keys and all five inner ones are
// needed, once each; unknown keys are passed over; an array of five in field order will do; `null` means none. What
// that reader would fail at is written down and the rest of the file is still described. Beyond that, text that neither
// writer would have written (blanks, another key order, unknown keys) is a departure.
#include "eifgen/eif_reader.h"

#include "base/mem.h"

#include <string.h>

enum {
	TEXT_MAX = 1 << 20, // bytes of the section; docker-inspect's output inside is a few thousand
	DEPTH = 127,	    // as the reference's reader
	FIELDS = 5,
};

static const char *const top_fields[FIELDS] = {"ImageName", "ImageVersion", "BuildMetadata", "DockerInfo",
					       "CustomMetadata"};
const char *const eif_build_fields[FIELDS] = {"BuildTime", "BuildTool", "BuildToolVersion", "OperatingSystem",
					      "KernelVersion"};

static const char *const type_names[] = {"null", "a truth value", "a number", "a number",
					 "a number", "a string", "an array", "an object"};

// Finds the members of an object, or the elements of an array, that a structure of five fields is made from.
static int take_fields(const struct jdoc *d, const struct jval *v, const char *const names[FIELDS],
		       const struct jval *out[FIELDS], struct err *err)
{
	const struct jval *c;
	size_t i = 0;

	memset(out, 0, FIELDS * sizeof(*out));
	if (v->type == JVAL_ARRAY) {
		for (c = jdoc_first(d, v); c && i < FIELDS; c = jdoc_next(d, c))
			out[i++] = c;
		return c || i < FIELDS ? err_set(err, ERR_INPUT, "an array that is not of %d", FIELDS) : 0;
	}
	if (v->type != JVAL_OBJECT)
		return err_set(err, ERR_INPUT, "%s where an object should stand", type_names[v->type]);
	for (c = jdoc_first(d, v); c; c = jdoc_next(d, c)) {
		for (i = 0; i < FIELDS && !jdoc_key_is(d, c, names[i]); i++)
			;
		if (i == FIELDS)
			continue;
		if (out[i])
			return err_set(err, ERR_INPUT, "%s stands twice", names[i]);
		out[i] = c;
	}
	for (i = 0; i < FIELDS; i++)
		if (!out[i])
			return err_set(err, ERR_INPUT, "%s is missing", names[i]);
	return 0;
}

static int need_string(const struct jval *v, const char *name, struct err *err)
{
	if (v->type == JVAL_STRING)
		return 0;
	return err_set(err, ERR_INPUT, "%s is %s, not a string", name, type_names[v->type]);
}

static int take_metadata(struct eif_file *f, struct err *err)
{
	const struct jval *top[FIELDS];
	const struct jdoc *d = &f->meta;

	if (take_fields(d, d->nodes, top_fields, top, err) || need_string(top[0], top_fields[0], err) ||
	    need_string(top[1], top_fields[1], err))
		return -1;
	if (take_fields(d, top[2], eif_build_fields, f->build, err))
		return err_prefix(err, "BuildMetadata: ");
	for (size_t i = 0; i < FIELDS; i++)
		if (need_string(f->build[i], eif_build_fields[i], err))
			return -1;
	f->image_name = top[0];
	f->image_version = top[1];
	f->docker_info = top[3];
	f->custom = top[4];
	return 0;
}

static void put_string(struct jout *o, const struct jdoc *d, const char *key, const struct jval *v)
{
	jout_strn(o, key, jdoc_text(d, v), v->len);
}

// Writes the section anew and compares: equal bytes mean that a writer made them.
static int check_form(struct eif_file *f, const struct buf *text, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(false);
	const struct jdoc *d = &f->meta;

	jout_open(&o, NULL, '{');
	put_string(&o, d, "ImageName", f->image_name);
	put_string(&o, d, "ImageVersion", f->image_version);
	jout_open(&o, "BuildMetadata", '{');
	for (size_t i = 0; i < FIELDS; i++)
		put_string(&o, d, eif_build_fields[i], f->build[i]);
	jout_close(&o, '}');
	jout_key(&o, "DockerInfo", strlen("DockerInfo"));
	if (jdoc_write(d, f->docker_info, false, &o, err))
		return -1;
	jout_key(&o, "CustomMetadata", strlen("CustomMetadata"));
	if (jdoc_write(d, f->custom, true, &o, err))
		return -1;
	jout_close(&o, '}');
	if (!jout_text(&o, err))
		return -1;
	if (o.text.len == text->len && !memcmp(o.text.data, text->data, text->len))
		return 0;
	return eif_note(f, false, err,
			"metadata is not in the form that writers give it (one line, known keys in order)");
}

static int read_text(struct eif_file *f, const struct eif_section *s, struct buf *text, struct err *err)
{
	if (buf_reserve(text, (size_t)s->size + 1, err))
		return -1;
	return eif_file_copy(f, s, sink_buf(text), err);
}

static int read_section(struct eif_file *f, const struct eif_section *s, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(TEXT_MAX + 1);
	struct err why = ERR_INIT;

	jdoc_free(&f->meta);
	f->image_name = NULL;
	f->has_metadata = false;
	if (s->size > TEXT_MAX)
		return eif_note(f, false, err, "metadata of %llu bytes, more than %d: not read",
				(unsigned long long)s->size, TEXT_MAX);
	if (read_text(f, s, &text, err))
		return -1;
	if (jdoc_parse(&f->meta, text.data, text.len, DEPTH, JDOC_EXACT, &why)) {
		if (why.class == ERR_MEMORY)
			return err_nomem(err);
		return eif_note(f, false, err, "metadata: %s", why.msg);
	}
	if (f->meta.nodes[0].type == JVAL_NULL)
		return eif_note(f, false, err, "metadata is null");
	if (take_metadata(f, &why))
		return eif_note(f, false, err, "metadata: %s", why.msg);
	f->has_metadata = true;
	if (f->custom->type != JVAL_OBJECT && f->custom->type != JVAL_NULL &&
	    eif_note(f, true, err, "CustomMetadata is %s: AWS's describe-eif fails at this file",
		     type_names[f->custom->type]))
		return -1;
	return check_form(f, &text, err);
}

int eif_read_metadata(struct eif_file *f, struct err *err)
{
	for (size_t i = 0; i < f->section_count; i++)
		if (f->sections[i].type == EIF_SECTION_METADATA && read_section(f, &f->sections[i], err))
			return -1;
	return 0;
}
