// SPDX-License-Identifier: Apache-2.0
//
// The SPDX 2.3 document. Identifiers are SPDXRef-Package-<number in sorted order>: names of packages hold characters
// that SPDX identifiers may not. Licenses are given as the database has them only where that is a license expression
// that SPDX would read for sure (one identifier of letters, digits, dot and dash); else NOASSERTION.
#include "eifgen/sbom.h"

#include "base/mem.h"
#include "eifgen/json_out.h"
#include "epoch/epoch.h"

#include <stdio.h>
#include <string.h>

static bool unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
}

// Percent-encoding as package URLs want it. `:` stays, as in their examples of epochs.
static int add_encoded(struct buf *out, const char *s, struct err *err)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (unreserved(c) || c == ':' ? buf_add_byte(out, c, err) : buf_printf(out, err, "%%%02X", c))
			return -1;
	}
	return 0;
}

static int add_qualifier(struct buf *out, bool *any, const char *key, const char *value, struct err *err)
{
	int rc = buf_printf(out, err, "%c%s=", *any ? '&' : '?', key) || add_encoded(out, value, err) ? -1 : 0;

	*any = true;
	return rc;
}

// pkg:deb/debian/bash@5.2.15-2%2Bb2?arch=amd64&distro=debian-12
// pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=i386&distro=fedora-25&epoch=2: an rpm's epoch is no part of its version there.
static int add_purl(struct buf *out, const struct sbom *s, const struct sbom_package *p, struct err *err)
{
	static const char *const types[] = {"deb", "apk", "rpm"};
	static const char *const vendors[] = {"debian", "alpine", "redhat"}; // where os-release names none
	const char *vendor = s->distro[0] ? s->distro : vendors[p->kind], *version = p->version;
	size_t digits = p->kind == SBOM_RPM ? strspn(version, "0123456789") : 0;
	_cleanup_free_ char *epoch = NULL, *distro = NULL;
	bool any = false;

	if (digits && version[digits] == ':') {
		epoch = mem_dup(version, digits, err);
		if (!epoch)
			return -1;
		version += digits + 1;
	}

	if (buf_printf(out, err, "pkg:%s/", types[p->kind]) || add_encoded(out, vendor, err) ||
	    buf_add_byte(out, '/', err) || add_encoded(out, p->name, err) || buf_add_byte(out, '@', err) ||
	    add_encoded(out, version, err))
		return -1;
	if (s->distro[0] && s->distro_version[0]) {
		distro = mem_printf(err, "%s-%s", s->distro, s->distro_version);
		if (!distro)
			return -1;
	}
	if ((p->arch[0] && add_qualifier(out, &any, "arch", p->arch, err)) ||
	    (distro && add_qualifier(out, &any, "distro", distro, err)) ||
	    (epoch && add_qualifier(out, &any, "epoch", epoch, err)))
		return -1;
	return 0;
}

static const char *license_of(const struct sbom_package *p)
{
	const char *l = p->license;

	if (!l[0] || p->kind == SBOM_RPM) // rpm's names are often Fedora's own
		return "NOASSERTION";
	for (const char *c = l; *c; c++)
		if (!unreserved((unsigned char)*c) || *c == '_' || *c == '~')
			return "NOASSERTION";
	return strncmp(l, "LicenseRef", 10) && strchr(l, '-') ? l
	       : !strcmp(l, "MIT") || !strcmp(l, "ISC")       ? l
							      : "NOASSERTION";
}

static void put_common(struct jout *o, const char *license)
{
	jout_str(o, "copyrightText", "NOASSERTION");
	jout_str(o, "downloadLocation", "NOASSERTION");
	jout_bool(o, "filesAnalyzed", false);
	jout_str(o, "licenseConcluded", "NOASSERTION");
	jout_str(o, "licenseDeclared", license);
}

static int put_package(struct jout *o, const struct sbom *s, size_t i, struct err *err)
{
	const struct sbom_package *p = &s->packages[i];
	_cleanup_buf_ struct buf purl = BUF_INIT(0);
	char id[64];

	if (add_purl(&purl, s, p, err) || !buf_cstr(&purl, err))
		return -1;
	snprintf(id, sizeof(id), "SPDXRef-Package-%zu", i + 1);
	jout_open(o, NULL, '{');
	jout_str(o, "SPDXID", id);
	put_common(o, license_of(p));
	jout_open(o, "externalRefs", '[');
	jout_open(o, NULL, '{');
	jout_str(o, "referenceCategory", "PACKAGE-MANAGER");
	jout_str(o, "referenceLocator", (const char *)purl.data);
	jout_str(o, "referenceType", "purl");
	jout_close(o, '}');
	jout_close(o, ']');
	jout_str(o, "name", p->name);
	jout_str(o, "versionInfo", p->version);
	jout_close(o, '}');
	return 0;
}

static void put_image(struct jout *o, const struct sbom_document *doc)
{
	const char *hex = strchr(doc->image_digest, ':');

	jout_open(o, NULL, '{');
	jout_str(o, "SPDXID", "SPDXRef-Image");
	if (hex) {
		jout_open(o, "checksums", '[');
		jout_open(o, NULL, '{');
		jout_str(o, "algorithm", "SHA256");
		jout_str(o, "checksumValue", hex + 1);
		jout_close(o, '}');
		jout_close(o, ']');
	}
	put_common(o, "NOASSERTION");
	jout_str(o, "name", doc->image_name);
	jout_str(o, "primaryPackagePurpose", "CONTAINER");
	jout_str(o, "versionInfo", doc->image_digest);
	jout_close(o, '}');
}

static void put_relationship(struct jout *o, const char *from, const char *type, const char *to)
{
	jout_open(o, NULL, '{');
	jout_str(o, "relatedSpdxElement", to);
	jout_str(o, "relationshipType", type);
	jout_str(o, "spdxElementId", from);
	jout_close(o, '}');
}

static void put_relationships(struct jout *o, const struct sbom *s)
{
	jout_open(o, "relationships", '[');
	put_relationship(o, "SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image");
	for (size_t i = 0; i < s->count; i++) {
		char id[64];

		snprintf(id, sizeof(id), "SPDXRef-Package-%zu", i + 1);
		put_relationship(o, "SPDXRef-Image", "CONTAINS", id);
	}
	jout_close(o, ']');
}

int sbom_write_spdx(const struct sbom *s, const struct sbom_document *doc, struct buf *out, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	const char *hex = strchr(doc->image_digest, ':'), *text;
	char tool[128], space[256], created[21];

	snprintf(tool, sizeof(tool), "Tool: eifgen-%s", doc->tool_version);
	snprintf(space, sizeof(space), "https://spdx.org/spdxdocs/eifgen-image-%s-%u", hex ? hex + 1 : "unknown",
		 doc->epoch);
	jout_open(&o, NULL, '{');
	jout_str(&o, "SPDXID", "SPDXRef-DOCUMENT");
	jout_open(&o, "creationInfo", '{');
	jout_str(&o, "created", epoch_rfc3339(doc->epoch, created));
	jout_open(&o, "creators", '[');
	jout_str(&o, NULL, tool);
	jout_close(&o, ']');
	jout_close(&o, '}');
	jout_str(&o, "dataLicense", "CC0-1.0");
	jout_str(&o, "documentNamespace", space);
	jout_str(&o, "name", doc->image_name);
	jout_open(&o, "packages", '[');
	put_image(&o, doc);
	for (size_t i = 0; i < s->count; i++)
		if (put_package(&o, s, i, err))
			return -1;
	jout_close(&o, ']');
	put_relationships(&o, s);
	jout_str(&o, "spdxVersion", "SPDX-2.3");
	jout_close(&o, '}');
	text = jout_text(&o, err);
	return text ? buf_add_str(out, text, err) : -1;
}
