// SPDX-License-Identifier: Apache-2.0
//
// From options to a build that is ready to run. What a library warns of goes to stderr; under --strict the first
// warning is kept and becomes the error of the phase that gave it.
#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "eifgen/cmd/build_options.h"
#include "eifgen/cmd/progress.h"
#include "eifgen/cmd/time_option.h"
#include "layerfs/entropy.h"
#include "layerfs/json.h"

#include <stdio.h>
#include <string.h>

enum { CUSTOM_FILE_MAX = 4096, CMD_JSON_MAX = 1 << 20 };

static int hold(struct build_job *job, const char *text)
{
	struct err ignored = ERR_INIT;

	if (mem_grow(&job->held, &job->held_cap, job->held_count, sizeof(*job->held), &ignored) ||
	    !(job->held[job->held_count] = mem_strdup(text, &ignored)))
		return -1;
	job->held_count++;
	return 0;
}

static void on_warning(void *ctx, const char *text)
{
	struct build_job *job = ctx;

	if (!job->opt->strict) {
		if (!job->holding || hold(job, text)) // rather twice than not at all
			cmd_warn(NULL, text);
	} else if (job->warned.class == ERR_NONE) {
		err_set(&job->warned, ERR_INPUT, "%s (an error under --strict)", text);
	}
}

static void on_unpredictable(void *ctx, const char *path)
{
	struct build_job *job = ctx;
	char *copy;

	if (mem_grow(&job->unpredictable, &job->unpredictable_cap, job->unpredictable_count,
		     sizeof(*job->unpredictable), &job->warned))
		return; // job->warned says so, build_job_check returns it
	copy = mem_strdup(path, &job->warned);
	if (copy)
		job->unpredictable[job->unpredictable_count++] = copy;
}

static void forget_paths(char **list, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		free(list[i]);
	*count = 0;
}

// Before the run nothing had been said that --strict forbids: build_job_open would have ended with it.
static void forget_try(void *ctx)
{
	struct build_job *job = ctx;

	forget_paths(job->unpredictable, &job->unpredictable_count);
	forget_paths(job->held, &job->held_count);
	job->warned = (struct err)ERR_INIT;
	job->hits_void = layer_cache_hits(job->cache);
	cage_overlay_clear(&job->overlay);
}

void build_job_hold(struct build_job *job)
{
	job->holding = job->cache != NULL;
	job->input.restart = forget_try;
	job->input.restart_ctx = job;
}

void build_job_release(struct build_job *job)
{
	for (size_t i = 0; i < job->held_count; i++)
		cmd_warn(NULL, job->held[i]);
	forget_paths(job->held, &job->held_count);
	job->holding = false;
}

int build_job_check(const struct build_job *job, struct err *err)
{
	if (job->warned.class == ERR_NONE)
		return 0;
	*err = job->warned;
	return -1;
}

// An archive that is compressed or comes out of a daemon is taken whole before anything else: that may last. A registry
// is asked for little here, and a credential helper may ask the user for a password: no line is put over that.
static int open_slowly(const char *ref, const struct image_options *io, struct image **out, struct err *err)
{
	struct progress line;
	int rc;

	if (!strncmp(ref, "docker://", 9))
		return image_open(ref, io, out, err);
	progress_start(&line, NULL);
	rc = image_open(ref, io, out, err);
	progress_stop(&line, NULL, 0);
	return rc;
}

int build_job_open_image(struct build_job *job, const struct build_options *opt, const char *ref, struct err *err)
{
	struct image_options io = {.platform = opt->pick, .arch = platform_oci_arch(opt->arch), .limits = &opt->limits,
				   .registry = &opt->registry.opt, .daemon_socket = opt->registry.daemon_socket,
				   .warn = on_warning, .warn_ctx = job};
	const char *tmpdir = opt->tmpdir ? opt->tmpdir : getenv("TMPDIR");

	job->opt = opt;
	io.tmpdir = tmpdir && *tmpdir ? tmpdir : NULL;
	if ((opt->cache && cache_open(&job->cache, err)) || open_slowly(ref, &io, &job->image, err))
		return -1;
	job->input.image = job->image;
	job->input.config = *image_config(job->image);
	job->input.layers = (struct layer_options){.limits = &opt->limits, .tmpdir = tmpdir && *tmpdir ? tmpdir : NULL,
						   .threads = opt->threads, .cache = job->cache, .warn = on_warning,
						   .warn_ctx = job};
	job->input.layout = (struct layout_options){.id = opt->layout, .mtime = opt->mtime, .strict = opt->strict,
						    .allow_large = opt->allow_large, .warn = on_warning,
						    .unpredictable = on_unpredictable, .ctx = job};
	return build_job_check(job, err);
}

// ---- overrides -----------------------------------------------------------------------------------------------------

static int override_cmd(struct build_job *job, struct err *err)
{
	_cleanup_json_ cJSON *holder = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	if (!job->opt->cmd_json)
		return 0;
	if (buf_printf(&text, err, "{\"cmd\":%s}", job->opt->cmd_json) ||
	    json_parse(text.data, text.len, CMD_JSON_MAX, &holder, err))
		return err_prefix(err, "--cmd: ");
	// `["a"],"b":1` is two members of the object around it
	if (holder->child->next || !cJSON_IsArray(holder->child))
		return err_set(err, ERR_USAGE, "--cmd: not one JSON array");
	if (json_get_strings(holder, "cmd", &job->cmd, &job->cmd_count, NULL, err))
		return err_prefix(err, "--cmd: ");
	job->input.config.cmd = job->cmd;
	job->input.config.cmd_count = job->cmd_count;
	job->input.config.has_cmd = true;
	job->input.cmd_override = true;
	return 0;
}

static size_t name_length(const char *assignment)
{
	return strcspn(assignment, "=");
}

static bool same_name(const char *a, const char *b)
{
	size_t n = name_length(a);

	return n == name_length(b) && !memcmp(a, b, n);
}

// In the place of the config's value of that name (a later one of the same name goes), else at the end.
static void set_env(struct build_job *job, char *assignment)
{
	size_t kept = 0;
	bool set = false;

	for (size_t i = 0; i < job->env_count; i++) {
		if (!same_name(job->env[i], assignment))
			job->env[kept++] = job->env[i];
		else if (!set)
			job->env[kept++] = assignment;
		else
			continue;
		set |= same_name(job->env[kept - 1], assignment);
	}
	if (!set)
		job->env[kept++] = assignment;
	job->env_count = kept;
}

static int override_env(struct build_job *job, struct err *err)
{
	const struct image_config *c = image_config(job->image);

	if (!job->opt->env_count)
		return 0;
	job->env = mem_zalloc(c->env_count + job->opt->env_count, sizeof(*job->env), err);
	if (!job->env)
		return -1;
	if (c->env_count)
		memcpy(job->env, c->env, c->env_count * sizeof(*job->env));
	job->env_count = c->env_count;
	for (size_t i = 0; i < job->opt->env_count; i++)
		set_env(job, (char *)job->opt->env[i]);
	job->input.config.env = job->env;
	job->input.config.env_count = job->env_count;
	return 0;
}

static int apply_overrides(struct build_job *job, struct err *err)
{
	if (job->opt->user)
		job->input.config.user = (char *)job->opt->user;
	if (job->opt->workdir)
		job->input.config.working_dir = (char *)job->opt->workdir;
	return override_cmd(job, err) || override_env(job, err) ? -1 : 0;
}

// ---- metadata, platform --------------------------------------------------------------------------------------------

static int read_metadata(struct build_job *job, struct err *err)
{
	const char *digest = image_config_digest(job->image), *colon = strchr(digest, ':');
	struct eif_metadata *m = &job->input.metadata;

	snprintf(job->version, sizeof(job->version), "%s", colon ? colon + 1 : digest);
	m->image_name = job->opt->name ? job->opt->name : "image";
	m->image_version = job->opt->image_version ? job->opt->image_version : job->version;
	m->build_tool = "eifgen";
	m->build_tool_version = EIFGEN_VERSION;
	if (!job->opt->metadata_file && !job->opt->metadata_text)
		return 0;
	if (job->opt->metadata_text ? buf_add_str(&job->custom, job->opt->metadata_text, err)
				    : io_slurp(job->opt->metadata_file, CUSTOM_FILE_MAX, &job->custom, err))
		return -1;
	m->custom_json = job->custom.data ? (const char *)job->custom.data : "";
	m->custom_json_len = job->custom.len;
	return 0;
}

// AWS's init and the nitro-cli layout know no user and no working directory; a kernel of another kind does not boot.
static void warn_of_platform(struct build_job *job)
{
	const struct image_config *c = &job->input.config;
	bool nitro = job->opt->layout == LAYOUT_NITRO_CLI;

	if (!job->opt->cage && (*c->user || (*c->working_dir && strcmp(c->working_dir, "/"))) &&
	    (nitro || !job->platform->init_is_ours))
		on_warning(job, nitro
				    ? "the image's user and working directory are ignored: the nitro-cli layout has no "
				      "place for them"
				    : "the image's user and working directory are ignored by this init, which is not "
				      "eifgen's");
	if (!job->platform->kernel_is_bootable)
		on_warning(job, job->opt->arch == EIF_AARCH64
					? "the kernel is no arm64 Image: no Nitro machine will boot it"
					: "the kernel is no bzImage: no Nitro machine will boot it");
}

int build_job_open_config(struct build_job *job, const struct build_options *opt, const char *ref, struct err *err)
{
	if (build_job_open_image(job, opt, ref, err))
		return -1;
	if (epoch_option_resolve(opt->epoch, NULL, NULL, image_config(job->image)->created, &job->epoch, err))
		return -1;
	if (job->epoch.dirty)
		on_warning(job, "the epoch is that of a commit, but the work tree differs from it");
	job->input.layout.epoch = job->epoch.seconds;
	if (opt->scrub && entropy_scrub_parse(opt->scrub, &job->input.scrub, err))
		return -1;
	if (apply_overrides(job, err) || read_metadata(job, err))
		return -1;
	return build_job_check(job, err);
}

// ---- signature -----------------------------------------------------------------------------------------------------

// A certificate alone is enough to know PCR8; the section then stays empty and is not written.
static int sign(void *ctx, struct pcr_values *pcrs, struct buf *section, struct err *err)
{
	const struct signer *s = ctx;

	if (signer_pcr8(s, pcrs->pcr8, err))
		return -1;
	pcrs->has_pcr8 = true;
	return s->key ? signer_section(s, pcrs->pcr0, section, err) : 0;
}

static int open_signer(struct build_job *job, struct err *err)
{
	struct signer_options o = job->opt->signer;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!o.cert)
		return o.key ? err_set(err, ERR_USAGE, "--sign-key goes with --sign-cert") : 0;
	if (time_option(NULL, &o.at, err) || signer_open(&o, &job->signer, err))
		return -1;
	if (X509_digest(job->signer->cert, EVP_sha256(), digest, &n) != 1)
		return err_nomem(err);
	hex_encode(digest, n, job->certificate_sha256);
	job->input.certificate_sha256 = job->certificate_sha256;
	job->input.signature_nonce = job->signer->token ? "token" : "RFC 6979";
	job->input.sign = sign;
	job->input.sign_ctx = job->signer;
	return 0;
}

// ---- cage ----------------------------------------------------------------------------------------------------------

// cage.json and runtime may be in the job already: `cage build` needs them before there is an image.
static int open_cage(struct build_job *job, struct err *err)
{
	const struct build_options *opt = job->opt;

	if (!opt->cage)
		return opt->runtime ? err_set(err, ERR_USAGE, "--runtime goes with --cage") : 0;
	if (!opt->runtime)
		return err_set(err, ERR_USAGE, "--cage needs --runtime");
	if (!job->cage.config && cage_file_load(opt->cage, &job->cage, err))
		return -1;
	if (cage_config_port(job->cage.config, job->input.config.ports, job->input.config.port_count,
			     &job->overlay.port, err))
		return err_prefix(err, "%s: ", opt->cage);
	if (!job->bundle && cage_bundle_load(opt->runtime, job->cage.config->egress.enabled,
					     job->cage.config->runtime_bundle, &job->bundle, err))
		return -1;
	job->overlay.config = job->cage.config;
	job->overlay.bundle = job->bundle;
	job->overlay.layout = &job->input.layout;
	job->overlay.cmd_override = job->input.cmd_override;
	job->input.cmd_override = false; // the overlay's command is what runs
	if (cage_overlay_digest(&job->overlay, job->overlay_digest, err))
		return -1;
	job->input.overlay = cage_overlay_apply;
	job->input.overlay_ctx = &job->overlay;
	job->input.overlay_digest = job->overlay_digest;
	job->input.overlay_port = job->overlay.port;
	job->input.overlay_report = cage_overlay_report;
	if (!opt->name)
		job->input.metadata.image_name = job->cage.config->name;
	return 0;
}

// What -v says of the inputs: the pins that the record will hold.
static void explain(const struct build_job *job)
{
	const struct platform *p = job->platform;

	cmd_explain("image config %s, %zu layers", image_config_digest(job->image), image_layer_count(job->image));
	cmd_explain("kernel %s, init %s%s", p->kernel.digest, p->init.digest, p->init_is_ours ? " (eifgen's own)" : "");
	cmd_explain("layout %s version %u, epoch %u from %s", layout_name(job->opt->layout),
		    layout_version(job->opt->layout), job->epoch.seconds, epoch_source_name(job->epoch.source));
}

int build_job_open(struct build_job *job, const struct build_options *opt, const char *ref, struct err *err)
{
	if (build_job_open_config(job, opt, ref, err) || platform_load(&opt->platform, &job->platform, err) ||
	    open_signer(job, err) || open_cage(job, err))
		return -1;
	job->input.platform = job->platform;
	explain(job);
	warn_of_platform(job);
	return build_job_check(job, err);
}

int build_job_run(struct build_job *job, int fd, struct err *err)
{
	struct build_progress state = {.stage = 0};
	struct progress line;
	int rc;

	progress_start(&line, &state);
	job->input.progress = cmd_quiet ? NULL : &state;
	build_job_hold(job);
	rc = build_eif(&job->input, fd, &job->output, err);
	job->input.progress = NULL;
	job->input.layers.stored = job->input.layers.known = NULL;
	progress_stop(&line, job->summary, sizeof(job->summary));
	build_job_release(job);
	if (rc)
		return -1;
	if (job->cache)
		cmd_explain(
		    "cache: %llu of %zu layers were read before, %llu bytes of the application ramdisk measured before",
		    (unsigned long long)(layer_cache_hits(job->cache) - job->hits_void), image_layer_count(job->image),
		    (unsigned long long)job->output.skipped);
	return build_job_check(job, err);
}

void build_job_summary(const struct build_job *job)
{
	if (*job->summary)
		cmd_say("%s", job->summary);
}

void build_job_clear(struct build_job *job)
{
	forget_paths(job->unpredictable, &job->unpredictable_count);
	forget_paths(job->held, &job->held_count);
	free(job->unpredictable);
	free(job->held);
	json_strings_free(job->cmd, job->cmd_count);
	free(job->env);
	buf_free(&job->custom);
	build_output_clear(&job->output);
	epoch_clear(&job->epoch);
	cage_overlay_clear(&job->overlay);
	cage_bundle_free(job->bundle);
	cage_file_clear(&job->cage);
	signer_free(job->signer);
	platform_free(job->platform);
	image_free(job->image);
	layer_cache_free(job->cache);
}
