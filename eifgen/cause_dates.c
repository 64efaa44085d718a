// SPDX-License-Identifier: Apache-2.0
//
// Whether two files differ in numbers alone, and whether those are dates. Both are walked side by side, a token at a
// time: a number with the blanks before it (" 6" and "21" are both days), a name of a month or weekday, a run of
// blanks, or one other byte. Tokens must agree in kind, and all but numbers and names in text. Only what differs
// decides: a version that moved beside a date that stands still is no date.
#include "eifgen/cause_bytes.h"

#include <string.h>

enum kind { END, OTHER, NUMBER, NAME };

struct token {
	enum kind kind;
	size_t from, to; // its bytes; of a number, without the blanks
};

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t name_length(const struct buf *f, size_t at)
{
	static const char names[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec Mon Tue Wed Thu Fri Sat Sun ";
	size_t n = f->len - at;

	if (n < 3 || (n > 3 && (letter(f->data[at + 3]) || digit(f->data[at + 3]))))
		return 0;
	for (const char *s = names; *s; s += 4)
		if (!memcmp(s, f->data + at, 3))
			return 3;
	return 0;
}

static struct token next_token(const struct buf *f, size_t at)
{
	struct token t = {OTHER, at, at};
	size_t n;

	if (at == f->len)
		return (struct token){END, at, at};
	while (t.to < f->len && f->data[t.to] == ' ')
		t.to++;
	for (n = t.to; n < f->len && digit(f->data[n]);)
		n++;
	if (n > t.to)
		return (struct token){NUMBER, t.to, n};
	if (t.to > at)
		return t;
	n = name_length(f, at);
	t.kind = n ? NAME : OTHER;
	t.to = at + (n ? n : 1);
	return t;
}

static bool same_text(const struct buf *a, struct token x, const struct buf *b, struct token y)
{
	return x.to - x.from == y.to - y.from && !memcmp(a->data + x.from, b->data + y.from, x.to - x.from);
}

// ---- dates ---------------------------------------------------------------------------------------------------------

static bool is_year(const struct buf *f, size_t at)
{
	return f->len - at >= 4 &&
	       ((f->data[at] == '1' && f->data[at + 1] == '9') || (f->data[at] == '2' && f->data[at + 1] == '0')) &&
	       digit(f->data[at + 2]) && digit(f->data[at + 3]);
}

// Whether the bytes before `at` are digits that end with `mark`; *from is where they begin.
static bool joined_before(const struct buf *f, size_t at, const char *marks, size_t *from)
{
	size_t p = at;

	if (p < 2 || !f->data[p - 1] || !strchr(marks, f->data[p - 1]))
		return false;
	for (p--; p && digit(f->data[p - 1]);)
		p--;
	*from = p;
	return p < at - 1;
}

static bool joined_after(const struct buf *f, size_t to, const char *marks)
{
	return f->len - to >= 2 && f->data[to] && strchr(marks, f->data[to]) && digit(f->data[to + 1]);
}

// A month or day of YYYY-MM-DD (or with slashes), or of DD/MM/YYYY.
static bool of_calendar(const struct buf *f, struct token t)
{
	size_t month = t.from, year;

	if (t.to - t.from != 2)
		return false;
	if (joined_after(f, t.to, "/") &&
	    (is_year(f, t.to + 1) || (f->len - t.to >= 6 && f->data[t.to + 3] == '/' && is_year(f, t.to + 4))))
		return true;
	if (!joined_before(f, t.from, "-/", &month))
		return false;
	if (t.from - month == 5)
		return is_year(f, month);
	return t.from - month == 3 && joined_before(f, month, "-/", &year) && month - year == 5 && is_year(f, year);
}

static bool is_date(const struct buf *f, struct token t, bool after_name)
{
	size_t n = t.to - t.from, before;

	switch (n) {
	case 4:
	case 8:	 // YYYYMMDD
	case 14: // YYYYMMDDhhmmss
		return is_year(f, t.from);
	case 10: // seconds since 1970, from 2001 on
	case 13: // milliseconds
		return f->data[t.from] == '1';
	case 1:
		return after_name;
	case 2:
		return after_name || of_calendar(f, t) || joined_after(f, t.to, ":") ||
		       joined_before(f, t.from, ":", &before);
	default:
		return false;
	}
}

static const struct cause verdicts[] = {
    {"number", "only numbers inside the file differ", "a counter, a process id or a version: pin it or delete the file"},
    {"embedded-date", "only dates or times inside the file differ",
     "let the program that writes it honour SOURCE_DATE_EPOCH, or delete the file"},
    {"embedded-date", "only numbers inside the file differ, dates or times among them",
     "let the program that writes it honour SOURCE_DATE_EPOCH, or delete the file"},
};

bool cause_of_dates(const struct buf *a, const struct buf *b, struct cause *out)
{
	bool dates = false, others = false, after_name = false;

	for (size_t i = 0, k = 0;;) {
		struct token x = next_token(a, i), y = next_token(b, k);
		bool same = same_text(a, x, b, y);

		if (x.kind != y.kind || (x.kind == OTHER && !same))
			return false;
		if (x.kind == END)
			break;
		if (!same && (x.kind == NAME || is_date(a, x, after_name) || is_date(b, y, after_name)))
			dates = true;
		else if (!same)
			others = true;
		after_name = x.kind == NAME || (after_name && x.kind == OTHER && a->data[x.from] == ' ');
		i = x.to;
		k = y.to;
	}
	*out = verdicts[dates ? 1 + others : 0];
	return true;
}
