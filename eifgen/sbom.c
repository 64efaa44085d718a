// SPDX-License-Identifier: Apache-2.0
//
// Finding and reading the package databases. dpkg's and apk's are texts of stanzas, separated by blank lines:
//
//   Package: bash                      P:musl
//   Status: install ok installed       V:1.2.4-r2
//   Version: 5.2.15-2+b2               A:x86_64
//   Architecture: amd64                L:MIT
//
// Only whole-line fields of the first column are read; continuation lines (a blank in front) are passed over.
#include "eifgen/sbom_rpm.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int file_at(const struct tree *tree, const char *path, struct buf *out, struct err *err)
{
	const struct inode *inode;
	struct node *n;

	if (tree_lookup(tree, path, strlen(path), true, &n, err))
		return -1;
	inode = n ? n->inode : NULL;
	if (!inode || !S_ISREG(inode->mode))
		return 0;
	if (inode->size > SBOM_DATABASE_MAX)
		return err_set(err, ERR_LIMIT, "%s is larger than %d bytes", path, SBOM_DATABASE_MAX);
	if (buf_reserve(out, (size_t)inode->size + 1, err))
		return -1;
	while (out->len < inode->size) {
		ssize_t r =
		    tree_content_read(tree, inode, out->len, out->data + out->len, (size_t)inode->size - out->len, err);

		if (r < 0)
			return err_prefix(err, "%s: ", path);
		if (r == 0)
			break;
		out->len += (size_t)r;
	}
	return 1;
}

int sbom_add(struct sbom *s, enum sbom_kind kind, struct sbom_text name, struct sbom_text version,
	     struct sbom_text arch, struct sbom_text license, struct err *err)
{
	struct sbom_package *p;

	if (!utf8_valid(name.p, name.len) || !utf8_valid(version.p, version.len) || !utf8_valid(arch.p, arch.len) ||
	    !utf8_valid(license.p, license.len))
		return err_set(err, ERR_INPUT, "a package's name, version or license is no UTF-8");
	if (s->count == SBOM_PACKAGES_MAX)
		return err_set(err, ERR_LIMIT, "more than %d packages", SBOM_PACKAGES_MAX);
	if (mem_grow(&s->packages, &s->cap, s->count, sizeof(*s->packages), err))
		return -1;
	p = &s->packages[s->count++]; // counted first, so that sbom_free frees what is there
	*p = (struct sbom_package){.kind = kind};
	p->name = mem_dup(name.p, name.len, err);
	p->version = mem_dup(version.p, version.len, err);
	p->arch = mem_dup(arch.p, arch.len, err);
	p->license = mem_dup(license.p, license.len, err);
	return p->name && p->version && p->arch && p->license ? 0 : -1;
}

// ---- stanzas -------------------------------------------------------------------------------------------------------

// The fields of one stanza that a reader asks for, by the text that a line begins with.
enum { FIELD_NAME, FIELD_VERSION, FIELD_ARCH, FIELD_LICENSE, FIELD_STATUS, FIELDS };

struct stanza_format {
	enum sbom_kind kind;
	const char *field[FIELDS]; // NULL: none
};

static const struct stanza_format dpkg_format = {
	SBOM_DEB, {"Package: ", "Version: ", "Architecture: ", NULL, "Status: "}};
static const struct stanza_format apk_format = {SBOM_APK, {"P:", "V:", "A:", "L:", NULL}};

static int end_stanza(struct sbom *s, const struct stanza_format *f, struct sbom_text *v, struct err *err)
{
	static const char installed[] = "install ok installed";
	int rc = 0;
	bool there = v[FIELD_NAME].len && v[FIELD_VERSION].len;

	// status.d of distroless images has stanzas without a Status line: those are installed.
	if (v[FIELD_STATUS].p && (v[FIELD_STATUS].len < 9 || memcmp(v[FIELD_STATUS].p + v[FIELD_STATUS].len - 9,
								     installed + sizeof(installed) - 10, 9)))
		there = false;
	for (int i = 0; i < FIELDS; i++)
		if (!v[i].p)
			v[i] = (struct sbom_text){"", 0};
	if (there)
		rc = sbom_add(s, f->kind, v[FIELD_NAME], v[FIELD_VERSION], v[FIELD_ARCH], v[FIELD_LICENSE], err);
	memset(v, 0, FIELDS * sizeof(*v));
	return rc;
}

static int read_stanzas(struct sbom *s, const struct stanza_format *f, const struct buf *text, struct err *err)
{
	struct sbom_text v[FIELDS] = {{NULL, 0}};
	const char *p = (const char *)text->data, *end = p + text->len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		for (int i = 0; i < FIELDS; i++) {
			size_t head = f->field[i] ? strlen(f->field[i]) : 0;

			if (head && len > head && !memcmp(p, f->field[i], head) && !memchr(p, '\0', len))
				v[i] = (struct sbom_text){p + head, len - head};
		}
		if (len == 0 && end_stanza(s, f, v, err))
			return -1;
		p += len + 1;
	}
	return end_stanza(s, f, v, err);
}

static int read_stanza_file(struct sbom *s, const struct tree *tree, const char *path, const struct stanza_format *f,
			    struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	int r = file_at(tree, path, &text, err);

	if (r <= 0)
		return r;
	return read_stanzas(s, f, &text, err) ? err_prefix(err, "%s: ", path) : 0;
}

// apk 3 keeps its database under /usr, where /lib may be no symlink to it.
static int read_apk(struct sbom *s, const struct tree *tree, struct err *err)
{
	static const char *const paths[] = {"lib/apk/db/installed", "usr/lib/apk/db/installed"};
	size_t before = s->count;

	for (size_t i = 0; i < 2 && s->count == before; i++)
		if (read_stanza_file(s, tree, paths[i], &apk_format, err))
			return -1;
	return 0;
}

// Distroless images: one file a package. `.md5sums` files lie beside them.
static int read_status_d(struct sbom *s, const struct tree *tree, struct err *err)
{
	static const char dir[] = "var/lib/dpkg/status.d";
	struct node *top;

	if (tree_lookup(tree, dir, strlen(dir), true, &top, err))
		return -1;
	for (const struct node *n = top && S_ISDIR(top->inode->mode) ? top->child : NULL; n; n = n->next) {
		_cleanup_free_ char *path = mem_printf(err, "%s/%s", dir, n->name);

		if (!path)
			return -1;
		if (n->name_len > 8 && !strcmp(n->name + n->name_len - 8, ".md5sums"))
			continue;
		if (read_stanza_file(s, tree, path, &dpkg_format, err))
			return -1;
	}
	return 0;
}

// The first that is there: /var/lib/rpm and /usr/lib/sysimage/rpm are mostly one directory, and where a database was
// converted, what is left of its older form is stale.
static int read_rpm(struct sbom *s, const struct tree *tree, struct err *err)
{
	enum { SQLITE, NDB, BDB };
	static const struct {
		const char *path;
		int form;
	} places[] = {
		{"usr/lib/sysimage/rpm/rpmdb.sqlite", SQLITE}, {"var/lib/rpm/rpmdb.sqlite", SQLITE},
		{"usr/lib/sysimage/rpm/Packages.db", NDB},     {"var/lib/rpm/Packages.db", NDB},
		{"usr/lib/sysimage/rpm/Packages", BDB},	       {"var/lib/rpm/Packages", BDB},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		_cleanup_buf_ struct buf db = BUF_INIT(0);
		int r = file_at(tree, places[i].path, &db, err);

		if (r < 0)
			return -1;
		if (!r)
			continue;
		r = places[i].form == SQLITE ? sbom_read_rpm(s, db.data, db.len, err) :
		    places[i].form == NDB    ? sbom_read_rpm_ndb(s, db.data, db.len, err) :
					       sbom_read_rpm_bdb(s, db.data, db.len, err);
		return r ? err_prefix(err, "%s: ", places[i].path) : 0;
	}
	return 0;
}

// ---- the distribution ----------------------------------------------------------------------------------------------

// The value of KEY in os-release(5): quotes taken off, no expansion. "" if absent.
static char *os_release_value(const struct buf *text, const char *key, struct err *err)
{
	size_t key_len = strlen(key);

	if (!text->len)
		return mem_dup("", 0, err);
	for (const char *p = (const char *)text->data, *end = p + text->len; p < end;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((nl ? nl : end) - p);

		if (len > key_len && !memcmp(p, key, key_len) && p[key_len] == '=') {
			const char *v = p + key_len + 1;
			size_t n = len - key_len - 1;

			if (n >= 2 && (v[0] == '"' || v[0] == '\'') && v[n - 1] == v[0]) {
				v++;
				n -= 2;
			}
			return utf8_valid(v, n) && !memchr(v, '\0', n) ? mem_dup(v, n, err) : mem_dup("", 0, err);
		}
		p += len + 1;
	}
	return mem_dup("", 0, err);
}

static int read_distro(struct sbom *s, const struct tree *tree, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	int r = file_at(tree, "etc/os-release", &text, err);

	if (!r)
		r = file_at(tree, "usr/lib/os-release", &text, err);
	if (r < 0)
		return -1;
	s->distro = os_release_value(&text, "ID", err);
	s->distro_version = os_release_value(&text, "VERSION_ID", err);
	return s->distro && s->distro_version ? 0 : -1;
}

// ---- all together --------------------------------------------------------------------------------------------------

static int by_identity(const void *pa, const void *pb)
{
	const struct sbom_package *a = pa, *b = pb;
	int c = (int)a->kind - (int)b->kind;

	c = c ? c : strcmp(a->name, b->name);
	c = c ? c : strcmp(a->version, b->version);
	c = c ? c : strcmp(a->arch, b->arch);
	return c ? c : strcmp(a->license, b->license);
}

int sbom_read(const struct tree *tree, struct sbom **out, struct err *err)
{
	_cleanup_(sbom_freep) struct sbom *s = mem_zalloc(1, sizeof(*s), err);

	if (!s || read_distro(s, tree, err) || read_stanza_file(s, tree, "var/lib/dpkg/status", &dpkg_format, err) ||
	    read_status_d(s, tree, err) || read_apk(s, tree, err) || read_rpm(s, tree, err))
		return -1;
	if (s->count)
		qsort(s->packages, s->count, sizeof(*s->packages), by_identity);
	*out = steal_ptr(&s);
	return 0;
}

void sbom_free(struct sbom *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++) {
		free(s->packages[i].name);
		free(s->packages[i].version);
		free(s->packages[i].arch);
		free(s->packages[i].license);
	}
	free(s->packages);
	free(s->distro);
	free(s->distro_version);
	free(s);
}
