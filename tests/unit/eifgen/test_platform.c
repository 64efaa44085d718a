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

START_TEST(test_platform_pin_digests_a_kernel_that_was_loaded_without)
{
	struct platform *p;

	setup();
	p = load(&(struct platform_options){.dir = dir, .pin_later = true});
	ck_assert_str_eq(p->kernel.digest, "");
	ck_assert_str_ne(p->init.digest, "");
	for (int i = 0; i < 2; i++) {
		assert_ok(platform_pin(p, &err));
		ck_assert_str_eq(p->kernel.digest, KERNEL_DIGEST);
	}
	platform_free(p);
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
	  ADD(test_platform_pin_digests_a_kernel_that_was_loaded_without)
	  ADD(test_platform_load_for_aarch64_takes_image_and_no_config_gives_unknown)
	  ADD(test_platform_load_of_single_files_takes_nothing_from_the_default_directory)
	  ADD(test_platform_load_of_modules_keeps_their_order)
	  tcase_add_loop_test(tc_, test_platform_load_without_a_needed_file_names_it, 0, 3);
	  ADD(test_platform_load_of_a_command_line_with_bad_utf8_fails)
	  ADD(test_platform_load_takes_a_bundle_that_speaks_of_this_init_alone))
