// SPDX-License-Identifier: Apache-2.0
//
// OCI image layouts (image-spec 1.1, image-layout.md): in a directory, or in a tar read in place.
//   oci-layout              {"imageLayoutVersion": "1.0.0"}
//   index.json              the outermost index; not addressed by a digest, so read as it is
//   blobs/sha256/<64 hex>   everything else
// A blob's path is made from a digest that digest_check has passed, so it cannot leave blobs/.
#include "layerfs/image_parts.h"

#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { LAYOUT_FILE_MAX = 4096, BLOB_NAME_MAX = 96 };

struct layout {
	struct source base;
	int dir;	   // -1 for an archive
	struct tarball *a; // NULL for a directory
};

static void layout_free(struct source *src)
{
	struct layout *l = (struct layout *)src;

	cleanup_closep(&l->dir);
	tarball_free(l->a);
	free(l);
}

// Finds file `name` of the layout: a descriptor and a range of it. *own says whether *fd is the caller's.
static int find_file(const struct layout *l, const char *name, int *fd, bool *own, uint64_t *off, uint64_t *size,
		     struct err *err)
{
	*own = l->a == NULL;
	if (l->a) {
		*fd = tarball_fd(l->a);
		return tarball_find(l->a, name, off, size, err);
	}
	*off = 0;
	*fd = openat(l->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a fifo must not hold us up
	if (*fd < 0)
		return err_sys(err, errno, "open \"%s\"", name);
	if (io_file_size(*fd, size, err)) {
		cleanup_closep(fd);
		return err_prefix(err, "\"%s\": ", name);
	}
	return 0;
}

static int layout_open(struct source *src, const struct descriptor *d, struct blob_stream **out, struct err *err)
{
	struct layout *l = (struct layout *)src;
	char name[BLOB_NAME_MAX];
	uint64_t off, size;
	bool own;
	int fd;

	snprintf(name, sizeof(name), "blobs/sha256/%s", d->digest + strlen("sha256:"));
	if (find_file(l, name, &fd, &own, &off, &size, err))
		return -1;
	if (size != d->size) {
		if (own)
			cleanup_closep(&fd);
		return err_set(err, ERR_MISMATCH, "%llu bytes are stored, its descriptor says %llu",
			       (unsigned long long)size, (unsigned long long)d->size);
	}
	return blob_open_range(fd, own, off, size, out, err);
}

static int read_json(const struct layout *l, const char *name, uint64_t max, cJSON **out, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	uint64_t off, size;
	bool own;
	int fd, rc = -1;

	if (find_file(l, name, &fd, &own, &off, &size, err))
		return -1;
	if (size > max) {
		err_set(err, ERR_LIMIT, "\"%s\": %llu bytes; at most %llu are read", name, (unsigned long long)size,
			(unsigned long long)max);
	} else {
		text = mem_alloc((size_t)size, err);
		if (text && !io_pread_full(fd, text, (size_t)size, off, err))
			rc = json_parse(text, (size_t)size, (size_t)max, out, err);
		if (rc)
			err_prefix(err, "\"%s\": ", name);
	}
	if (own)
		cleanup_closep(&fd);
	return rc;
}

static int check_version(const struct layout *l, struct err *err)
{
	_cleanup_json_ cJSON *doc = NULL;
	const char *version;

	if (read_json(l, "oci-layout", LAYOUT_FILE_MAX, &doc, err))
		return -1;
	if (json_get_string(doc, "imageLayoutVersion", JSON_REQUIRED, &version, err))
		return err_prefix(err, "\"oci-layout\": ");
	if (strcmp(version, "1.0.0"))
		return err_set(err, ERR_UNSUPPORTED, "\"oci-layout\": imageLayoutVersion is not 1.0.0");
	return 0;
}

// Takes dir and a.
static int layout_new(int dir, struct tarball *a, const struct limits *limits, struct source **out, cJSON **index,
		      struct err *err)
{
	struct layout *l = mem_zalloc(1, sizeof(*l), err);
	_cleanup_source_ struct source *src = NULL;

	if (!l) {
		cleanup_closep(&dir);
		tarball_free(a);
		return -1;
	}
	*l = (struct layout){{layout_open, layout_free}, dir, a};
	src = &l->base;
	if (check_version(l, err) || read_json(l, "index.json", limits->manifest, index, err))
		return -1;
	*out = steal_ptr(&src);
	return 0;
}

int oci_layout_open_dir(const char *path, const struct limits *limits, struct source **out, cJSON **index,
			struct err *err)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char q[300];

	if (dir < 0)
		return err_sys(err, errno, "open the directory %s", err_quote(path, strlen(path), q, sizeof(q)));
	return layout_new(dir, NULL, limits, out, index, err);
}

int oci_layout_open_archive(struct tarball *a, const struct limits *limits, struct source **out, cJSON **index,
			    struct err *err)
{
	return layout_new(-1, a, limits, out, index, err);
}
