// SPDX-License-Identifier: Apache-2.0
//
// Facts are lines of text under the names of diff.c's table. Where an EIF and a record can both say something (the
// kernel's digest, the command line), they say it in the same words, so that one can be held against the other.
#include "eifgen/diff_load.h"

#include "base/hex.h"
#include "base/mem.h"
#include "eifgen/eif_reader.h"
#include "layerfs/json.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

enum {
	CMDLINE_MAX = 64 * 1024,	  // a kernel takes 2 to 4 KiB; more is shown cut
	METADATA_MAX = 4 * 1024 * 1024, // DockerInfo may be large; more is not compared
	BLOCK = 256 * 1024,
};

struct diff_side *diff_side_new(enum diff_side_kind kind, const char *name, struct err *err)
{
	struct diff_side *s = mem_zalloc(1, sizeof(*s), err);

	if (!s)
		return NULL;
	s->kind = kind;
	s->fd = -1;
	s->name = mem_strdup(name, err);
	if (s->name)
		return s;
	diff_side_free(s);
	return NULL;
}

static int set_pcr(struct diff_side *s, int i, const uint8_t value[PCR_SIZE], struct err *err)
{
	char hex[2 * PCR_SIZE + 1];

	s->pcr[i] = mem_strdup(hex_encode(value, PCR_SIZE, hex), err);
	return s->pcr[i] ? 0 : -1;
}

int diff_side_set_pcrs(struct diff_side *s, const struct pcr_values *v, struct err *err)
{
	if (set_pcr(s, 0, v->pcr0, err) || set_pcr(s, 1, v->pcr1, err) || set_pcr(s, 2, v->pcr2, err))
		return -1;
	return v->has_pcr8 ? set_pcr(s, 8, v->pcr8, err) : 0;
}

// Digest in hex of n bytes at off of fd. `hex` holds 2 * 64 + 1.
static int digest_extent(int fd, uint64_t off, uint64_t n, const EVP_MD *md, char *hex, struct err *err)
{
	_cleanup_free_ uint8_t *block = mem_alloc(BLOCK, err);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t value[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int rc = block && ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1 ? 0 : err_nomem(err);

	for (uint64_t done = 0; !rc && done < n;) {
		size_t k = n - done < BLOCK ? (size_t)(n - done) : BLOCK;

		rc = io_pread_full(fd, block, k, off + done, err);
		if (!rc && EVP_DigestUpdate(ctx, block, k) != 1)
			rc = err_nomem(err);
		done += k;
	}
	if (!rc && EVP_DigestFinal_ex(ctx, value, &len) != 1)
		rc = err_nomem(err);
	EVP_MD_CTX_free(ctx);
	if (!rc)
		hex_encode(value, len, hex);
	return rc;
}

static const char *const ramdisk_facts[] = {"ramdisk-1", "ramdisk-2"};

int diff_side_add_digests(struct diff_side *s, struct err *err)
{
	for (size_t i = 0; i < 2 && i < s->ramdisk_count; i++) {
		char hex[2 * EVP_MAX_MD_SIZE + 1];

		if (!s->extents[i].size || diff_side_fact(s, ramdisk_facts[i]))
			continue;
		if (digest_extent(s->fd, s->extents[i].offset, s->extents[i].size, EVP_sha384(), hex, err) ||
		    diff_side_add_fact(s, ramdisk_facts[i], hex, err))
			return -1;
	}
	return 0;
}

// ---- an EIF --------------------------------------------------------------------------------------------------------

static int add_text_section(struct diff_side *s, const char *name, const struct eif_file *f,
			    const struct eif_section *sec, size_t max, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(max + 1);

	if (sec->size > max || diff_side_fact(s, name))
		return 0;
	if (eif_file_copy(f, sec, sink_buf(&text), err) || !buf_cstr(&text, err))
		return -1;
	return diff_side_add_fact(s, name, (const char *)text.data, err);
}

static int add_ramdisk(struct diff_side *s, const struct eif_section *sec, struct err *err)
{
	uint64_t data = sec->offset + EIF_SECTION_HEADER_SIZE;
	struct err not_newc = ERR_INIT;
	size_t i = s->ramdisk_count;

	if (i == DIFF_RAMDISKS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d ramdisks", DIFF_RAMDISKS_MAX);
	s->extents[i].offset = data;
	s->extents[i].size = sec->size;
	s->ramdisk_count++;
	if (!listing_read(s->fd, data, sec->size, &s->ramdisks[i], &not_newc) || not_newc.class == ERR_INPUT ||
	    not_newc.class == ERR_UNSUPPORTED)
		return 0;
	*err = not_newc;
	return -1;
}

static int add_section(struct diff_side *s, const struct eif_file *f, const struct eif_section *sec, struct err *err)
{
	char hex[2 * EVP_MAX_MD_SIZE + 1];

	switch (sec->type) {
	case EIF_SECTION_KERNEL:
		if (diff_side_fact(s, "kernel"))
			return 0;
		return digest_extent(f->fd, sec->offset + EIF_SECTION_HEADER_SIZE, sec->size, EVP_sha256(), hex, err) ||
				       diff_side_add_fact(s, "kernel", hex, err)
			       ? -1
			       : 0;
	case EIF_SECTION_CMDLINE:
		return add_text_section(s, "cmdline", f, sec, CMDLINE_MAX, err);
	case EIF_SECTION_METADATA:
		return add_text_section(s, "metadata", f, sec, METADATA_MAX, err);
	case EIF_SECTION_RAMDISK:
		return add_ramdisk(s, sec, err);
	default:
		return 0;
	}
}

static int add_certificate(struct diff_side *s, const struct eif_file *f, struct err *err)
{
	uint8_t value[EVP_MAX_MD_SIZE];
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned len = 0;

	if (diff_side_add_fact(s, "signed", f->signature_count ? "yes" : "no", err))
		return -1;
	if (!f->cert)
		return 0;
	if (X509_digest(f->cert, EVP_sha256(), value, &len) != 1)
		return err_set(err, ERR_INPUT, "the certificate cannot be digested");
	return diff_side_add_fact(s, "certificate", hex_encode(value, len, hex), err);
}

static int side_of_file(const struct eif_file *f, const char *name, struct diff_side **out, struct err *err)
{
	_cleanup_(diff_side_freep) struct diff_side *s = diff_side_new(DIFF_SIDE_EIF, name, err);

	if (!s)
		return -1;
	s->fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 0);
	if (s->fd < 0)
		return err_sys(err, errno, "duplicate a descriptor");
	if (f->cut)
		return err_set(err, ERR_INPUT, "the file is cut short: its registers would mislead");
	for (size_t i = 0; i < f->section_count; i++)
		if (add_section(s, f, &f->sections[i], err))
			return -1;
	if (diff_side_set_pcrs(s, &f->pcrs, err) || add_certificate(s, f, err) ||
	    diff_side_add_fact(s, "arch", f->flags & 1 ? "aarch64" : "x86_64", err))
		return -1;
	*out = steal_ptr(&s);
	return 0;
}

int diff_side_of_eif(const char *path, struct diff_side **out, struct err *err)
{
	_cleanup_eif_file_ struct eif_file *f = NULL;

	return eif_file_open(path, &f, err) ? -1 : side_of_file(f, path, out, err);
}

int diff_side_of_open_eif(int fd, const char *name, struct diff_side **out, struct err *err)
{
	_cleanup_eif_file_ struct eif_file *f = NULL;

	return eif_file_open_fd(fd, &f, err) ? -1 : side_of_file(f, name, out, err);
}

// ---- a record ------------------------------------------------------------------------------------------------------

// Which member of a record is which fact, by path.
static const struct {
	const char *fact, *object, *member; // object "" : the top
} members[] = {
    {"kernel", "Platform.Kernel", "Sha256"},
    {"cmdline", "Platform", "Cmdline"},
    {"init", "Platform.Init", "Sha256"},
    {"nsm", "Platform.Nsm", "Sha256"},
    {"layout", "", "Layout"},
    {"epoch", "Epoch", "Seconds"},
    {"mtime", "", "Mtime"},
    {"image-config", "Image", "Config"},
    {"cage", "", "Cage"},
    {"scrub", "Scrub", "Rules"},
    {"overrides", "", "Overrides"},
    {"arch", "", "Arch"},
    {"modules", "Platform", "Modules"},
    {"certificate", "Signature", "CertificateSha256"},
};

static const cJSON *at_path(const cJSON *doc, const char *path)
{
	while (doc && *path) {
		const char *end = strchrnul(path, '.');
		char key[64];

		snprintf(key, sizeof(key), "%.*s", (int)(end - path), path);
		doc = cJSON_GetObjectItemCaseSensitive(doc, key);
		path = *end ? end + 1 : end;
	}
	return doc;
}

// A member as one line: a string as it is, anything else as compact JSON; what is absent or null as "none".
static int add_member(struct diff_side *s, const char *fact, const cJSON *v, struct err *err)
{
	char *text;
	int rc;

	if (!v || cJSON_IsNull(v))
		return diff_side_add_fact(s, fact, "none", err);
	if (cJSON_IsString(v))
		return diff_side_add_fact(s, fact, v->valuestring, err);
	text = cJSON_PrintUnformatted(v);
	if (!text)
		return err_nomem(err);
	rc = diff_side_add_fact(s, fact, text, err);
	cJSON_free(text);
	return rc;
}

static int add_layers(struct diff_side *s, const cJSON *doc, struct err *err)
{
	const cJSON *layer;
	_cleanup_buf_ struct buf line = BUF_INIT(0);

	cJSON_ArrayForEach(layer, at_path(doc, "Image.Layers")) {
		const cJSON *id = cJSON_GetObjectItemCaseSensitive(layer, "DiffId");

		if (cJSON_IsString(id) && buf_printf(&line, err, "%s%s", line.len ? " " : "", id->valuestring))
			return -1;
	}
	return buf_cstr(&line, err) ? diff_side_add_fact(s, "image-layers", (const char *)line.data, err) : -1;
}

static int add_sections(struct diff_side *s, const cJSON *doc, struct err *err)
{
	const cJSON *section;
	size_t n = 0;

	cJSON_ArrayForEach(section, at_path(doc, "Sections")) {
		const cJSON *type = cJSON_GetObjectItemCaseSensitive(section, "Type");
		const cJSON *digest = cJSON_GetObjectItemCaseSensitive(section, "Sha384");

		if (!cJSON_IsString(type) || !cJSON_IsString(digest) || strcmp(type->valuestring, "ramdisk") || n >= 2)
			continue;
		if (diff_side_add_fact(s, ramdisk_facts[n++], digest->valuestring, err))
			return -1;
	}
	return 0;
}

int diff_side_add_record_facts(struct diff_side *s, const cJSON *doc, struct err *err)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const cJSON *object = at_path(doc, members[i].object);

		if (add_member(s, members[i].fact, cJSON_GetObjectItemCaseSensitive(object, members[i].member), err))
			return -1;
	}
	return add_layers(s, doc, err) || add_sections(s, doc, err) ? -1 : 0;
}

int diff_side_of_record(const struct record *r, struct diff_side **out, struct err *err)
{
	_cleanup_(diff_side_freep) struct diff_side *s = diff_side_new(DIFF_SIDE_RECORD, r->path, err);
	const cJSON *signature = cJSON_GetObjectItemCaseSensitive(r->doc, "Signature");

	if (!s || diff_side_set_pcrs(s, &r->pcrs, err) || diff_side_add_record_facts(s, r->doc, err) ||
	    diff_side_add_fact(s, "signed", signature && !cJSON_IsNull(signature) ? "yes" : "no", err))
		return -1;
	*out = steal_ptr(&s);
	return 0;
}
