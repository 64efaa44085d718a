// SPDX-License-Identifier: Apache-2.0
//
// Whiteouts and opaque markers: what they take from the layers below, and what they leave alone.
#include "base/fault.h"
#include "tests/unit/layerfs/merge_fixture.h"

START_TEST(test_merge_whiteout_removes_file_and_tree)
{
	tar_file(&l[0], "f", "1");
	tar_file(&l[0], "d/e/f", "1");
	tar_file(&l[0], "g", "1");
	tar_file(&l[1], ".wh.f", "");
	tar_file(&l[1], ".wh.d", "");
	tar_file(&l[1], ".wh.nothing", "");
	tar_file(&l[1], "no/where/.wh.x", "");
	expect("g 100644 0:0 1\n");
}
END_TEST

START_TEST(test_merge_whiteout_spares_its_own_layer_wherever_it_stands)
{
	tar_file(&l[0], "f", "1");
	tar_dir(&l[0], "d", 0700);
	tar_file(&l[0], "d/old", "1");
	tar_file(&l[0], "d/sub/old", "1");
	tar_file(&l[1], "f", "22");
	tar_file(&l[1], ".wh.f", "");
	tar_file(&l[1], "d/sub/new", "");
	tar_file(&l[1], ".wh.d", "");
	tar_file(&l[1], ".wh.d", "");
	expect("d 40755 0:0 i\nd/sub 40755 0:0 i\nd/sub/new 100644 0:0 0\nf 100644 0:0 2\n");
}
END_TEST

START_TEST(test_merge_whiteout_before_entries_is_the_same)
{
	tar_file(&l[0], "f", "1");
	tar_dir(&l[0], "d", 0700);
	tar_file(&l[0], "d/old", "1");
	tar_file(&l[0], "d/sub/old", "1");
	tar_file(&l[1], ".wh.d", "");
	tar_file(&l[1], ".wh.f", "");
	tar_file(&l[1], "f", "22");
	tar_file(&l[1], "d/sub/new", "");
	expect("d 40755 0:0 i\nd/sub 40755 0:0 i\nd/sub/new 100644 0:0 0\nf 100644 0:0 2\n");
}
END_TEST

START_TEST(test_merge_whiteout_then_listed_directory_is_fresh)
{
	tar_dir(&l[0], "d", 0700);
	tar_file(&l[0], "d/old", "1");
	tar_dir(&l[1], "d", 0711);
	tar_file(&l[1], ".wh.d", "");
	expect("d 40711 0:0\n");
}
END_TEST

START_TEST(test_merge_opaque_hides_lower_layers_only)
{
	tar_dir(&l[0], "d", 0700);
	tar_file(&l[0], "d/old", "1");
	tar_file(&l[0], "d/sub/old", "1");
	tar_file(&l[0], "d/sub2/old", "1");
	tar_file(&l[1], "d/new", "1");
	tar_file(&l[1], "d/sub/new", "1");
	tar_file(&l[1], "d/.wh..wh..opq", "");
	tar_file(&l[1], "d/.wh..wh..opq", "");
	expect("d 40700 0:0\nd/new 100644 0:0 1\nd/sub 40755 0:0 i\nd/sub/new 100644 0:0 1\n");
}
END_TEST

START_TEST(test_merge_opaque_root_hides_everything_below)
{
	tar_file(&l[0], "a/b/c", "1");
	tar_file(&l[1], ".wh..wh..opq", "");
	tar_file(&l[1], "n", "1");
	expect("n 100644 0:0 1\n");
}
END_TEST

// Opaque marker and whiteout of one directory: it goes, whichever came first.
START_TEST(test_merge_opaque_then_whiteout_removes_the_directory)
{
	tar_file(&l[0], "d/old", "1");
	tar_file(&l[1], "d/.wh..wh..opq", "");
	tar_file(&l[1], ".wh.d", "");
	tar_file(&l[1], "n", "1");
	expect("n 100644 0:0 1\n");
}
END_TEST

// A builder that replaces a symlink by a directory marks the directory opaque: the symlink's target is not meant.
START_TEST(test_merge_opaque_directory_over_symlink_spares_the_target)
{
	tar_file(&l[0], "usr/lib/so", "1");
	tar_link(&l[0], "lib", '2', "usr/lib");
	tar_dir(&l[1], "lib", 0700);
	tar_file(&l[1], "lib/.wh..wh..opq", "");
	tar_file(&l[1], "lib/x", "");
	expect("lib 40700 0:0\nlib/x 100644 0:0 0\nusr 40755 0:0 i\nusr/lib 40755 0:0 i\nusr/lib/so 100644 0:0 1\n");
}
END_TEST

START_TEST(test_merge_whiteout_of_symlink_lets_nothing_through)
{
	tar_file(&l[0], "usr/lib/so", "1");
	tar_link(&l[0], "lib", '2', "usr/lib");
	tar_file(&l[1], "lib/x", "");
	tar_file(&l[1], ".wh.lib", "");
	expect("lib 40755 0:0 i\nlib/x 100644 0:0 0\nusr 40755 0:0 i\nusr/lib 40755 0:0 i\nusr/lib/so 100644 0:0 1\n");
}
END_TEST

START_TEST(test_merge_whiteout_through_symlink_removes_there)
{
	tar_file(&l[0], "usr/lib/so", "1");
	tar_link(&l[0], "lib", '2', "usr/lib");
	tar_file(&l[1], "lib/.wh.so", "");
	expect("lib 120777 0:0 ->usr/lib\nusr 40755 0:0 i\nusr/lib 40755 0:0 i\n");
}
END_TEST

static int fail_at;
static bool fail_nth_alloc(enum fault_point p)
{
	return p == FAULT_ALLOC && __atomic_sub_fetch(&fail_at, 1, __ATOMIC_RELAXED) == 0;
}

// A symlink on the way to what is removed or linked takes memory to follow: without it there is no tree, and not one
// that still has the file.
START_TEST(test_merge_without_memory_is_never_another_tree)
{
	_cleanup_buf_ struct buf want = BUF_INIT(0);
	int n = 0, rc;

	tar_file(&l[0], "usr/lib/so", "1");
	tar_file(&l[0], "usr/lib/other", "1");
	tar_link(&l[0], "lib", '2', "usr/lib");
	tar_file(&l[1], "lib/.wh.so", "");
	tar_link(&l[1], "hard", '1', "lib/other");
	make();
	do {
		struct tree *t = NULL;

		fail_at = n++; // 0: none fails
		base_fault_hook = fail_nth_alloc;
		rc = merge_made(1, &t);
		base_fault_hook = NULL;
		if (!rc)
			tree_text(t, n == 1 ? &want : &text);
		tree_free(t);
		if (rc)
			ck_assert_msg(err.class == ERR_MEMORY, "allocation %d: %s", n - 1, err.msg);
		else if (n > 1)
			ck_assert_str_eq((char *)text.data, (char *)want.data);
	} while (rc || n == 1);
	ck_assert_int_gt(n, 30);
}
END_TEST

// What the layer takes away with a whole directory is no way for its own files, whichever comes first.
START_TEST(test_merge_removed_directory_lets_nothing_through_its_symlinks)
{
	static const char *const removal[] = {".wh.d", "d/.wh..wh..opq", ".wh..wh..opq", "d/sub/.wh..wh..opq", "d/.wh.sub"};

	for (size_t i = 0; i < sizeof(removal) / sizeof(removal[0]); i++) {
		for (int first = 0; first < 2; first++) {
			setup();
			tar_file(&l[0], "x/kept", "1");
			tar_link(&l[0], "d/sub/link", '2', "/x");
			if (first)
				tar_file(&l[1], removal[i], "");
			tar_dir(&l[1], "x", 0755);
			tar_file(&l[1], "x/kept", "22");
			tar_file(&l[1], "d/sub/link/new", "333");
			if (!first)
				tar_file(&l[1], removal[i], "");
			expect("d 40755 0:0 i\nd/sub 40755 0:0 i\nd/sub/link 40755 0:0 i\n"
			       "d/sub/link/new 100644 0:0 3\nx 40755 0:0\nx/kept 100644 0:0 2\n");
		}
	}
}
END_TEST

// A whiteout speaks of the layers below: a symlink that the layer itself brings does not lead it elsewhere.
START_TEST(test_merge_removal_goes_through_no_symlink_of_its_own_layer)
{
	static const char *const removal[] = {"d/.wh.b", "d/.wh..wh..opq"};

	for (int i = 0; i < 4; i++) {
		setup();
		tar_file(&l[0], "b/b", "1");
		if (i / 2)
			tar_file(&l[0], "d/b", "1");
		if (i % 2)
			tar_link(&l[1], "d", '2', "/b");
		tar_file(&l[1], removal[i % 2], "");
		tar_file(&l[1], removal[1 - i % 2], "");
		if (!(i % 2))
			tar_link(&l[1], "d", '2', "/b");
		expect("b 40755 0:0 i\nb/b 100644 0:0 1\nd 120777 0:0 ->/b\n");
	}
}
END_TEST

// Neither what the layer removes, nor what only a symlink that it removes leads to, nor what is in a directory that it
// removes, can be linked to: in either order, for either policy.
START_TEST(test_merge_hard_link_to_what_its_layer_removes_is_refused)
{
	static const struct {
		const char *removal, *target;
	} rows[] = {{".wh.f", "f"}, {".wh.way", "way/f"}, {".wh.d", "d/f"}, {"d/.wh..wh..opq", "d/f"}, {".wh..wh..opq", "f"}};

	for (size_t i = 0; i < 4 * sizeof(rows) / sizeof(rows[0]); i++) {
		setup();
		policy = i & 1 ? TREE_REPLACE_SYMLINK : TREE_WRITE_THROUGH;
		tar_file(&l[0], "f", "1");
		tar_file(&l[0], "d/f", "1");
		tar_link(&l[0], "way", '2', "x");
		tar_file(&l[0], "x/f", "1");
		if (i & 2)
			tar_file(&l[1], rows[i / 4].removal, "");
		tar_link(&l[1], "h", '1', rows[i / 4].target);
		if (!(i & 2))
			tar_file(&l[1], rows[i / 4].removal, "");
		refused("which its own layer removes");
	}
}
END_TEST

// What the layer removes and brings anew is its own, and so is what stands beside the removed.
START_TEST(test_merge_hard_link_to_what_its_layer_brings_anew_is_made)
{
	tar_file(&l[0], "d/f", "1");
	tar_file(&l[0], "d/g", "1");
	tar_file(&l[0], "k", "1");
	tar_file(&l[1], ".wh.d", "");
	tar_file(&l[1], ".wh.k", "");
	tar_file(&l[1], "d/f", "22");
	tar_link(&l[1], "h", '1', "d/f");
	tar_file(&l[1], "k", "333");
	tar_link(&l[1], "d/k", '1', "k");
	expect("d 40755 0:0 i\nd/f 100644 0:0 2 #2\nd/k 100644 0:0 3 #2\nh 100644 0:0 2 #2\nk 100644 0:0 3 #2\n");
}
END_TEST

START_TEST(test_merge_bad_whiteouts_are_refused)
{
	static const char *const bad[] = {".wh.", "d/.wh..", ".wh...", ".wh.d/x", "a/.wh.d/x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setup();
		tar_file(&l[0], bad[i], "");
		refused("whiteout");
	}
}
END_TEST

UNIT_MAIN("layerfs/merge_removals", tcase_add_checked_fixture(tc_, setup, teardown);
	  ADD(test_merge_whiteout_removes_file_and_tree)
	  ADD(test_merge_whiteout_spares_its_own_layer_wherever_it_stands)
	  ADD(test_merge_whiteout_before_entries_is_the_same) ADD(test_merge_whiteout_then_listed_directory_is_fresh)
	  ADD(test_merge_opaque_hides_lower_layers_only) ADD(test_merge_opaque_root_hides_everything_below)
	  ADD(test_merge_opaque_then_whiteout_removes_the_directory)
	  ADD(test_merge_opaque_directory_over_symlink_spares_the_target)
	  ADD(test_merge_whiteout_of_symlink_lets_nothing_through)
	  ADD(test_merge_whiteout_through_symlink_removes_there) ADD(test_merge_without_memory_is_never_another_tree)
	  ADD(test_merge_removed_directory_lets_nothing_through_its_symlinks)
	  ADD(test_merge_removal_goes_through_no_symlink_of_its_own_layer)
	  ADD(test_merge_hard_link_to_what_its_layer_removes_is_refused)
	  ADD(test_merge_hard_link_to_what_its_layer_brings_anew_is_made)
	  ADD(test_merge_bad_whiteouts_are_refused))
