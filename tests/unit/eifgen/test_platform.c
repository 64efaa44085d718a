// SPDX-License-Identifier: Apache-2.0
//
// Platform directories and single files: what is taken from where, how the command line is trimmed, how a kernel's
// .config names it.
#include "base/io.h"
#include "eifgen/platform.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

static struct err err;
static char dir[4096];

static void put(const char *name, const char *text)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_ok(io_write_file(path, text, strlen(text), &err));
}

static void setup(void)
{
	snprintf(dir, sizeof(dir), "%s/platform-XXXXXX", getenv("TEST_TMP") ? getenv("TEST_TMP") : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	put("bzImage", "KERNEL");
	put("bzImage.config", "#\n# Automatically generated\n# Linux/x86_64 4.14.256-209.484.amzn2.x86_64 Kernel\n#\n");
	put("Image", "ARM");
	put("cmdline", " \tconsole=ttyS0 quiet\r\n\n");
	put("init", "xx cage-init: xx");
	put("nsm.ko", "NSM");
	put("extra.ko", "EXTRA");
}

static struct platform *load(const struct platform_options *opt)
{
	struct platform *p = NULL;

	assert_ok(platform_load(opt, &p, &err));
	return p;
}

#define KERNEL_DIGEST "sha256:a204d4ad1de3e9b07751899e5cf4d4a3017328c41372c70fdcc8db9587bb38fb"

START_TEST(test_platform_load_of_a_directory_finds_every_file)
{
	struct platform *p;

	setup();
	p = load(&(struct platform_options){.dir = dir});
	ck_assert_str_eq(p->cmdline, "console=ttyS0 quiet");
	ck_assert_str_eq(p->os, "Linux");
	ck_assert_str_eq(p->kernel_version, "4.14.256");
	ck_assert_uint_eq(p->kernel.size, 6);
	ck_assert_str_eq(p->kernel.digest, KERNEL_DIGEST);
	ck_assert_str_eq(p->nsm.name, "nsm.ko");
	ck_assert(p->init_is_ours);
	ck_assert(!p->kernel_is_bootable);
	platform_free(p);
}
END_TEST

START_TEST(test_platform_kernel_pin_digests_a_kernel_that_was_loaded_without)
{
	struct platform *p;

	setup();
	p = load(&(struct platform_options){.dir = dir, .pin_later = true});
	ck_assert_str_eq(p->kernel.digest, "");
	ck_assert_str_ne(p->init.digest, "");
	for (int i = 0; i < 2; i++) {
		assert_ok(platform_kernel_pin(p, &err));
		ck_assert_str_eq(p->kernel.digest, KERNEL_DIGEST);
	}
	platform_free(p);
}
END_TEST

static int gather(void *ctx, const void *p, size_t n, struct err *e)
{
	return buf_add(ctx, p, n, e);
}

// 300 000 bytes: more than go past at once.
static void put_long_kernel(const char *name, char last)
{
	static char text[300001];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 23);
	text[sizeof(text) - 2] = last;
	put(name, text);
}

static int pass(struct platform *p, bool pin)
{
	struct buf all = BUF_INIT(0);
	int rc = platform_kernel_pass(p, (struct sink){gather, &all}, pin, &err);
	size_t wrong = 0;

	if (!rc) {
		ck_assert_uint_eq(all.len, 300000);
		for (size_t i = 0; i < all.len - 1; i++)
			wrong += all.data[i] != (uint8_t)('a' + i % 23);
		ck_assert_uint_eq(wrong, 0);
	}
	buf_free(&all);
	return rc;
}

START_TEST(test_platform_kernel_pass_gives_all_bytes_and_their_digest)
{
	struct platform *p;
	char all[DIGEST_TEXT_MAX];

	setup();
	put_long_kernel("bzImage", 'z');
	p = load(&(struct platform_options){.dir = dir});
	memcpy(all, p->kernel.digest, sizeof(all));
	platform_free(p);
	p = load(&(struct platform_options){.dir = dir, .pin_later = true});
	ck_assert_uint_eq(p->kernel.size, 300000);
	assert_ok(pass(p, false));
	ck_assert_str_eq(p->kernel.digest, "");
	for (int i = 0; i < 2; i++) {
		assert_ok(pass(p, true));
		ck_assert_str_eq(p->kernel.digest, all);
	}
	platform_free(p);
}
END_TEST

// Row 0: another byte, with a digest to hold it against; 1: the same without one; 2: shorter.
START_TEST(test_platform_kernel_pass_of_a_file_that_changes_fails_where_it_is_pinned)
{
	struct platform *p;
	char path[8192];

	setup();
	snprintf(path, sizeof(path), "%s/bzImage", dir);
	put_long_kernel("bzImage", 'z');
	p = load(&(struct platform_options){.dir = dir, .pin_later = _i == 1});
	ck_assert_int_eq(_i == 2 ? truncate(path, 4096) : 0, 0);
	if (_i < 2) {
		FILE *f = fopen(path, "r+");

		ck_assert_ptr_nonnull(f);
		ck_assert_int_eq(fseek(f, 299999, SEEK_SET), 0);
		ck_assert_int_eq(fputc('y', f), 'y');
		ck_assert_int_eq(fclose(f), 0);
	}
	if (_i == 1) {
		assert_ok(pass(p, true));
	} else {
		ck_assert_int_eq(pass(p, false), -1);
		ck_assert_int_eq(err.class, ERR_INPUT);
		ck_assert_ptr_nonnull(strstr(err.msg, "bzImage"));
	}
	platform_free(p);
}
END_TEST

START_TEST(test_platform_load_of_a_kernel_out_of_a_pipe_keeps_its_bytes)
{
	struct platform *p;
	char path[64], init[8192];
	struct buf all = BUF_INIT(0);
	int ends[2];

	setup();
	snprintf(init, sizeof(init), "%s/init", dir);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "KERNEL", 6), 6);
	close(ends[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", ends[0]);
	p = load(&(struct platform_options){.kernel = path, .init = init, .cmdline = "x", .pin_later = true});
	close(ends[0]);
	for (int i = 0; i < 2; i++) {
		all.len = 0;
		assert_ok(platform_kernel_pass(p, (struct sink){gather, &all}, true, &err));
		ck_assert_uint_eq(all.len, 6);
		ck_assert_mem_eq(all.data, "KERNEL", 6);
		ck_assert_str_eq(p->kernel.digest, KERNEL_DIGEST);
	}
	buf_free(&all);
	platform_free(p);
}
END_TEST

START_TEST(test_platform_load_tells_what_boots)
{
	static const struct {
		size_t at, size;
		const char *magic;
		enum eif_arch arch;
		bool boots;
	} rows[] = {{0x202, 0x264, "HdrS", EIF_X86_64, true}, {0x202, 0x263, "HdrS", EIF_X86_64, false},
		    {0x203, 0x264, "HdrS", EIF_X86_64, false}, {56, 64, "ARM\x64", EIF_AARCH64, true},
		    {56, 63, "ARM\x64", EIF_AARCH64, false}, {0x202, 0x264, "HdrS", EIF_AARCH64, false}};
	char text[0x265];
	struct platform *p;

	setup();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memset(text, 'k', sizeof(text));
		memcpy(text + rows[i].at, rows[i].magic, 4);
		text[rows[i].size] = '\0';
		put(rows[i].arch == EIF_AARCH64 ? "Image" : "bzImage", text);
		p = load(&(struct platform_options){.dir = dir, .arch = rows[i].arch});
		ck_assert_int_eq(p->kernel_is_bootable, rows[i].boots);
		platform_free(p);
	}
}
END_TEST

START_TEST(test_platform_load_for_aarch64_takes_image_and_no_config_gives_unknown)
{
	struct platform *p;

	setup();
	p = load(&(struct platform_options){.dir = dir, .arch = EIF_AARCH64, .no_nsm = true});
	ck_assert_uint_eq(p->kernel.size, 3);
	ck_assert_str_eq(p->os, "Linux");
	ck_assert_str_eq(p->kernel_version, "unknown");
	ck_assert_ptr_null(p->nsm.data);
	platform_free(p);
}
END_TEST

START_TEST(test_platform_load_of_single_files_takes_nothing_from_the_default_directory)
{
	char kernel[8192], init[8192];
	struct platform *p;

	setup();
	snprintf(kernel, sizeof(kernel), "%s/Image", dir);
	snprintf(init, sizeof(init), "%s/nsm.ko", dir);
	p = load(&(struct platform_options){
		.default_dir = dir, .kernel = kernel, .init = init, .cmdline = " as is\n"});
	ck_assert_str_eq(p->cmdline, " as is\n");
	ck_assert_ptr_null(p->nsm.data);
	ck_assert_ptr_null(p->config.data);
	ck_assert(!p->init_is_ours);
	platform_free(p);
}
END_TEST

START_TEST(test_platform_load_of_modules_keeps_their_order)
{
	char a[8192], b[8192];
	const char *modules[] = {a, b};
	struct layout_bootstrap boot;
	struct layout_file *files;
	struct platform *p;

	setup();
	snprintf(a, sizeof(a), "%s/nsm.ko", dir);
	snprintf(b, sizeof(b), "%s/extra.ko", dir);
	p = load(&(struct platform_options){.dir = dir, .modules = modules, .module_count = 2});
	assert_ok(platform_bootstrap(p, &boot, &files, &err));
	ck_assert_uint_eq(boot.module_count, 2);
	ck_assert_str_eq(boot.modules[0].name, "nsm.ko");
	ck_assert_str_eq(boot.modules[1].name, "extra.ko");
	ck_assert_mem_eq(boot.modules[1].data, "EXTRA", 5);
	free(files);
	platform_free(p);
}
END_TEST

START_TEST(test_platform_load_without_a_needed_file_names_it)
{
	static const char *const needed[] = {"bzImage", "init", "cmdline"};
	struct platform *p = NULL;
	char path[8192];

	setup();
	snprintf(path, sizeof(path), "%s/%s", dir, needed[_i]);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(platform_load(&(struct platform_options){.dir = dir}, &p, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, needed[_i]));
}
END_TEST

START_TEST(test_platform_load_of_a_command_line_with_bad_utf8_fails)
{
	struct platform *p = NULL;

	setup();
	put("cmdline", "console=\xff\n");
	ck_assert_int_eq(platform_load(&(struct platform_options){.dir = dir}, &p, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "UTF-8"));
}
END_TEST

START_TEST(test_platform_load_takes_a_bundle_that_speaks_of_this_init_alone)
{
	struct platform *p;

	setup();
	put("bundle.json", "{\"bundle\": 1, \"files\": {\"init\": \"00\"}, \"packages\": {}}");
	p = load(&(struct platform_options){.dir = dir});
	ck_assert_ptr_null(p->bundle);
	platform_free(p);
	put("init", "");
	put("bundle.json", "{\"bundle\": 1, \"files\": {\"init\": "
			   "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}, \"packages\": {}}");
	p = load(&(struct platform_options){.dir = dir});
	ck_assert_ptr_nonnull(p->bundle);
	platform_free(p);
}
END_TEST

UNIT_MAIN("eifgen/platform",
	  ADD(test_platform_load_of_a_directory_finds_every_file)
	  ADD(test_platform_kernel_pin_digests_a_kernel_that_was_loaded_without)
	  ADD(test_platform_kernel_pass_gives_all_bytes_and_their_digest)
	  tcase_add_loop_test(tc_, test_platform_kernel_pass_of_a_file_that_changes_fails_where_it_is_pinned, 0, 3);
	  ADD(test_platform_load_of_a_kernel_out_of_a_pipe_keeps_its_bytes)
	  ADD(test_platform_load_tells_what_boots)
	  ADD(test_platform_load_for_aarch64_takes_image_and_no_config_gives_unknown)
	  ADD(test_platform_load_of_single_files_takes_nothing_from_the_default_directory)
	  ADD(test_platform_load_of_modules_keeps_their_order)
	  tcase_add_loop_test(tc_, test_platform_load_without_a_needed_file_names_it, 0, 3);
	  ADD(test_platform_load_of_a_command_line_with_bad_utf8_fails)
	  ADD(test_platform_load_takes_a_bundle_that_speaks_of_this_init_alone))
