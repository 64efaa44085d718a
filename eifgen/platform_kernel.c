// SPDX-License-Identifier: Apache-2.0
//
// The kernel is megabytes, and nothing looks at more than its first few hundred bytes. So it stays in its file and goes
// past in pieces, through one buffer that the processor's cache holds, instead of into pages that have to be made for
// it first. What is no regular file (a pipe) can be read only once, and is in memory.
//
// A file may be written to by others between two readings. Each reading is one row of bytes that all takers see alike;
// the first with a digest makes the pin, and a later one that comes to another digest is an error.
#include "eifgen/platform.h"

#include "base/io.h"
#include "base/mem.h"
#include "eifgen/platform_priv.h"
#include "layerfs/digest.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PIECE = 128 * 1024,
	X86_SETUP = 0x264, // a bzImage's setup header ends here
	ARM64_HEADER = 64,
};

// What the Nitro loader and QEMU insist on: an x86 setup header, or an arm64 Image header. `b` holds the first n bytes.
static bool looks_bootable(enum eif_arch arch, const uint8_t *b, size_t n)
{
	if (arch == EIF_AARCH64)
		return n >= ARM64_HEADER && !memcmp(b + 56, "ARM\x64", 4);
	return n >= X86_SETUP && !memcmp(b + 0x202, "HdrS", 4);
}

static int open_kernel(struct platform_file *f, size_t max, struct err *err)
{
	char q[256];
	uint64_t size;

	f->fd = io_open(f->path, err);
	if (f->fd < 0)
		return -1;
	f->in_file = true;
	if (io_file_size(f->fd, &size, err))
		return err_prefix(err, "%s: ", err_quote(f->path, strlen(f->path), q, sizeof(q)));
	if (size > max)
		return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes",
			       err_quote(f->path, strlen(f->path), q, sizeof(q)), max);
	f->size = (size_t)size;
	return 0;
}

int platform_kernel_load(struct platform *p, const char *path, size_t max, struct err *err)
{
	struct platform_file *f = &p->kernel;
	uint8_t head[X86_SETUP];
	size_t n = sizeof(head);
	struct stat st;
	char q[256];

	if (stat(path, &st) || !S_ISREG(st.st_mode)) {
		if (platform_file_load(path, max, f, err))
			return -1;
		p->kernel_is_bootable = looks_bootable(p->arch, f->data, f->size);
		return 0;
	}
	if (platform_file_name(path, f, err) || open_kernel(f, max, err))
		return -1;
	if (n > f->size)
		n = f->size;
	if (io_pread_full(f->fd, head, n, 0, err))
		return err_prefix(err, "%s: ", err_quote(f->path, strlen(f->path), q, sizeof(q)));
	p->kernel_is_bootable = looks_bootable(p->arch, head, n);
	return 0;
}

static int pass_piece(const void *b, size_t n, struct sink to, struct digester *d, struct err *err)
{
	return sink_write(&to, b, n, err) || (d && digester_add(d, b, n, err)) ? -1 : 0;
}

static int pass_file(const struct platform_file *f, struct sink to, struct digester *d, struct err *err)
{
	_cleanup_free_ uint8_t *piece = mem_alloc(PIECE, err);
	char q[256];

	if (!piece)
		return -1;
	for (uint64_t at = 0; at < f->size;) {
		size_t n = f->size - at < PIECE ? (size_t)(f->size - at) : PIECE;

		if (io_pread_full(f->fd, piece, n, at, err))
			return err_prefix(err, "%s: ", err_quote(f->path, strlen(f->path), q, sizeof(q)));
		if (pass_piece(piece, n, to, d, err))
			return -1;
		at += n;
	}
	return 0;
}

static int hold_against_pin(struct platform_file *f, struct digester *d, struct err *err)
{
	char text[DIGEST_TEXT_MAX], q[256];

	if (digester_end(d, text, err))
		return -1;
	if (*f->digest && strcmp(text, f->digest))
		return err_set(err, ERR_INPUT, "%s changed while it was used",
			       err_quote(f->path, strlen(f->path), q, sizeof(q)));
	memcpy(f->digest, text, sizeof(text));
	return 0;
}

int platform_kernel_pass(struct platform *p, struct sink to, bool pin, struct err *err)
{
	struct platform_file *f = &p->kernel;
	_cleanup_digester_ struct digester *d = NULL;
	bool wanted = f->in_file ? pin || *f->digest : pin && !*f->digest; // what is in memory does not change

	if (wanted && !(d = digester_new(err)))
		return -1;
	if (f->in_file ? pass_file(f, to, d, err) : pass_piece(f->data, f->size, to, d, err))
		return -1;
	return wanted ? hold_against_pin(f, d, err) : 0;
}

static int pass_over(void *ctx, const void *p, size_t n, struct err *err)
{
	(void)ctx, (void)p, (void)n, (void)err;
	return 0;
}

int platform_kernel_pin(struct platform *p, struct err *err)
{
	return *p->kernel.digest ? 0 : platform_kernel_pass(p, (struct sink){pass_over, NULL}, true, err);
}
