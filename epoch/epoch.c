// SPDX-License-Identifier: Apache-2.0
//
// The epoch from text (a number, RFC 3339) and back, by integer arithmetic alone: no locale, no timezone database, no
// time_t of the C library. The valid range is that of a newc header's mtime, 0 to 2^32-1.
//
// Days since 1970 come from the civil calendar shifted to begin in March, so that the leap day is a year's last:
//   400 years = 146097 days; day of year from the month by (153 * m + 2) / 5, m = 0 for March.
#include "epoch/epoch.h"

#include "epoch/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGE "a ramdisk holds times from 1970 to 2106"

enum { SECONDS_PER_DAY = 86400, DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468 };

void epoch_clear(struct epoch *e)
{
	free(e->dir);
	free(e->path);
	memset(e, 0, sizeof(*e));
}

const char *epoch_source_name(enum epoch_source s)
{
	static const char *const names[] = {[EPOCH_FROM_DEFAULT] = "default",
					    [EPOCH_FROM_NUMBER] = "number",
					    [EPOCH_FROM_ENV] = "SOURCE_DATE_EPOCH",
					    [EPOCH_FROM_GIT] = "git",
					    [EPOCH_FROM_IMAGE] = "image"};

	return names[s];
}

int epoch_check_range(int64_t seconds, uint32_t *out, struct err *err)
{
	if (seconds < 0)
		return err_set(err, ERR_INPUT, "time %lld is before 1970: " RANGE,
			       (long long)seconds);
	if (seconds > UINT32_MAX)
		return err_set(err, ERR_INPUT, "time %lld is after 2106: " RANGE,
			       (long long)seconds);
	*out = (uint32_t)seconds;
	return 0;
}

int epoch_from_text(const char *text, enum epoch_source source, struct epoch *out, struct err *err)
{
	int64_t seconds = 0;
	char q[80];

	if (!*text)
		return err_set(err, ERR_USAGE, "an empty text is no number of seconds since 1970");
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return err_set(err, ERR_USAGE, "%s is no number of seconds since 1970",
				       err_quote(text, strlen(text), q, sizeof(q)));
		if (seconds <= UINT32_MAX) // what is past that already stays past it: no overflow however long the text
			seconds = seconds * 10 + (*p - '0');
	}
	if (seconds > UINT32_MAX) // counting stopped there: the text says it better
		return err_set(err, ERR_INPUT, "time %s is after 2106: " RANGE,
			       err_quote(text, strlen(text), q, sizeof(q)));
	*out = (struct epoch){.seconds = (uint32_t)seconds, .source = source};
	return 0;
}

static int64_t days_from_civil(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
	int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

// Takes `n` digits and then the byte `then` (0: nothing) from *p. The number, or -1.
static int take_number(const char **p, int n, char then)
{
	int v = 0;

	for (; n; n--, (*p)++) {
		if (**p < '0' || **p > '9')
			return -1;
		v = v * 10 + (**p - '0');
	}
	if (then && *(*p)++ != then)
		return -1;
	return v;
}

// `Z`, `+HH:MM` or `-HH:MM` to the text's end. 0 and the offset in seconds, or -1.
static int take_zone(const char *p, int *seconds)
{
	int sign = *p == '-' ? -1 : 1, hours, minutes;

	*seconds = 0;
	if (*p == 'Z' || *p == 'z')
		return p[1] ? -1 : 0;
	if (*p != '+' && *p != '-')
		return -1;
	p++;
	hours = take_number(&p, 2, ':');
	minutes = hours < 0 ? -1 : take_number(&p, 2, 0);
	if (minutes < 0 || hours > 23 || minutes > 59 || *p)
		return -1;
	*seconds = sign * (hours * 3600 + minutes * 60);
	return 0;
}

// RFC 3339 5.6, with the fraction dropped (times are whole seconds, floored). A leap second counts as the one after it.
static int parse_rfc3339(const char *p, int64_t *out)
{
	int year = take_number(&p, 4, '-');
	int month = year < 0 ? -1 : take_number(&p, 2, '-');
	int day = month < 0 ? -1 : take_number(&p, 2, 0);

	if (day < 1 || month < 1 || month > 12 || day > days_in_month(year, month) || (*p != 'T' && *p != 't'))
		return -1;
	p++;

	int hour = take_number(&p, 2, ':');
	int minute = hour < 0 ? -1 : take_number(&p, 2, ':');
	int second = minute < 0 ? -1 : take_number(&p, 2, 0), zone;

	if (second < 0 || hour > 23 || minute > 59 || second > 60)
		return -1;
	if (*p == '.') {
		if (*++p < '0' || *p > '9')
			return -1;
		while (*p >= '0' && *p <= '9')
			p++;
	}
	if (take_zone(p, &zone))
		return -1;
	*out = days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second - zone;
	return 0;
}

int epoch_from_created(const char *created, struct epoch *out, struct err *err)
{
	int64_t seconds;
	uint32_t fits = 0;
	char q[80];

	if (!created)
		return err_set(err, ERR_INPUT, "the image's config says no time of creation");
	if (parse_rfc3339(created, &seconds))
		return err_set(err, ERR_INPUT, "the image's time of creation %s is no RFC 3339 time",
			       err_quote(created, strlen(created), q, sizeof(q)));
	if (epoch_check_range(seconds, &fits, err))
		return err_prefix(err, "the image's time of creation: ");
	*out = (struct epoch){.seconds = fits, .source = EPOCH_FROM_IMAGE};
	return 0;
}

char *epoch_rfc3339(uint32_t seconds, char out[21])
{
	int64_t days = seconds / SECONDS_PER_DAY + DAYS_TO_1970;
	int rest = (int)(seconds % SECONDS_PER_DAY);
	int era = (int)(days / DAYS_PER_ERA), of_era = (int)(days % DAYS_PER_ERA);
	int year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int from_march = (5 * of_year + 2) / 153;
	int month = from_march < 10 ? from_march + 3 : from_march - 9;

	snprintf(out, 21, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)(era * 400 + year_of_era + (month <= 2)) % 10000,
		 (unsigned)month % 100, (unsigned)(of_year - (153 * from_march + 2) / 5 + 1) % 100,
		 (unsigned)(rest / 3600) % 100, (unsigned)(rest / 60 % 60) % 100, (unsigned)(rest % 60) % 100);
	return out;
}
