// SPDX-License-Identifier: Apache-2.0
//
// Enclave series are keyed by their Prometheus name, so two StatsD names that would come out as one are one, and a
// second type under a name is refused instead of breaking the page for whoever scrapes it.
#include "runtime/control-plane/metrics.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct own {
	enum metric_kind kind;
	const char *name, *help, *labels;
	const uint64_t *value;
	uint64_t sent; // to StatsD, of a counter
};

enum series_kind { SERIES_COUNTER, SERIES_GAUGE, SERIES_SUMMARY };

struct series {
	char *name;
	enum series_kind kind;
	double value; // a summary's sum
	double count;
};

struct metrics {
	struct own own[METRICS_OWN_MAX];
	size_t own_count;
	struct series series[METRICS_ENCLAVE_MAX];
	size_t series_count;
};

struct metrics *metrics_new(struct err *err)
{
	return mem_zalloc(1, sizeof(struct metrics), err);
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->series_count; i++)
		free(m->series[i].name);
	free(m);
}

void metrics_add(struct metrics *m, enum metric_kind kind, const char *name, const char *help, const char *labels,
		 const uint64_t *value)
{
	assert(m->own_count < METRICS_OWN_MAX);
	m->own[m->own_count++] = (struct own){kind, name, help, labels, value, 0};
}

// ---- StatsD in -----------------------------------------------------------------------------------------------------

struct sample {
	char name[METRICS_NAME_MAX + 1]; // as StatsD has it
	enum series_kind kind;
	bool shown; // a set: travels on, is not shown
	bool relative; // a gauge with a sign
	double value, rate;
};

static int bad(const char *why, struct err *err)
{
	return err_set(err, ERR_INPUT, "StatsD line: %s", why);
}

// A decimal number that fills text[0..n). strtod would also take hex, inf and nan.
static int parse_number(const char *text, size_t n, double *out)
{
	char copy[32], *end;

	if (n == 0 || n >= sizeof(copy))
		return -1;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (copy[strspn(copy, "0123456789+-.eE")])
		return -1;
	errno = 0;
	*out = strtod(copy, &end);
	return *end || errno || !isfinite(*out) ? -1 : 0;
}

static int parse_type(const char *p, size_t n, struct sample *s)
{
	s->shown = true;
	if (n == 1 && *p == 'c')
		s->kind = SERIES_COUNTER;
	else if (n == 1 && *p == 'g')
		s->kind = SERIES_GAUGE;
	else if ((n == 2 && !memcmp(p, "ms", 2)) || (n == 1 && (*p == 'h' || *p == 'd')))
		s->kind = SERIES_SUMMARY;
	else if (n == 1 && *p == 's')
		s->shown = false;
	else
		return -1;
	return 0;
}

static int parse_name(const char *p, size_t n, struct sample *s)
{
	if (n == 0 || n > METRICS_NAME_MAX)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char c = p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '.' || c == '-'))
			return -1;
		s->name[i] = c;
	}
	s->name[n] = '\0';
	return 0;
}

static int parse_line(const char *line, size_t n, struct sample *s, struct err *err)
{
	const char *end = line + n, *colon = memchr(line, ':', n), *bar, *next;

	memset(s, 0, sizeof(*s));
	s->rate = 1;
	for (const char *p = line; p < end; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			return bad("a byte that is not printable ASCII", err);
	if (!colon || parse_name(line, (size_t)(colon - line), s) < 0)
		return bad("no name of letters, digits, `_`, `.`, `-` before a colon", err);
	bar = memchr(colon, '|', (size_t)(end - colon));
	if (!bar)
		return bad("no type", err);
	next = memchr(bar + 1, '|', (size_t)(end - bar - 1));
	if (parse_type(bar + 1, (size_t)((next ? next : end) - bar - 1), s) < 0)
		return bad("a type that is none of c, g, ms, h, d, s", err);
	if (s->shown && parse_number(colon + 1, (size_t)(bar - colon - 1), &s->value) < 0)
		return bad("no number", err);
	s->relative = s->kind == SERIES_GAUGE && (colon[1] == '+' || colon[1] == '-');
	if (next && end - next > 2 && next[1] == '@') {
		const char *rate_end = memchr(next + 1, '|', (size_t)(end - next - 1));

		if (parse_number(next + 2, (size_t)((rate_end ? rate_end : end) - next - 2), &s->rate) < 0 ||
		    !(s->rate > 0 && s->rate <= 1))
			return bad("a sample rate that is not above 0 and at most 1", err);
	}
	return 0;
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), t = strlen(tail);

	return n >= t && !strcmp(s + n - t, tail);
}

static char *prometheus_name(const struct sample *s, struct err *err)
{
	// A gauge must not look like a part of a counter or summary.
	bool reserved = ends_with(s->name, "total") || ends_with(s->name, "sum") || ends_with(s->name, "count") ||
			ends_with(s->name, "bucket");
	const char *tail = s->kind == SERIES_COUNTER ? "_total" : reserved ? "_value" : "";
	char *name = mem_printf(err, "cage_enclave_%s%s", s->name, tail);

	for (char *p = name; p && *p; p++)
		if (*p == '.' || *p == '-')
			*p = '_';
	return name;
}

static struct series *find_series(struct metrics *m, const struct sample *s, struct err *err)
{
	_cleanup_free_ char *name = prometheus_name(s, err);

	if (!name)
		return NULL;
	for (size_t i = 0; i < m->series_count; i++)
		if (!strcmp(m->series[i].name, name)) {
			if (m->series[i].kind == s->kind)
				return &m->series[i];
			bad("its name has another type already", err);
			return NULL;
		}
	if (m->series_count == METRICS_ENCLAVE_MAX) {
		err_set(err, ERR_LIMIT, "more than %d series from the enclave", METRICS_ENCLAVE_MAX);
		return NULL;
	}
	struct series *fresh = &m->series[m->series_count++];

	*fresh = (struct series){.name = steal_ptr(&name), .kind = s->kind};
	return fresh;
}

int metrics_take_statsd(struct metrics *m, const char *line, size_t n, struct err *err)
{
	struct sample s;

	if (n > METRICS_LINE_MAX)
		return bad("too long", err);
	if (parse_line(line, n, &s, err) < 0)
		return -1;
	if (!s.shown)
		return 0;
	if (s.kind == SERIES_COUNTER && s.value < 0)
		return bad("a counter that counts down", err);
	struct series *series = find_series(m, &s, err);

	if (!series)
		return -1;
	bool replaces = s.kind == SERIES_GAUGE && !s.relative;
	double value = replaces ? s.value : series->value + s.value / s.rate, count = series->count + 1 / s.rate;

	if (!isfinite(value) || !isfinite(count)) // inf and nan are words that scrapers refuse, and the page with them
		return bad("its sum is past what a number holds", err);
	series->value = value;
	series->count = count;
	return 0;
}

// ---- out -----------------------------------------------------------------------------------------------------------

static int put_series(const struct series *s, struct buf *out, struct err *err)
{
	static const char *const types[] = {"counter", "gauge", "summary"};

	if (buf_printf(out, err, "# HELP %s Reported by the enclave.\n# TYPE %s %s\n", s->name, s->name,
		       types[s->kind]) < 0)
		return -1;
	if (s->kind == SERIES_SUMMARY)
		return buf_printf(out, err, "%s_sum %.15g\n%s_count %.15g\n", s->name, s->value, s->name, s->count);
	return buf_printf(out, err, "%s %.15g\n", s->name, s->value);
}

int metrics_put_prometheus(const struct metrics *m, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < m->own_count; i++) {
		const struct own *o = &m->own[i];

		if ((i == 0 || strcmp(o->name, m->own[i - 1].name) != 0) &&
		    buf_printf(out, err, "# HELP %s %s\n# TYPE %s %s\n", o->name, o->help, o->name,
			       o->kind == METRIC_COUNTER ? "counter" : "gauge") < 0)
			return -1;
		if (buf_printf(out, err, "%s%s%s%s %llu\n", o->name, o->labels ? "{" : "", o->labels ? o->labels : "",
			       o->labels ? "}" : "", (unsigned long long)*o->value) < 0)
			return -1;
	}
	for (size_t i = 0; i < m->series_count; i++)
		if (put_series(&m->series[i], out, err) < 0)
			return -1;
	return 0;
}

// `status="no such name"` as a tag: status:no_such_name.
static int put_tag(const char *labels, struct buf *out, struct err *err)
{
	if (!labels)
		return 0;
	if (buf_add_str(out, "|#", err) < 0)
		return -1;
	for (const char *p = labels; *p; p++)
		if (*p != '"' && buf_add_byte(out, *p == '=' ? ':' : *p == ' ' ? '_' : (uint8_t)*p, err) < 0)
			return -1;
	return 0;
}

int metrics_put_statsd(struct metrics *m, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < m->own_count; i++) {
		struct own *o = &m->own[i];
		uint64_t v = *o->value;

		if (o->kind == METRIC_COUNTER && v == o->sent)
			continue;
		if (buf_printf(out, err, "%s:%llu|%c", o->name,
			       (unsigned long long)(o->kind == METRIC_COUNTER ? v - o->sent : v),
			       o->kind == METRIC_COUNTER ? 'c' : 'g') < 0 ||
		    put_tag(o->labels, out, err) < 0 || buf_add_byte(out, '\n', err) < 0)
			return -1;
		o->sent = v;
	}
	return 0;
}
