// SPDX-License-Identifier: Apache-2.0
//
// What a registry, or a file of credentials, may hold. The first byte says what the rest is: 'w' a WWW-Authenticate
// header, 'a' an auth file, 'm' an artifact's manifest, 'l' a Location to resolve, 'n' a
// Link header.
#include "base/io.h"
#include "base/mem.h"
#include "layerfs/artifact_priv.h"
#include "layerfs/http.h"
#include "layerfs/registry_auth.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_challenge(const char *text)
{
	struct challenge c = {0};
	struct err err = ERR_INIT;

	challenge_parse(text, &c, &err);
	challenge_clear(&c);
}

static void read_link(const char *text)
{
	struct err err = ERR_INIT;
	char *uri;

	http_link_next(text, &uri, &err);
	free(uri);
}

static int helper(void *ctx, const char *name, const char *server, struct buf *out, struct err *err)
{
	(void)ctx;
	(void)server;
	return buf_add_str(out, name, err);
}

static void read_authfile(const uint8_t *p, size_t n)
{
	int fd = memfd_create("auth", MFD_CLOEXEC);
	struct registry_options opt = {.run_helper = helper};
	struct credentials c = {0};
	struct err err = ERR_INIT;
	char path[64];

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opt.authfile = path;
	if (!io_write(fd, p, n, &err) && !credentials_find(&opt, "r.example", "team/app", &c, &err) && c.user)
		free(credentials_basic(&c, &err));
	credentials_clear(&c);
	close(fd);
}

static void read_manifest(const uint8_t *p, size_t n)
{
	_cleanup_json_ cJSON *doc = NULL;
	struct artifact a = {0};
	struct err err = ERR_INIT;
	bool is_it;

	if (!json_parse(p, n, ARTIFACT_MANIFEST_MAX, &doc, &err))
		artifact_parse(doc, "t", &a, &is_it, &err);
}

static void resolve(const char *text)
{
	struct http_settings set = {0};
	struct err err = ERR_INIT;

	free(http_resolve(&set, "https://r.example/v2/a/blobs/uploads/", text, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = size ? mem_dup(data + 1, size - 1, NULL) : NULL;

	if (!text)
		return 0;
	switch (*data) {
	case 'w':
		read_challenge(text);
		break;
	case 'a':
		read_authfile(data + 1, size - 1);
		break;
	case 'm':
		read_manifest(data + 1, size - 1);
		break;
	case 'l':
		resolve(text);
		break;
	case 'n':
		read_link(text);
		break;
	}
	return 0;
}
