// SPDX-License-Identifier: Apache-2.0
//
// Asking the table: globs, matching, names, and the choice of rules that --scrub makes.
#include "layerfs/entropy.h"

#include "layerfs/entropy_probe.h"

#include <string.h>

// One alternative [g, end) against the whole of path. The classic two-pointer match with one remembered star for `*`
// and one for `**`: when the text after a `*` fails, `*` swallows one more byte unless that byte is '/', then `**`
// does.
static bool glob_one(const char *g, const char *end, const char *path)
{
	const char *star_g = NULL, *star_p = NULL; // after the last `*`, and where it stopped swallowing
	const char *deep_g = NULL, *deep_p = NULL; // the same for the last `**`
	const char *p = path;

	for (;;) {
		if (end - g >= 2 && g[0] == '*' && g[1] == '*') {
			g += 2;
			deep_g = g;
			deep_p = p;
			star_g = NULL;
			continue;
		}
		if (g < end && *g == '*') {
			star_g = ++g;
			star_p = p;
			continue;
		}
		if (*p == '\0' && g == end)
			return true;
		if (*p && g < end && (*g == *p || (*g == '?' && *p != '/'))) {
			g++;
			p++;
			continue;
		}
		if (star_g && *star_p && *star_p != '/') {
			g = star_g;
			p = ++star_p;
			continue;
		}
		if (deep_g && *deep_p) {
			g = deep_g;
			p = ++deep_p;
			star_g = NULL;
			continue;
		}
		return false;
	}
}

bool entropy_glob(const char *glob, const char *path)
{
	for (const char *g = glob;;) {
		const char *end = strchrnul(g, '|');

		if (glob_one(g, end, path))
			return true;
		if (!*end)
			return false;
		g = end + 1;
	}
}

int entropy_match(const char *path, const struct entropy_file *f, const struct entropy_rule **rule, struct err *err)
{
	for (const struct entropy_rule *r = entropy_rules; r->id; r++) {
		int yes;

		if (!entropy_glob(r->glob, path))
			continue;
		yes = r->probe ? r->probe(f, err) : 1;
		if (yes < 0)
			return -1;
		if (yes) {
			*rule = r;
			return 1;
		}
	}
	return 0;
}

const struct entropy_rule *entropy_rule_by_id(const char *id, size_t len)
{
	for (const struct entropy_rule *r = entropy_rules; r->id; r++)
		if (strlen(r->id) == len && !memcmp(r->id, id, len))
			return r;
	return NULL;
}

bool entropy_rule_is_of_a_stamp(const struct entropy_rule *r)
{
	static int (*const stamps[])(const struct entropy_file *f, struct err *err) = {
	    entropy_probe_pyc_stamp, entropy_probe_gzip_time, entropy_probe_ar_times, entropy_probe_zip_times};

	// Not of a Java key store: its digest, or its encryption, moves with its dates, so what else differs cannot be
	// told.
	for (size_t i = 0; i < sizeof(stamps) / sizeof(stamps[0]); i++)
		if (r->probe == stamps[i])
			return true;
	return entropy_rule_is_of_a_number(r);
}

bool entropy_rule_is_of_a_number(const struct entropy_rule *r)
{
	return r->probe == entropy_probe_shadow_date || r->probe == entropy_probe_apk_virtual;
}

static const char *const severity_names[] = {"low", "medium", "high"};

const char *entropy_severity_name(enum entropy_severity s)
{
	return severity_names[s];
}

int entropy_severity_parse(const char *word, enum entropy_severity *out)
{
	for (int i = ENTROPY_LOW; i <= ENTROPY_HIGH; i++) {
		if (!strcmp(word, severity_names[i])) {
			*out = (enum entropy_severity)i;
			return 0;
		}
	}
	return -1;
}

static int scrub_add(const char *word, size_t len, uint64_t *set, struct err *err)
{
	bool all = len == 3 && !memcmp(word, "all", 3), safe = len == 4 && !memcmp(word, "safe", 4);
	const struct entropy_rule *named = all || safe ? NULL : entropy_rule_by_id(word, len);
	char q[128];

	if (!all && !safe && !named)
		return err_set(err, ERR_USAGE, "no entropy rule is called %s (eifgen scan --rules lists them)",
			       err_quote(word, len, q, sizeof(q)));
	if (named && named->scrub == SCRUB_NONE)
		return err_set(err, ERR_USAGE, "rule %s cannot be scrubbed: %s", named->id, named->remedy);
	for (const struct entropy_rule *r = entropy_rules; r->id; r++)
		if (r == named || (!named && r->scrub != SCRUB_NONE && (all || r->severity == ENTROPY_HIGH)))
			*set |= UINT64_C(1) << (r - entropy_rules);
	return 0;
}

int entropy_scrub_parse(const char *text, uint64_t *set, struct err *err)
{
	uint64_t chosen = 0;

	for (const char *w = text;;) {
		const char *end = strchrnul(w, ',');

		if (scrub_add(w, (size_t)(end - w), &chosen, err))
			return -1;
		if (!*end)
			break;
		w = end + 1;
	}
	*set = chosen;
	return 0;
}
