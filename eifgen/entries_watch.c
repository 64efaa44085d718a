// SPDX-License-Identifier: Apache-2.0
//
// The listing of ramdisks that are being written: an entry is kept until its data has come by, and printed then.
#include "eifgen/entries.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/entry_print.h"
#include "layerfs/digest.h"

#include <stdlib.h>
#include <sys/stat.h>

struct entries_watch {
	struct newc_watch told;
	struct printer printer;
	struct digester *digest;
	struct newc_entry entry; // whose data is coming; its name is in `name`
	uint64_t left;		 // of that data
	struct buf name, target;
};

static int print(struct entries_watch *x, const struct newc_entry *n, struct err *err)
{
	struct entry e = entry_of_newc(&x->printer, n, n->data_offset);
	char digest[DIGEST_TEXT_MAX];

	if (S_ISLNK(n->h.mode)) {
		e.target = buf_cstr(&x->target, err);
		if (!e.target)
			return -1;
	} else if (entry_has_digest(&n->h)) {
		if (digester_end(x->digest, digest, err) || digester_restart(x->digest, err))
			return -1;
		e.sha256 = digest + sizeof("sha256:") - 1;
	}
	return printer_entry(&x->printer, &e, err);
}

static int on_entry(void *ctx, const struct newc_entry *n, struct err *err)
{
	struct entries_watch *x = ctx;

	x->target.len = 0;
	x->left = n->h.filesize;
	if (!x->left)
		return print(x, n, err);
	x->entry = *n;
	x->name.len = 0;
	if (buf_add(&x->name, n->name, n->name_len + 1, err))
		return -1;
	x->entry.name = (const char *)x->name.data;
	return 0;
}

static int on_data(void *ctx, const void *p, size_t n, struct err *err)
{
	struct entries_watch *x = ctx;

	if (S_ISLNK(x->entry.h.mode) ? buf_add(&x->target, p, n, err) : digester_add(x->digest, p, n, err))
		return -1;
	x->left -= n;
	return x->left ? 0 : print(x, &x->entry, err);
}

static int on_trailer(void *ctx, const struct newc_header *h, uint64_t size, struct err *err)
{
	struct entries_watch *x = ctx;

	return printer_ramdisk_end(&x->printer, h, size, err);
}

int entries_watch_new(struct sink out, struct entries_watch **to, struct err *err)
{
	struct entries_watch *x = mem_zalloc(1, sizeof(*x), err);

	if (!x)
		return -1;
	x->told = (struct newc_watch){on_entry, on_data, on_trailer, x};
	x->digest = digester_new(err);
	if (!x->digest || printer_init(&x->printer, ENTRIES_JSON, out, err)) {
		entries_watch_free(x);
		return -1;
	}
	*to = x;
	return 0;
}

const struct newc_watch *entries_watch_told(const struct entries_watch *x)
{
	return &x->told;
}

int entries_watch_end(struct entries_watch *x, struct err *err)
{
	return printer_end_eif(&x->printer, err);
}

void entries_watch_free(struct entries_watch *x)
{
	if (!x)
		return;
	digester_free(x->digest);
	printer_clear(&x->printer);
	buf_free(&x->name);
	buf_free(&x->target);
	free(x);
}
