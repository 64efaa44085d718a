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
	struct err why = ERR_INIT;
	bool number;

	if (!text) {
		*at = (int64_t)time(NULL);
		return 0;
	}
	number = *text && strspn(text, "0123456789") == strlen(text);
	if (number ? epoch_from_text(text, EPOCH_FROM_NUMBER, &e, &why) : epoch_from_created(text, &e, &why))
		return err_set(err, ERR_USAGE, "--at takes seconds since 1970 or an RFC 3339 time, up to 2106, not %s",
			       text);
	*at = e.seconds;
	epoch_clear(&e);
	return 0;
}
