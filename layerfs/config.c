// SPDX-License-Identifier: Apache-2.0
//
// Reads what a build uses of an image configuration:
//   {"architecture", "os", "variant", "created", "config": {"Entrypoint", "Cmd", "Env", "User", "WorkingDir",
//                                               "ExposedPorts": {"8080/tcp": {}}},
//    "rootfs": {"type": "layers", "diff_ids": [...]}}
// Null counts as absent everywhere, since Docker writes null for what was never set.
#include "layerfs/config.h"

#include "base/mem.h"
#include "layerfs/digest.h"
#include "layerfs/json.h"

#include <string.h>

static int copy_string(const cJSON *obj, const char *key, enum json_need need, const char *absent, char **out,
		       struct err *err)
{
	const char *s = absent;

	if (json_get_string(obj, key, need, &s, err))
		return -1;
	if (!s)
		return 0;
	*out = mem_strdup(s, err);
	return *out ? 0 : -1;
}

// An object whose keys are what counts.
static int parse_ports(const cJSON *obj, struct image_config *c, struct err *err)
{
	const cJSON *ports = NULL, *port;

	if (json_get_object(obj, "ExposedPorts", JSON_OPTIONAL, &ports, err))
		return -1;
	if (!ports || !ports->child)
		return 0;
	c->ports = mem_zalloc((size_t)cJSON_GetArraySize(ports), sizeof(*c->ports), err);
	if (!c->ports)
		return -1;
	cJSON_ArrayForEach(port, ports) {
		c->ports[c->port_count] = mem_strdup(port->string, err);
		if (!c->ports[c->port_count])
			return -1;
		c->port_count++;
	}
	return 0;
}

static int parse_process(const cJSON *root, struct image_config *c, struct err *err)
{
	const cJSON *obj = NULL;
	cJSON empty = {.type = cJSON_Object};

	if (json_get_object(root, "config", JSON_OPTIONAL, &obj, err))
		return -1;
	if (!obj)
		obj = &empty;
	if (json_get_strings(obj, "Entrypoint", &c->entrypoint, &c->entrypoint_count, &c->has_entrypoint, err) ||
	    json_get_strings(obj, "Cmd", &c->cmd, &c->cmd_count, &c->has_cmd, err) ||
	    json_get_strings(obj, "Env", &c->env, &c->env_count, NULL, err) ||
	    copy_string(obj, "User", JSON_OPTIONAL, "", &c->user, err) ||
	    copy_string(obj, "WorkingDir", JSON_OPTIONAL, "", &c->working_dir, err) || parse_ports(obj, c, err))
		return err_prefix(err, "config: ");
	return 0;
}

static int parse_diff_ids(const cJSON *root, char (**out)[DIGEST_TEXT_MAX], size_t *count, struct err *err)
{
	const cJSON *fs, *list = NULL, *c;
	const char *type = "";
	size_t n = 0;

	if (json_get_object(root, "rootfs", JSON_REQUIRED, &fs, err))
		return -1;
	if (json_get_string(fs, "type", JSON_REQUIRED, &type, err) ||
	    json_get_array(fs, "diff_ids", JSON_OPTIONAL, &list, err)) // an image FROM scratch without layers has null
		return err_prefix(err, "rootfs: ");
	if (strcmp(type, "layers"))
		return err_set(err, ERR_UNSUPPORTED, "rootfs: type is not \"layers\"");
	_cleanup_free_ char (*ids)[DIGEST_TEXT_MAX] =
		mem_zalloc(list ? (size_t)cJSON_GetArraySize(list) : 0, sizeof(*ids), err);
	if (!ids)
		return -1;
	cJSON_ArrayForEach(c, list) {
		if (!cJSON_IsString(c))
			return err_set(err, ERR_INPUT, "rootfs: diff_ids[%zu] is no string", n);
		if (digest_copy(c->valuestring, ids[n], err))
			return err_prefix(err, "rootfs: diff_ids[%zu]: ", n);
		n++;
	}
	*out = steal_ptr(&ids);
	*count = n;
	return 0;
}

int config_parse(const void *p, size_t n, uint64_t max, struct image_config *config,
		 char (**diff_ids)[DIGEST_TEXT_MAX], size_t *count, struct err *err)
{
	_cleanup_json_ cJSON *root = NULL;

	memset(config, 0, sizeof(*config));
	if (json_parse(p, n, (size_t)max, &root, err))
		return -1;
	if (copy_string(root, "architecture", JSON_REQUIRED, NULL, &config->architecture, err) ||
	    copy_string(root, "os", JSON_REQUIRED, NULL, &config->os, err) ||
	    copy_string(root, "variant", JSON_OPTIONAL, NULL, &config->variant, err) ||
	    copy_string(root, "created", JSON_OPTIONAL, NULL, &config->created, err) ||
	    parse_process(root, config, err))
		return -1;
	return parse_diff_ids(root, diff_ids, count, err);
}

void config_clear(struct image_config *c)
{
	free(c->architecture);
	free(c->os);
	free(c->variant);
	free(c->created);
	free(c->user);
	free(c->working_dir);
	json_strings_free(c->entrypoint, c->entrypoint_count);
	json_strings_free(c->cmd, c->cmd_count);
	json_strings_free(c->env, c->env_count);
	json_strings_free(c->ports, c->port_count);
	memset(c, 0, sizeof(*c));
}
