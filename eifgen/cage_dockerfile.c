// SPDX-License-Identifier: Apache-2.0
//
// What is appended runs as root under /bin/sh, whatever USER and SHELL the project's text ends with, and each step is
// one line, so that neither escape directive nor continuation matters. Words go through single quotes, bytes of the
// configuration through octal: nothing in them is live.
#include "eifgen/cage_dockerfile.h"
#include "base/mem.h"
#include "layerfs/digest.h"
#include "layerfs/json.h"

#include <string.h>

static const char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// The image's own passwd and group, read as the canonical layout reads them. $u and $v hold USER's two parts;
// afterwards $i, $g, $l are uid, gid, supplementary groups and $h the home directory.
static const char resolve_user[] =
	"n= i= g=0 h= l=; if [ -f /etc/passwd ]; then while IFS=: read -r a b c d e f s || [ -n \"$a\" ]; do "
	"case $a:$c:$d in :*|*::*|*:) continue;; esac; case $c$d in *[!0-9]*) continue;; esac; "
	"if [ \"$a\" = \"$u\" ] || [ \"$c\" = \"$u\" ]; then n=$a i=$c g=$d h=$f; break; fi; done </etc/passwd; fi; "
	"if [ -z \"$i\" ]; then case $u in *[!0-9]*) echo \"no user $u\" >&2; exit 1;; esac; i=$u; fi; "
	"if [ -n \"$v\" ]; then g=; if [ -f /etc/group ]; then while IFS=: read -r a b c d || [ -n \"$a\" ]; do "
	"case $a:$c in :*|*:|*:*[!0-9]*) continue;; esac; "
	"if [ \"$a\" = \"$v\" ] || [ \"$c\" = \"$v\" ]; then g=$c; break; fi; done </etc/group; fi; "
	"if [ -z \"$g\" ]; then case $v in *[!0-9]*) echo \"no group $v\" >&2; exit 1;; esac; g=$v; fi; "
	"elif [ -n \"$n\" ] && [ -f /etc/group ]; then l=$(while IFS=: read -r a b c d || [ -n \"$a\" ]; do "
	"case $a:$c in :*|*:|*:*[!0-9]*) continue;; esac; case \",$d,\" in *\",$n,\"*) "
	"[ \"$c\" = \"$g\" ] || echo \"$c\";; esac; done </etc/group | sort -nu | tr '\\n' ','); l=${l%,}; fi";

static int put_quoted(struct buf *out, const char *s, struct err *err)
{
	if (strpbrk(s, "\n\r"))
		return err_set(err, ERR_INPUT, "a word of the command or environment holds a line break");
	if (buf_add_str(out, " '", err))
		return -1;
	for (; *s; s++)
		if (*s == '\'' ? buf_add_str(out, "'\\''", err) : buf_add_byte(out, (uint8_t)*s, err))
			return -1;
	return buf_add_byte(out, '\'', err);
}

static int put_digest(struct buf *out, const struct buf *file, const char *name, struct err *err)
{
	char digest[DIGEST_TEXT_MAX];

	return digest_of(file->data, file->len, digest, err) ||
		       buf_printf(out, err, " %s %s", strchr(digest, ':') + 1, name)
		   ? -1
		   : 0;
}

// ---- the runtime ----------------------------------------------------------------------------------------------------
static int put_runtime(const struct cage_dockerfile *c, struct buf *out, struct err *err)
{
	static const char tar[] = "runtime-dependencies.tar";
	const char *plane = c->config->egress.enabled ? "cage-data-plane" : "cage-data-plane-no-egress";
	const struct {
		const char *name;
		const struct buf *file;
	} rows[] = {
	    {"cage-service", &c->bundle->service}, {plane, &c->bundle->data_plane}, {tar, &c->bundle->dependencies}};
	char digest[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < 3; i++) {
		if (digest_of(rows[i].file->data, rows[i].file->len, digest, err) ||
		    (strncmp(c->runtime, "https://", 8)
			 ? buf_printf(out, err, "COPY %s/%s /opt/cage/bin/%s\n", c->runtime, rows[i].name, rows[i].name)
			 : buf_printf(out, err, "ADD --checksum=%s %s/%s /opt/cage/bin/%s\n", digest, c->runtime,
				      rows[i].name, rows[i].name)))
			return -1;
	}
	if (buf_add_str(out, "RUN set -e; umask 022; cd /opt/cage/bin; printf '%s  %s\\n'", err))
		return -1;
	for (size_t i = 0; i < 3; i++)
		if (put_digest(out, rows[i].file, rows[i].name, err))
			return -1;
	return buf_printf(out, err,
			  " | sha256sum -c -; chmod 755 cage-service %s; mv %s data-plane; tar -C /opt/cage -xf %s; "
			  "PATH=$PATH:/usr/local/bin sh /opt/cage/runtime-dependencies/install.sh; rm -r /opt/cage/runtime-dependencies %s\n",
			  plane, plane, tar, tar);
}

// ---- the services ---------------------------------------------------------------------------------------------------
static int put_config(const struct cage_dockerfile *c, struct buf *out, struct err *err)
{
	_cleanup_buf_ struct buf cbor = BUF_INIT(CAGE_FILE_MAX);

	if (cage_config_compile(c->config, c->port, &cbor, err) || buf_add_str(out, "RUN umask 022; printf '", err))
		return -1;
	for (size_t i = 0; i < cbor.len; i++) {
		uint8_t b = cbor.data[i];
		bool plain = b > 0x20 && b < 0x7f && !strchr("%\\'`<", b);

		if (plain ? buf_add_byte(out, b, err) : buf_printf(out, err, "\\%03o", b))
			return -1;
	}
	return buf_add_str(out, "' > /opt/cage/config.cbor\n", err);
}

static int put_lines(struct buf *out, const struct docker_list *a, const struct docker_list *b, struct err *err)
{
	for (size_t i = 0; i < a->count; i++)
		if (put_quoted(out, a->item[i], err))
			return -1;
	for (size_t i = 0; b && i < b->count; i++)
		if (put_quoted(out, b->item[i], err))
			return -1;
	return 0;
}

static bool has_env(const struct docker_list *env, const char *name)
{
	for (size_t i = 0; i < env->count; i++)
		if (!strncmp(env->item[i], name, strlen(name)))
			return true;
	return false;
}

// cmd, env, user, workdir of the service, in its directory.
static int put_service(const struct cage_dockerfile *c, struct buf *out, struct err *err)
{
	const struct docker_image *m = c->image;
	const char *dir = c->config->name, *user = *m->user ? m->user : "0";
	size_t name = strcspn(user, ":");

	if (buf_printf(out, err, "RUN umask 022; cd /etc/service/%s; printf '%%s\\n'", dir) ||
	    put_lines(out, &m->entrypoint, &m->cmd, err) || buf_add_str(out, " > cmd\n", err))
		return -1;
	if (buf_printf(out, err, "RUN set -e; umask 022; cd /etc/service/%s; u='%.*s' v='%s'; %s; printf '%%s\\n'", dir,
		       (int)name, user, user[name] ? user + name + 1 : "", resolve_user) ||
	    put_lines(out, &m->env, NULL, err) || (!has_env(&m->env, "PATH=") && put_quoted(out, default_path, err)) ||
	    (!has_env(&m->env, "HOME=") && buf_add_str(out, " \"HOME=${h:-/}\"", err)) ||
	    buf_add_str(out, " > env", err))
		return -1;
	if (*m->user && buf_add_str(out, "; printf '%s:%s:%s\\n' \"$i\" \"$g\" \"$l\" > user", err))
		return -1;
	if (*m->workdir && (buf_add_str(out, "; printf '%s\\n'", err) || put_quoted(out, m->workdir, err) ||
			    buf_add_str(out, " > workdir", err)))
		return -1;
	return buf_add_byte(out, '\n', err);
}

static int put_directories(const struct cage_dockerfile *c, struct buf *out, struct err *err)
{
	return buf_printf(out, err,
			  "RUN set -e; umask 022; for s in data-plane %s; do rm -rf /etc/service/$s; mkdir -p /etc/service/$s; "
			  "ln -s /opt/cage/bin/cage-service /etc/service/$s/run; done; cd /etc/service; "
			  "printf '%%s\\n' /opt/cage/bin/data-plane --config /opt/cage/config.cbor --ready-fd 3 > data-plane/cmd; "
			  ": > data-plane/env; echo close > data-plane/gate; echo wait > %s/gate; "
			  "echo /run/cage/late-env > %s/late-env\n",
			  c->config->name, c->config->name, c->config->name);
}

int cage_dockerfile_print(const struct cage_dockerfile *c, struct buf *out, struct err *err)
{
	const struct docker_image *m = c->image;
	const char *text = c->text;

	if (m->entrypoint.count + m->cmd.count == 0)
		return err_set(err, ERR_INPUT,
			       "the Dockerfile has neither ENTRYPOINT nor CMD; if its base image has, give "
			       "--base-config");
	if (strpbrk(m->user, "'\n"))
		return err_set(err, ERR_INPUT, "USER holds a quote");
	if (buf_add(out, text, c->n, err) || (c->n && text[c->n - 1] != '\n' && buf_add_byte(out, '\n', err)) ||
	    buf_printf(out, err, "\n# ---- from here on: eifgen cage dockerfile, runtime %s ----\n",
		       c->bundle->digest) ||
	    buf_add_str(out, "USER 0\nSHELL [\"/bin/sh\", \"-c\"]\n", err) || put_runtime(c, out, err) ||
	    put_directories(c, out, err) || put_config(c, out, err) || put_service(c, out, err))
		return -1;
	// A tool that the image brought may be elsewhere; the entry point needs one place, and looks for runsv in it.
	if (buf_add_str(out,
			"RUN for t in runsvdir runsv; do [ -e /usr/local/bin/$t ] || ln -s \"$(command -v $t)\" "
			"/usr/local/bin/$t; done\n",
			err))
		return -1;
	// nitro-cli runs CMD alone if there is one; with no ENTRYPOINT every reader sees the same command.
	return buf_printf(out, err,
			  "WORKDIR /\nENTRYPOINT []\nCMD [\"/opt/cage/bin/cage-service\", \"--boot\", \"/usr/local/bin/runsvdir\", "
			  "\"/etc/service\"%s]\n",
			  c->config->egress.enabled ? ", \"127.0.0.1\"" : "");
}

// ---- the base image's config ----------------------------------------------------------------------------------------
static int take_strings(const cJSON *config, const char *key, struct docker_list *out, struct err *err)
{
	const cJSON *list = NULL, *item;

	if (json_get_array(config, key, JSON_OPTIONAL, &list, err))
		return -1;
	out->set = list != NULL;
	cJSON_ArrayForEach(item, list)
	{
		if (!cJSON_IsString(item))
			return err_set(err, ERR_INPUT, "%s: wants a list of texts", key);
		if (docker_list_add(out, item->valuestring, err))
			return -1;
	}
	return 0;
}

int cage_dockerfile_base(const void *json, size_t n, struct docker_image *out, struct err *err)
{
	_cleanup_json_ cJSON *root = NULL;
	const cJSON *config = NULL, *ports = NULL, *port;
	const char *user = "", *dir = "";

	if (json_parse(json, n, CAGE_PROGRAM_MAX, &root, err) ||
	    json_get_object(root, "config", JSON_REQUIRED, &config, err) ||
	    take_strings(config, "Entrypoint", &out->entrypoint, err) || take_strings(config, "Cmd", &out->cmd, err) ||
	    take_strings(config, "Env", &out->env, err) || take_strings(config, "OnBuild", &out->triggers, err) ||
	    take_strings(config, "Shell", &out->shell, err) ||
	    json_get_string(config, "User", JSON_OPTIONAL, &user, err) ||
	    json_get_string(config, "WorkingDir", JSON_OPTIONAL, &dir, err) ||
	    json_get_object(config, "ExposedPorts", JSON_OPTIONAL, &ports, err))
		return -1;
	cJSON_ArrayForEach(port, ports)
		if (docker_list_add(&out->expose, port->string, err))
			return -1;
	out->user = mem_strdup(user, err);
	out->workdir = mem_strdup(dir, err);
	return out->user && out->workdir ? 0 : -1;
}
