// SPDX-License-Identifier: Apache-2.0
//
// The options that every command which builds has (design/cli.md, Common options), and the job that they make: image,
// platform, epoch, config with its overrides, ready for build_eif. A command puts BUILD_LONGS among its own options,
// hands values that it does not know to build_option_take, and opens the job when the line is read.
#ifndef EIFGEN_CMD_BUILD_OPTIONS_H
#define EIFGEN_CMD_BUILD_OPTIONS_H

#include "eifgen/build.h"
#include "eifgen/cage_overlay.h"
#include "eifgen/cmd/cage.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/epoch_option.h"
#include "eifgen/cmd/cache_option.h"
#include "eifgen/cmd/registry_option.h"
#include "pcr/signer.h"

enum build_option {
	BUILD_OPT_FIRST = 1000,
	BUILD_OPT_BLOBS = BUILD_OPT_FIRST, BUILD_OPT_KERNEL, BUILD_OPT_KERNEL_CONFIG, BUILD_OPT_CMDLINE, BUILD_OPT_INIT,
	BUILD_OPT_NSM, BUILD_OPT_NO_NSM, BUILD_OPT_MODULE, BUILD_OPT_ARCH, BUILD_OPT_PLATFORM, BUILD_OPT_LAYOUT,
	BUILD_OPT_EPOCH, BUILD_OPT_MTIME, BUILD_OPT_NAME, BUILD_OPT_IMAGE_VERSION, BUILD_OPT_METADATA, BUILD_OPT_CMD,
	BUILD_OPT_ENV, BUILD_OPT_USER, BUILD_OPT_WORKDIR, BUILD_OPT_STRICT, BUILD_OPT_ALLOW_LARGE, BUILD_OPT_SCRUB,
	BUILD_OPT_CACHE, BUILD_OPT_TMPDIR, BUILD_OPT_THREADS, BUILD_OPT_MAX_LAYERS, BUILD_OPT_MAX_ENTRIES, BUILD_OPT_MAX_PATH,
	BUILD_OPT_MAX_EXPANDED, BUILD_OPT_SIGN_KEY,
	BUILD_OPT_SIGN_CERT, BUILD_OPT_SIGN_PASS, BUILD_OPT_CAGE, BUILD_OPT_RUNTIME,
	BUILD_OPT_LAST = BUILD_OPT_RUNTIME,
};

// How an image is found and read: for `ls`, too.
#define BUILD_IMAGE_LONGS                                                                                              \
	{"arch", required_argument, NULL, BUILD_OPT_ARCH}, {"platform", required_argument, NULL, BUILD_OPT_PLATFORM},  \
		{"strict", no_argument, NULL, BUILD_OPT_STRICT}, {"tmpdir", required_argument, NULL, BUILD_OPT_TMPDIR}, \
		{"threads", required_argument, NULL, BUILD_OPT_THREADS},                                               \
		{"max-layers", required_argument, NULL, BUILD_OPT_MAX_LAYERS},                                         \
		{"max-entries", required_argument, NULL, BUILD_OPT_MAX_ENTRIES},                                       \
		{"max-path", required_argument, NULL, BUILD_OPT_MAX_PATH},                                             \
		{"max-expanded", required_argument, NULL, BUILD_OPT_MAX_EXPANDED}, REGISTRY_LONGS, DAEMON_LONGS
#define BUILD_PLATFORM_LONGS                                                                                           \
	{"blobs", required_argument, NULL, BUILD_OPT_BLOBS}, {"kernel", required_argument, NULL, BUILD_OPT_KERNEL},    \
		{"kernel-config", required_argument, NULL, BUILD_OPT_KERNEL_CONFIG},                                   \
		{"cmdline", required_argument, NULL, BUILD_OPT_CMDLINE},                                               \
		{"init", required_argument, NULL, BUILD_OPT_INIT}, {"nsm", required_argument, NULL, BUILD_OPT_NSM},    \
		{"no-nsm", no_argument, NULL, BUILD_OPT_NO_NSM}, {"module", required_argument, NULL, BUILD_OPT_MODULE}
#define BUILD_SIGN_LONGS                                                                                               \
	{"sign-key", required_argument, NULL, BUILD_OPT_SIGN_KEY},                                                     \
		{"sign-cert", required_argument, NULL, BUILD_OPT_SIGN_CERT},                                           \
		{"sign-passphrase-file", required_argument, NULL, BUILD_OPT_SIGN_PASS}
#define BUILD_CAGE_LONGS                                                                                               \
	{"cage", required_argument, NULL, BUILD_OPT_CAGE}, {"runtime", required_argument, NULL, BUILD_OPT_RUNTIME}
#define BUILD_LONGS                                                                                                    \
	BUILD_IMAGE_LONGS, BUILD_PLATFORM_LONGS, BUILD_SIGN_LONGS, {"cache", no_argument, NULL, BUILD_OPT_CACHE},      \
		{"layout", required_argument, NULL, BUILD_OPT_LAYOUT},                                                 \
		{"epoch", required_argument, NULL, BUILD_OPT_EPOCH}, {"mtime", required_argument, NULL, BUILD_OPT_MTIME}, \
		{"name", required_argument, NULL, BUILD_OPT_NAME},                                                     \
		{"image-version", required_argument, NULL, BUILD_OPT_IMAGE_VERSION},                                   \
		{"metadata", required_argument, NULL, BUILD_OPT_METADATA},                                             \
		{"cmd", required_argument, NULL, BUILD_OPT_CMD}, {"env", required_argument, NULL, BUILD_OPT_ENV},      \
		{"user", required_argument, NULL, BUILD_OPT_USER},                                                     \
		{"workdir", required_argument, NULL, BUILD_OPT_WORKDIR},                                               \
		{"allow-large", no_argument, NULL, BUILD_OPT_ALLOW_LARGE},                                             \
		{"scrub", required_argument, NULL, BUILD_OPT_SCRUB}

#define BUILD_IMAGE_HELP                                                                                               \
	"      --arch ARCH           x86_64 (default) or aarch64\n"                                                    \
	"      --platform OS/ARCH    picks from an index (default: linux and --arch, which it must agree with)\n"      \
	"      --strict              every warning is an error\n"                                                      \
	"      --threads N           threads to use (default: as many as processors)\n"                                \
	"      --tmpdir DIR          where file contents are spooled (default: TMPDIR or /var/tmp)\n"                  \
	"      --max-layers N, --max-entries N, --max-path N, --max-expanded N\n"                                      \
	"                            raise a cap against bombs\n" REGISTRY_HELP DAEMON_HELP
#define BUILD_PLATFORM_HELP                                                                                            \
	"      --blobs DIR           bzImage or Image, its .config, cmdline, init, nsm.ko\n"                          \
	"                            (default: " PLATFORM_DEFAULT_DIR ")\n"                                            \
	"      --kernel FILE, --kernel-config FILE, --cmdline TEXT, --init FILE, --nsm FILE\n"                         \
	"                            the same singly; with kernel, command line and init given, no directory is used\n" \
	"      --no-nsm              no nsm.ko, even if the directory has one\n"                                       \
	"      --module FILE         a kernel module for init to load; repeat it, in load order\n"
#define BUILD_SIGN_HELP                                                                                                \
	"Signature:\n"                                                                                                 \
	"      --sign-cert FILE      certificate, PEM; it gives PCR8\n"                                                \
	"      --sign-key FILE|pkcs11:URI\n"                                                                           \
	"                            its private key; predictions (pcr, diff) need none\n"                             \
	"      --sign-passphrase-file FILE\n"                                                                          \
	"                            opens an encrypted key; a token's PIN\n"
#define BUILD_CAGE_HELP                                                                                                \
	"Cage:\n"                                                                                                      \
	"      --cage FILE           lay the cage's runtime over the image, as this cage.json says\n"                  \
	"      --runtime DIR         with --cage: the directory that `make bundle` makes\n"
#define BUILD_HELP                                                                                                     \
	"Platform:\n" BUILD_PLATFORM_HELP "Image:\n" BUILD_IMAGE_HELP CACHE_OPTION_HELP                                \
	"      --cmd JSON-ARRAY      instead of entrypoint and command\n"                                              \
	"      --env NAME=VALUE      set in the environment; repeat it\n"                                              \
	"      --user USER, --workdir DIR\n"                                                                           \
	"                            instead of the image's\n"                                                         \
	"      --scrub RULES         apply the remedies of these scan rules: ids, `safe` or `all`\n"                   \
	"Layout:\n"                                                                                                    \
	"      --layout NAME         canonical (default), or nitro-cli: the bytes of nitro-cli build-enclave\n"        \
	EPOCH_OPTION_HELP                                                                                              \
	"      --mtime POLICY        set (default): every time is the epoch; clamp: only later ones\n"                 \
	"      --allow-large         a ramdisk may pass 4 GiB\n"                                                       \
	"Metadata (not measured):\n"                                                                                   \
	"      --name TEXT           ImageName (default: image)\n"                                                     \
	"      --image-version TEXT  ImageVersion (default: the config's digest)\n"                                    \
	"      --metadata FILE       JSON of at most 4096 bytes: CustomMetadata\n" BUILD_SIGN_HELP

struct build_options {
	enum eif_arch arch;
	struct platform_options platform;
	const char **modules; // owned array of borrowed paths
	size_t module_cap;
	const char *pick, *epoch, *name, *image_version, *metadata_file, *cmd_json, *user, *workdir, *tmpdir, *scrub;
	const char **env; // owned array
	size_t env_count, env_cap;
	enum layout_id layout;
	enum mtime_policy mtime;
	struct signer_options signer;
	const char *cage, *runtime; // cage.json and the runtime bundle; NULL: no cage
	const char *metadata_text; // instead of metadata_file, for a rebuild
	bool strict, allow_large, cache;
	unsigned threads;
	struct limits limits;
	struct registry_option registry;
};

void build_options_init(struct build_options *o);
void build_options_clear(struct build_options *o);
// Takes option `opt` (of BUILD_LONGS) with optarg. 0, or EXIT_TROUBLE with the usage error said. `command` is for it.
int build_option_take(struct build_options *o, int opt, const char *command);
// For a command that signs, when all options are taken: a certificate without its key would make an unsigned EIF.
int build_options_check_key(const struct build_options *o, const char *command);

// ---- the job -------------------------------------------------------------------------------------------------------
struct build_job {
	const struct build_options *opt; // borrowed
	struct image *image;
	struct platform *platform;
	struct epoch epoch;
	struct build_input input;
	struct build_output output;
	struct layer_cache *cache; // --cache, else NULL
	uint64_t hits_void;	   // of the cache, in tries that came to nothing
	bool holding;		   // warnings wait for the end of the tries
	char **held;		   // owned
	size_t held_count, held_cap;
	char **cmd; // --cmd, parsed
	size_t cmd_count;
	char **env; // owned array of borrowed strings: the config's with --env laid over it
	size_t env_count;
	struct buf custom; // --metadata
	char version[DIGEST_TEXT_MAX];
	struct signer *signer; // NULL: unsigned
	struct cage_file cage;	 // --cage
	struct cage_bundle *bundle;
	struct cage_overlay overlay;
	char overlay_digest[DIGEST_TEXT_MAX];
	char certificate_sha256[65];
	char **unpredictable; // paths; owned
	size_t unpredictable_count, unpredictable_cap;
	char summary[192]; // what a run did; may be empty
	struct err warned; // under --strict: the first warning that a library gave
};

// Opens the image alone: what `ls` needs. Warnings go to cmd_warn, or under --strict into job->warned.
int build_job_open_image(struct build_job *job, const struct build_options *opt, const char *ref, struct err *err);
// Image, epoch, overrides, metadata: all but the platform (job->platform stays NULL), for what lays out the application
// ramdisk alone.
int build_job_open_config(struct build_job *job, const struct build_options *opt, const char *ref, struct err *err);
// The same and the platform: job->input is ready. Warns of what the platform cannot honour.
int build_job_open(struct build_job *job, const struct build_options *opt, const char *ref, struct err *err);
// Under --strict, -1 if a library warned of anything; call after each phase.
int build_job_check(const struct build_job *job, struct err *err);
// A build's tries may each warn of the same, and each find a layer in the cache. Between these two calls warnings are
// held back, and job->input.restart forgets what the try before told: those of the last try are said in the end. Only
// with a cache; without one there is one try, and they are said as they come.
void build_job_hold(struct build_job *job);
void build_job_release(struct build_job *job);
// build_eif between the two, and the check.
int build_job_run(struct build_job *job, int fd, struct err *err);
// One line on stderr about the run, unless there is a terminal: for the end of a command, when nothing can go wrong any
// more.
void build_job_summary(const struct build_job *job);
void build_job_clear(struct build_job *job);

#endif
