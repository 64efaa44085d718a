// SPDX-License-Identifier: Apache-2.0
//
// The one place where a verifying command looks at the clock.
#include "eifgen/cmd/time_option.h"

#include "epoch/epoch.h"

#include <string.h>
#include <time.h>

int time_option(const char *text, int64_t *at, struct err *err)
{
	struct epoch e = {.seconds = 0};
	int rc;

	if (!text) {
		*at = (int64_t)time(NULL);
		return 0;
	}
	rc = *text && strspn(text, "0123456789") == strlen(text) ? epoch_from_text(text, EPOCH_FROM_NUMBER, &e, err)
								  : epoch_from_created(text, &e, err);
	*at = e.seconds;
	epoch_clear(&e);
	return rc ? err_prefix(err, "--at: ") : 0;
}
