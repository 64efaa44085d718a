// SPDX-License-Identifier: Apache-2.0
//
// A record belongs to the file whose SHA-256 it names, so the unsigned file is read once more for its digest, and the
// signed one for the digest that takes its place.
#include "eifgen/cmd/sign_record.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "eifgen/cmd/cmd.h"
#include "layerfs/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *sign_target(const char *path, struct err *err)
{
	struct stat st;
	char *real;

	if (lstat(path, &st) || !S_ISLNK(st.st_mode)) // a path that leads nowhere is the reader's to name
		return mem_strdup(path, err);
	real = realpath(path, NULL);
	if (!real)
		err_sys(err, errno, "follow %s", path);
	return real;
}

static int digest_of_eif(int fd, uint64_t size, char hex[DIGEST_TEXT_MAX], struct err *err)
{
	char digest[DIGEST_TEXT_MAX];

	if (digest_of_range(fd, 0, size, digest, err))
		return -1;
	memcpy(hex, digest + strlen("sha256:"), strlen(digest) - strlen("sha256:") + 1);
	return 0;
}

static int load(struct sign_record *s, const struct eif_file *f, struct err *err)
{
	char hex[DIGEST_TEXT_MAX];
	const char *sha256;

	if (record_load(s->from, &s->record, err) || digest_of_eif(f->fd, f->size, hex, err))
		return -1;
	sha256 = record_text(s->record, "Eif.Sha256");
	if (!sha256 || strcmp(sha256, hex))
		return err_set(err, ERR_MISMATCH, "%s is the record of another EIF", s->from);
	return 0;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

// The record's default place in s->from; NULL there if none is there.
static int find_default(struct sign_record *s, const char *eif, const char *given, struct err *err)
{
	_cleanup_free_ char *at_target = mem_printf(err, "%s.record.json", eif),
			    *at_link = mem_printf(err, "%s.record.json", given);
	char text[ERR_MSG_MAX];
	bool target, link;

	if (!at_target || !at_link)
		return -1;
	target = !access(at_target, F_OK);
	link = !access(at_link, F_OK);
	if (target && link && !same_file(at_target, at_link)) {
		snprintf(text, sizeof(text), "%s is left as it is: %s goes before it", at_link, at_target);
		cmd_warn(NULL, text);
	}
	s->from = target ? steal_ptr(&at_target) : link ? steal_ptr(&at_link) : NULL;
	return 0;
}

int sign_record_find(struct sign_record *s, const char *eif, const char *given, const char *out,
		     const struct eif_file *f, struct err *err)
{
	struct err why = ERR_INIT;
	char text[ERR_MSG_MAX + 64];

	if (s->none)
		return 0;
	if (s->path ? !(s->from = mem_strdup(s->path, err)) : find_default(s, eif, given, err))
		return -1;
	if (!s->from)
		return 0;
	if (load(s, f, &why)) {
		if (s->path || (why.class != ERR_MISMATCH && why.class != ERR_INPUT && why.class != ERR_UNSUPPORTED)) {
			*err = why;
			return -1;
		}
		snprintf(text, sizeof(text), "%s; it is left as it is", why.msg);
		cmd_warn(NULL, text);
		return 0;
	}
	s->to = out ? mem_printf(err, "%s.record.json", out) : sign_target(s->from, err);
	return s->to ? 0 : -1;
}

int sign_record_write(struct sign_record *s, const struct signer *signer, bool attached, const uint8_t pcr8[PCR_SIZE],
		      const struct buf *section, int fd, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	char certificate[2 * EVP_MAX_MD_SIZE + 1], sha256[DIGEST_TEXT_MAX];
	struct record_signature sig = {.pcr8 = pcr8, .certificate_sha256 = certificate, .section = section->data,
				       .section_len = section->len, .eif_sha256 = sha256};
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!s->to)
		return 0;
	if (X509_digest(signer->cert, EVP_sha256(), digest, &n) != 1)
		return err_nomem(err);
	hex_encode(digest, n, certificate);
	sig.nonce = attached || signer->token ? "token" : "RFC 6979";
	if (io_file_size(fd, &sig.eif_size, err) || digest_of_eif(fd, sig.eif_size, sha256, err) ||
	    record_sign(s->record, &sig, &text, err) || atomic_file_open(&s->file, s->to, err))
		return -1;
	s->file.keep_mode = true;
	return io_write(s->file.fd, text.data, text.len, err);
}

void sign_record_clear(struct sign_record *s)
{
	atomic_file_discard(&s->file);
	record_free(s->record);
	free(s->from);
	free(s->to);
}
