// SPDX-License-Identifier: Apache-2.0
//
// Members of the record that a user chose become externalParameters; those that are digests of inputs become
// resolvedDependencies. The statement is then read back and written sorted, as the record is.
#include "eifgen/provenance.h"

#include "base/cleanup.h"
#include "eifgen/json_value.h"
#include "eifgen/record.h"
#include "layerfs/digest.h"

#include <string.h>

enum { DEPTH = 32 };

static const struct jval *member(const struct jdoc *d, const struct jval *obj, const char *key)
{
	if (!obj || obj->type != JVAL_OBJECT)
		return NULL;
	for (const struct jval *v = jdoc_first(d, obj); v; v = jdoc_next(d, v))
		if (jdoc_key_is(d, v, key))
			return v;
	return NULL;
}

static void put_text(const struct jdoc *d, const char *key, const struct jval *v, struct jout *o)
{
	if (v && v->type == JVAL_STRING)
		jout_strn(o, key, jdoc_text(d, v), v->len);
}

// {"digest":{"sha256":…},"name":…[,"uri":…]}; the digest's text may begin with "sha256:". Nothing without a digest.
static void put_descriptor(const struct jdoc *d, const char *name, const struct jval *digest, const struct jval *uri,
			   struct jout *o)
{
	static const char prefix[] = "sha256:";
	const char *p = digest && digest->type == JVAL_STRING ? (const char *)jdoc_text(d, digest) : NULL;
	size_t n = p ? digest->len : 0;

	if (!n)
		return;
	if (n > sizeof(prefix) - 1 && !memcmp(p, prefix, sizeof(prefix) - 1)) {
		p += sizeof(prefix) - 1;
		n -= sizeof(prefix) - 1;
	}
	jout_open(o, NULL, '{');
	jout_str(o, "name", name);
	if (uri && uri->type == JVAL_STRING && memchr(jdoc_text(d, uri), ':', uri->len)) // a bare path is no URI
		put_text(d, "uri", uri, o);
	jout_open(o, "digest", '{');
	jout_strn(o, "sha256", p, n);
	jout_close(o, '}');
	jout_close(o, '}');
}

static void put_image(const struct jdoc *d, const struct jval *image, struct jout *o)
{
	const struct jval *layers = member(d, image, "Layers");

	put_descriptor(d, "image manifest", member(d, image, "Manifest"), member(d, image, "Reference"), o);
	put_descriptor(d, "image config", member(d, image, "Config"), NULL, o);
	for (const struct jval *l = layers ? jdoc_first(d, layers) : NULL; l; l = jdoc_next(d, l))
		put_descriptor(d, "image layer", member(d, l, "Digest"), NULL, o);
}

static void put_platform(const struct jdoc *d, const struct jval *platform, struct jout *o)
{
	static const struct {
		const char *key, *name;
	} files[] = {{"Kernel", "kernel"}, {"KernelConfig", "kernel config"}, {"Init", "init"}, {"Nsm", "nsm.ko"}};
	const struct jval *modules = member(d, platform, "Modules");

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_descriptor(d, files[i].name, member(d, member(d, platform, files[i].key), "Sha256"), NULL, o);
	for (const struct jval *m = modules ? jdoc_first(d, modules) : NULL; m; m = jdoc_next(d, m))
		put_descriptor(d, "kernel module", member(d, m, "Sha256"), NULL, o);
}

static int put_definition(const struct jdoc *d, const struct jval *root, struct jout *o, struct err *err)
{
	static const char *const chosen[] = {"AllowLarge", "Arch",  "Cage",	 "Epoch", "Layout",
					     "Metadata",   "Mtime", "Overrides", "Scrub"};
	const struct jval *platform = member(d, root, "Platform"), *v;

	jout_open(o, "buildDefinition", '{');
	jout_str(o, "buildType", PROVENANCE_BUILD_TYPE);
	jout_open(o, "externalParameters", '{');
	for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++) {
		v = member(d, root, chosen[i]);
		if (!v)
			continue;
		jout_key(o, chosen[i], strlen(chosen[i]));
		if (jdoc_write(d, v, true, o, err))
			return -1;
	}
	put_text(d, "Cmdline", member(d, platform, "Cmdline"), o);
	put_text(d, "Image", member(d, member(d, root, "Image"), "Reference"), o);
	jout_close(o, '}');
	jout_open(o, "internalParameters", '{');
	put_text(d, "recordSchema", member(d, root, "Schema"), o);
	jout_close(o, '}');
	jout_open(o, "resolvedDependencies", '[');
	put_image(d, member(d, root, "Image"), o);
	put_platform(d, platform, o);
	put_descriptor(d, "cage overlay", member(d, root, "Cage"), NULL, o);
	jout_close(o, ']');
	jout_close(o, '}');
	return 0;
}

static void put_registers(const struct jdoc *d, const struct jval *measurements, struct jout *o)
{
	static const char *const names[] = {"PCR0", "PCR1", "PCR2", "PCR8"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct jval *v = member(d, measurements, names[i]);

		if (!v)
			continue;
		jout_open(o, NULL, '{');
		jout_str(o, "name", names[i]);
		jout_open(o, "digest", '{');
		put_text(d, "sha384", v, o);
		jout_close(o, '}');
		jout_close(o, '}');
	}
}

static void put_run(const struct jdoc *d, const struct jval *root, const char *record_name, const char *record_digest,
		    struct jout *o)
{
	jout_open(o, "runDetails", '{');
	jout_open(o, "builder", '{');
	jout_str(o, "id", PROVENANCE_BUILDER_ID);
	jout_open(o, "version", '{');
	put_text(d, "eifgen", member(d, member(d, root, "Tool"), "Version"), o);
	jout_close(o, '}');
	jout_close(o, '}');
	jout_open(o, "byproducts", '[');
	jout_open(o, NULL, '{');
	jout_str(o, "name", record_name);
	jout_open(o, "digest", '{');
	jout_str(o, "sha256", record_digest);
	jout_close(o, '}');
	jout_close(o, '}');
	put_registers(d, member(d, root, "Measurements"), o);
	jout_close(o, ']');
	jout_close(o, '}');
}

static int put_statement(const struct jdoc *d, const char *eif_name, const char *record_name, const char *record_digest,
			 struct jout *o, struct err *err)
{
	const struct jval *root = &d->nodes[0], *eif = member(d, root, "Eif"), *sha = member(d, eif, "Sha256");

	if (!sha || sha->type != JVAL_STRING || !member(d, root, "Schema"))
		return err_set(err, ERR_INPUT, "no record of a build that wrote a file");
	jout_open(o, NULL, '{');
	jout_str(o, "_type", "https://in-toto.io/Statement/v1");
	jout_open(o, "subject", '[');
	jout_open(o, NULL, '{');
	jout_str(o, "name", eif_name);
	jout_open(o, "digest", '{');
	put_text(d, "sha256", sha, o);
	jout_close(o, '}');
	jout_close(o, '}');
	jout_close(o, ']');
	jout_str(o, "predicateType", "https://slsa.dev/provenance/v1");
	jout_open(o, "predicate", '{');
	if (put_definition(d, root, o, err))
		return -1;
	put_run(d, root, record_name, record_digest, o);
	jout_close(o, '}');
	jout_close(o, '}');
	return 0;
}

int provenance_write(const void *record, size_t n, const char *eif_name, const char *record_name, struct buf *out,
		     struct err *err)
{
	_cleanup_jdoc_ struct jdoc doc = JDOC_INIT;
	_cleanup_jout_ struct jout o = JOUT_INIT(false);
	char digest[DIGEST_TEXT_MAX];
	const char *text = record;

	if (digest_of(record, n, digest, err))
		return -1;
	while (n && text[n - 1] == '\n')
		n--;
	if (jdoc_parse(&doc, record, n, DEPTH, JDOC_EXACT, err) ||
	    put_statement(&doc, eif_name, record_name, digest + sizeof("sha256:") - 1, &o, err))
		return -1;
	text = jout_text(&o, err);
	return text ? record_canonical(text, out, err) : -1;
}
