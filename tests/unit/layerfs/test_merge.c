// SPDX-License-Identifier: Apache-2.0
//
// Layers onto layers: every entry type, replacement, links, parents, both symlink policies.
#include "tests/unit/layerfs/merge_fixture.h"
#include "tests/unit/unit.h"

START_TEST(test_merge_every_type_is_carried)
{
	tar_put(&l[0], (struct tar_member){.name = "./", .type = '5', .mode = 0711, .uid = 5});
	tar_put(&l[0], (struct tar_member){.name = "d/", .type = '5', .mode = 01777, .uid = 1, .gid = 2});
	tar_put(&l[0], (struct tar_member){.name = "d/f", .type = '0', .mode = 04755, .data = "abc", .size = 3});
	tar_put(&l[0], (struct tar_member){.name = "old", .type = 0, .mode = 0644, .data = "x", .size = 1});
	tar_put(&l[0], (struct tar_member){.name = "olddir/", .type = 0, .mode = 0750});
	tar_put(&l[0], (struct tar_member){.name = "cont", .type = '7', .mode = 0600, .data = "xy", .size = 2});
	tar_link(&l[0], "s", '2', "d/f");
	tar_link(&l[0], "h", '1', "d/f");
	tar_link(&l[0], "hs", '1', "/s");
	tar_put(&l[0], (struct tar_member){.name = "c", .type = '3', .mode = 0666, .dev_major = 1, .dev_minor = 3});
	tar_put(&l[0], (struct tar_member){.name = "b", .type = '4', .mode = 0660, .dev_major = 8, .dev_minor = 17});
	tar_put(&l[0], (struct tar_member){.name = "p", .type = '6', .mode = 0600});
	expect("b 60660 0:0 8,17\nc 20666 0:0 1,3\ncont 100600 0:0 2\nd 41777 1:2\nd/f 104755 0:0 3 #2\n"
	       "h 104755 0:0 3 #2\nhs 120777 0:0 ->d/f #2\nold 100644 0:0 1\nolddir 40750 0:0\np 10600 0:0\n"
	       "s 120777 0:0 ->d/f #2\n");
}
END_TEST

START_TEST(test_merge_root_entry_gives_the_roots_attributes)
{
	_cleanup_(tree_freep) struct tree *t = NULL;

	tar_put(&l[0], (struct tar_member){.name = "./", .type = '5', .mode = 0711, .uid = 5, .mtime = 77});
	assert_ok(merge(&t));
	ck_assert(tree_root_listed(t) && !tree_root(t)->inode->implied);
	ck_assert_uint_eq(tree_root(t)->inode->mode, S_IFDIR | 0711);
	ck_assert_int_eq(tree_root(t)->inode->mtime, 77);
	ck_assert_int_eq(tree_root(t)->inode->layer, 0);
}
END_TEST

START_TEST(test_merge_root_as_file_is_refused)
{
	tar_file(&l[0], ".", "x");
	refused("the root is no directory");
}
END_TEST

START_TEST(test_merge_spellings_of_one_path_are_one)
{
	tar_file(&l[0], "./a//b/./c", "1");
	tar_file(&l[0], "/a/b/c", "22");
	tar_file(&l[0], "a/x/../b/c", "333");
	expect("a 40755 0:0 i\na/b 40755 0:0 i\na/b/c 100644 0:0 3\n");
}
END_TEST

START_TEST(test_merge_dotdot_past_the_root_is_refused)
{
	tar_file(&l[0], "a/../../b", "1");
	refused("entry \"a/../../b\": it leaves the root");
}
END_TEST

START_TEST(test_merge_dotdot_in_hardlink_past_the_root_is_refused)
{
	tar_file(&l[0], "a", "1");
	tar_link(&l[0], "b", '1', "../a");
	refused("entry \"b\": hard link: it leaves the root");
}
END_TEST

START_TEST(test_merge_last_of_one_path_wins)
{
	tar_file(&l[0], "a", "1");
	tar_link(&l[0], "a", '2', "x");
	tar_put(&l[0], (struct tar_member){.name = "a", .type = '0', .mode = 0600, .data = "22", .size = 2});
	tar_dir(&l[0], "d/", 0700);
	tar_file(&l[0], "d/keep", "");
	tar_dir(&l[0], "d", 0711);
	expect("a 100600 0:0 2\nd 40711 0:0\nd/keep 100644 0:0 0\n");
}
END_TEST

START_TEST(test_merge_file_and_directory_replace_each_other)
{
	tar_file(&l[0], "a", "1");
	tar_file(&l[0], "b/c/d", "1");
	tar_dir(&l[1], "a", 0700);
	tar_file(&l[1], "a/x", "1");
	tar_file(&l[1], "b", "22");
	expect("a 40700 0:0\na/x 100644 0:0 1\nb 100644 0:0 2\n");
}
END_TEST

START_TEST(test_merge_unlisted_parent_replaces_a_lower_file)
{
	tar_file(&l[0], "a", "1");
	tar_file(&l[1], "a/x", "1");
	expect("a 40755 0:0 i\na/x 100644 0:0 1\n");
}
END_TEST

// The way to the last entry's parent is remembered; here it leads elsewhere the next time.
START_TEST(test_merge_parent_that_changes_between_entries_is_looked_up_anew)
{
	tar_file(&l[0], "d/a", "");
	tar_link(&l[0], "d", '2', "e");
	tar_file(&l[0], "d/b", "");
	tar_link(&l[0], "d", '2', "f");
	tar_file(&l[0], "d/c", "");
	tar_file(&l[0], "f/d", "");
	expect("d 120777 0:0 ->f\ne 40755 0:0 i\ne/b 100644 0:0 0\nf 40755 0:0 i\nf/c 100644 0:0 0\n"
	       "f/d 100644 0:0 0\n");
}
END_TEST

START_TEST(test_merge_parent_that_is_a_file_of_the_layer_is_refused)
{
	tar_file(&l[0], "a", "1");
	tar_file(&l[0], "a/x", "1");
	refused("entry \"a/x\": \"a\" is no directory");
}
END_TEST

START_TEST(test_merge_hardlink_into_a_lower_layer)
{
	tar_file(&l[0], "a", "1");
	tar_link(&l[1], "b", '1', "a");
	tar_file(&l[2], ".wh.a", "");
	tar_link(&l[2], "c", '1', "./b");
	expect("b 100644 0:0 1 l #2\nc 100644 0:0 1 l #2\n");
}
END_TEST

START_TEST(test_merge_hardlink_keeps_what_its_inode_has)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	const struct inode *inode;

	tar_put(&l[0], (struct tar_member){.name = "a", .type = '0', .mode = 0640, .uid = 1, .gid = 2, .mtime = 3});
	tar_put(&l[0], (struct tar_member){.name = "b", .type = '1', .link = "a", .mode = 04777, .uid = 7, .gid = 8, .mtime = 9});
	tar_put(&l[1], (struct tar_member){.name = "c", .type = '1', .link = "b", .mode = 0, .uid = 5, .gid = 6, .mtime = 4});
	assert_ok(merge(&t));
	inode = tree_child(t, tree_root(t), "c", 1)->inode;
	ck_assert_ptr_eq(inode, tree_child(t, tree_root(t), "a", 1)->inode);
	ck_assert_uint_eq(inode->mode, S_IFREG | 0640);
	ck_assert_uint_eq(inode->uid, 1);
	ck_assert_uint_eq(inode->gid, 2);
	ck_assert_int_eq(inode->mtime, 3);
}
END_TEST

// A layer that removes the file and a later one that links to it: nothing is left to link to.
START_TEST(test_merge_hardlink_to_what_another_layer_removed_is_refused)
{
	tar_file(&l[0], "a", "1");
	tar_file(&l[1], ".wh.a", "");
	tar_link(&l[2], "b", '1', "a");
	refused("entry \"b\": a hard link to \"a\", which is not there");
}
END_TEST

START_TEST(test_merge_device_number_past_32_bits_is_refused)
{
	uint8_t h[512];

	for (size_t at = 329; at <= 337; at += 8) { // major, minor
		setup();
		tar_header(h, &(struct tar_member){.name = "dev/c", .type = '3', .dev_major = 1, .dev_minor = 3});
		memcpy(h + at, "\x80\0\0\1\0\0\0\0", 8); // 2^32 in base 256
		tar_sum(h);
		tar_raw(&l[0], h, sizeof(h));
		refused("entry \"dev/c\": a device number past 32 bits");
	}
}
END_TEST

START_TEST(test_merge_replaced_name_leaves_its_other_names)
{
	tar_file(&l[0], "a", "1");
	tar_link(&l[0], "b", '1', "a");
	tar_link(&l[0], "c", '1', "a");
	tar_file(&l[1], "a", "22");
	expect("a 100644 0:0 2\nb 100644 0:0 1 #2\nc 100644 0:0 1 #2\n");
}
END_TEST

START_TEST(test_merge_hardlink_to_itself_or_nothing_is_refused)
{
	tar_file(&l[0], "a", "1");
	tar_link(&l[1], "a", '1', "a");
	refused("entry \"a\": a hard link to itself");
	setup();
	tar_link(&l[0], "b", '1', "gone");
	refused("entry \"b\": a hard link to \"gone\", which is not there");
	setup();
	tar_dir(&l[0], "d", 0755);
	tar_link(&l[0], "b", '1', "d");
	refused("a directory");
	setup();
	tar_file(&l[0], "d/f", "");
	tar_link(&l[0], "d", '1', "d/f");
	refused("which is not there");
}
END_TEST

START_TEST(test_merge_symlinked_parent_is_written_through)
{
	tar_dir(&l[0], "usr/lib", 0711);
	tar_link(&l[0], "lib", '2', "/usr/../usr/lib");
	tar_link(&l[0], "dangling", '2', "not/there");
	tar_file(&l[1], "lib/x", "1");
	tar_file(&l[1], "dangling/y", "1");
	expect("dangling 120777 0:0 ->not/there\nlib 120777 0:0 ->/usr/../usr/lib\nnot 40755 0:0 i\n"
	       "not/there 40755 0:0 i\nnot/there/y 100644 0:0 1 t\nusr 40755 0:0 i\nusr/lib 40711 0:0\n"
	       "usr/lib/x 100644 0:0 1 t\n");
}
END_TEST

START_TEST(test_merge_symlinked_parent_never_leaves_the_root)
{
	tar_link(&l[0], "up", '2', "../../../../etc");
	tar_file(&l[1], "up/x", "1");
	expect("etc 40755 0:0 i\netc/x 100644 0:0 1 t\nup 120777 0:0 ->../../../../etc\n");
}
END_TEST

START_TEST(test_merge_symlink_loop_as_parent_is_refused)
{
	tar_link(&l[0], "a", '2', "b");
	tar_link(&l[0], "b", '2', "a");
	tar_file(&l[1], "a/x", "1");
	refused("too many symbolic links");
}
END_TEST

START_TEST(test_merge_replace_policy_makes_a_directory_of_the_symlink)
{
	policy = TREE_REPLACE_SYMLINK;
	tar_dir(&l[0], "usr/lib", 0711);
	tar_dir(&l[0], "usr", 0700);
	tar_link(&l[0], "lib", '2', "usr/lib");
	tar_file(&l[1], "lib/x", "1");
	tar_file(&l[1], "usr/y", "1");
	expect("lib 40755 0:0 i t\nlib/x 100644 0:0 1 t\nusr 40755 0:0 a\nusr/lib 40711 0:0\nusr/y 100644 0:0 1\n");
}
END_TEST

START_TEST(test_merge_replace_policy_whiteout_needs_its_parent)
{
	policy = TREE_REPLACE_SYMLINK;
	tar_dir(&l[0], "d", 0700);
	tar_file(&l[0], "d/f", "");
	tar_dir(&l[0], "e", 0700);
	tar_file(&l[0], "e/f", "");
	tar_file(&l[1], "d/.wh.f", "");
	tar_file(&l[1], "e/.wh.f", "");
	tar_dir(&l[1], "e", 0711);
	expect("d 40755 0:0 a\ne 40711 0:0\n");
}
END_TEST

START_TEST(test_merge_aufs_metadata_is_passed_over_but_for_its_links)
{
	tar_dir(&l[0], ".wh..wh.plnk", 0700);
	tar_file(&l[0], ".wh..wh.plnk/12.34", "four");
	tar_file(&l[0], ".wh..wh.aufs", "");
	tar_link(&l[0], "a", '1', ".wh..wh.plnk/12.34");
	expect("a 100644 0:0 4\n");
	setup();
	tar_link(&l[0], "a", '1', ".wh..wh.plnk/1");
	refused("a hard link to nothing");
}
END_TEST

START_TEST(test_merge_global_header_with_an_entrys_name_is_refused)
{
	tar_ext(&l[0], 'g', "12 comment=\n", 12); // named "ext"
	tar_file(&l[0], "x", "");
	expect("x 100644 0:0 0\n");
	setup();
	tar_file(&l[0], "ext", "");
	tar_ext(&l[0], 'g', "12 comment=\n", 12);
	tar_file(&l[0], "x", "");
	refused("global header");
}
END_TEST

START_TEST(test_merge_long_names_survive)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	char path[3000], gnu[1500];
	const struct node *n;

	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 100 == 99 ? '/' : (char)('a' + i / 100 % 26);
	path[sizeof(path) - 1] = '\0';
	memcpy(gnu, path, sizeof(gnu) - 1);
	gnu[0] = 'Z';
	gnu[sizeof(gnu) - 1] = '\0';
	tar_pax(&l[0], "path", path, NULL);
	tar_file(&l[0], "short", "1");
	tar_ext(&l[0], 'L', gnu, sizeof(gnu));
	tar_ext(&l[0], 'K', path, sizeof(path));
	tar_link(&l[0], "short", '2', "short");
	tar_ext(&l[0], 'K', path, sizeof(path));
	tar_link(&l[0], "hard", '1', "short");
	assert_ok(merge(&t));
	n = tree_resolve(t, path, strlen(path), false, &err);
	ck_assert(n && n->inode->names == 2);
	n = tree_resolve(t, gnu, strlen(gnu), false, &err);
	ck_assert(n && S_ISLNK(n->inode->mode));
	ck_assert_str_eq(n->inode->target, path);
}
END_TEST

// Bytes that are no UTF-8, and decomposed letters that a reader might compose.
START_TEST(test_merge_any_bytes_in_names_survive)
{
	static const char *const names[] = {"latin-\xe9\xff\x80", "nfd-e\xcc\x81", "nfc-\xc3\xa9", "new\nline", "\x01"};

	for (int pax = 0; pax < 2; pax++) {
		_cleanup_(tree_freep) struct tree *t = NULL;

		setup();
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char link[64];

			if (pax)
				tar_pax(&l[0], "path", names[i], NULL);
			tar_file(&l[0], pax ? "short" : names[i], "1");
			snprintf(link, sizeof(link), "l-%s", names[i]);
			if (pax)
				tar_pax(&l[0], "path", link, "linkpath", names[i], NULL);
			tar_link(&l[0], pax ? "short" : link, '2', pax ? "x" : names[i]);
			snprintf(link, sizeof(link), "h-%s", names[i]);
			if (pax)
				tar_pax(&l[0], "path", link, "linkpath", names[i], NULL);
			tar_link(&l[0], pax ? "short" : link, '1', pax ? "x" : names[i]);
		}
		assert_ok(merge(&t));
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char link[64];
			const struct node *n = tree_child(t, tree_root(t), names[i], strlen(names[i]));

			ck_assert(n && n->inode->names == 2);
			snprintf(link, sizeof(link), "l-%s", names[i]);
			n = tree_child(t, tree_root(t), link, strlen(link));
			ck_assert(n && !strcmp(n->inode->target, names[i]));
		}
	}
}
END_TEST

START_TEST(test_merge_large_ids_and_times)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	const struct node *n;

	tar_pax(&l[0], "uid", "4294967294", "gid", "2097152", "mtime", "-1.25", NULL);
	tar_file(&l[0], "a", "");
	tar_pax(&l[0], "mtime", "1700000000.123456789123", "SCHILY.xattr.user.x", "1", NULL);
	tar_file(&l[0], "b", "");
	tar_pax(&l[0], "SCHILY.xattr.security.capability", "\x01", NULL);
	tar_file(&l[0], "c", "");
	assert_ok(merge(&t));
	n = tree_child(t, tree_root(t), "a", 1);
	ck_assert_uint_eq(n->inode->uid, 4294967294u);
	ck_assert_uint_eq(n->inode->gid, 2097152);
	ck_assert_int_eq(n->inode->mtime, -2);
	ck_assert_uint_eq(n->inode->mtime_nsec, 750000000);
	n = tree_child(t, tree_root(t), "b", 1);
	ck_assert_int_eq(n->inode->mtime, 1700000000);
	ck_assert_uint_eq(n->inode->mtime_nsec, 123456789);
	ck_assert(n->inode->has_xattr && !n->inode->has_capability);
	n = tree_child(t, tree_root(t), "c", 1);
	ck_assert(n->inode->has_xattr && n->inode->has_capability);
}
END_TEST

START_TEST(test_merge_id_past_the_limit_is_refused)
{
	tar_pax(&l[0], "uid", "4294967295", NULL);
	tar_file(&l[0], "a", "");
	refused("entry \"a\": owner or group 4294967295 is past 2^32-2");
}
END_TEST

UNIT_MAIN("layerfs/merge", tcase_add_checked_fixture(tc_, setup, teardown);
	  ADD(test_merge_every_type_is_carried) ADD(test_merge_root_entry_gives_the_roots_attributes)
	  ADD(test_merge_root_as_file_is_refused) ADD(test_merge_spellings_of_one_path_are_one)
	  ADD(test_merge_dotdot_past_the_root_is_refused) ADD(test_merge_dotdot_in_hardlink_past_the_root_is_refused)
	  ADD(test_merge_last_of_one_path_wins)
	  ADD(test_merge_file_and_directory_replace_each_other)
	  ADD(test_merge_unlisted_parent_replaces_a_lower_file)
	  ADD(test_merge_parent_that_changes_between_entries_is_looked_up_anew)
	  ADD(test_merge_parent_that_is_a_file_of_the_layer_is_refused)
	  ADD(test_merge_hardlink_keeps_what_its_inode_has)
	  ADD(test_merge_hardlink_to_what_another_layer_removed_is_refused)
	  ADD(test_merge_device_number_past_32_bits_is_refused) ADD(test_merge_hardlink_into_a_lower_layer)
	  ADD(test_merge_replaced_name_leaves_its_other_names)
	  ADD(test_merge_hardlink_to_itself_or_nothing_is_refused)
	  ADD(test_merge_symlinked_parent_is_written_through)
	  ADD(test_merge_symlinked_parent_never_leaves_the_root)
	  ADD(test_merge_symlink_loop_as_parent_is_refused)
	  ADD(test_merge_replace_policy_makes_a_directory_of_the_symlink)
	  ADD(test_merge_replace_policy_whiteout_needs_its_parent)
	  ADD(test_merge_aufs_metadata_is_passed_over_but_for_its_links)
	  ADD(test_merge_global_header_with_an_entrys_name_is_refused) ADD(test_merge_long_names_survive)
	  ADD(test_merge_any_bytes_in_names_survive) ADD(test_merge_large_ids_and_times)
	  ADD(test_merge_id_past_the_limit_is_refused))
