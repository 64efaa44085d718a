// SPDX-License-Identifier: Apache-2.0
//
// A record is one side, what is at hand the other. The record's side has no ramdisks, so what can be named is facts and
// digests; whoever still has the old EIF learns more from `diff OLD.eif NEW.eif`.
#include "eifgen/cmd/explain.h"

#include "base/io.h"
#include "eifgen/cmd/diff_image.h"
#include "eifgen/diff.h"
#include "eifgen/diff_load.h"

#include <unistd.h>

static int compare(const struct record *r, struct diff_side *b, struct err *err)
{
	_cleanup_(diff_side_freep) struct diff_side *a = NULL;
	_cleanup_(diff_freep) struct diff *d = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	if (diff_side_of_record(r, &a, err) || diff_side_add_digests(b, err) || diff_sides(a, b, &d, err) ||
	    diff_print_text(d, &text, err))
		return -1;
	return io_write(STDERR_FILENO, text.data, text.len, err);
}

int explain_eif(const struct record *r, const char *path, struct err *err)
{
	_cleanup_(diff_side_freep) struct diff_side *side = NULL;

	return diff_side_of_eif(path, &side, err) || compare(r, side, err) ? -1 : 0;
}

int explain_open_eif(const struct record *r, int fd, const char *name, struct err *err)
{
	_cleanup_(diff_side_freep) struct diff_side *side = NULL;

	return diff_side_of_open_eif(fd, name, &side, err) || compare(r, side, err) ? -1 : 0;
}

int explain_image(const struct record *r, const struct build_options *opt, const char *ref, struct err *err)
{
	_cleanup_(diff_side_freep) struct diff_side *side = NULL;

	return diff_side_of_image(opt, ref, &side, err) || compare(r, side, err) ? -1 : 0;
}
