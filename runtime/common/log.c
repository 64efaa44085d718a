// SPDX-License-Identifier: Apache-2.0
//
// A line is built in one fixed buffer on the stack and leaves in one write, so lines of two processes that share a
// descriptor do not mix (PIPE_BUF is LOG_LINE_MAX), and logging needs no memory.
#include "runtime/common/log.h"

#include "base/utf8.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

static struct {
	int fd;
	enum log_level from;
	const char *program;
	uint64_t lost;
	uint64_t said_ms; // when lost lines were told last
	struct log_bucket peers;
} out = {.fd = STDERR_FILENO,
	 .from = LOG_INFO,
	 .program = "",
	 .peers = {.per_s = LOG_PEER_PER_S, .burst = LOG_PEER_BURST}};

void log_open(int fd, enum log_level from, const char *program)
{
	out.fd = fd;
	out.from = from;
	out.program = program;
}

void log_set_level(enum log_level from)
{
	out.from = from;
}

// One character of the string, escaped, into piece (8 bytes). Its length; *used input bytes were taken.
static size_t escape_one(char piece[8], const unsigned char *s, size_t n, size_t *used)
{
	static const char *const named = "b\bf\fn\nr\rt\t";

	*used = 1;
	if (*s == '"' || *s == '\\') {
		piece[0] = '\\';
		piece[1] = (char)*s;
		return 2;
	}
	for (const char *p = named; *s < 0x20 && *p; p += 2)
		if ((unsigned char)p[1] == *s) {
			piece[0] = '\\';
			piece[1] = p[0];
			return 2;
		}
	if (*s < 0x20 || *s == 0x7f)
		return (size_t)snprintf(piece, 8, "\\u%04x", *s);
	*used = utf8_next(s, n, NULL);
	if (*used) {
		memcpy(piece, s, *used);
		return *used;
	}
	*used = 1;
	return (size_t)snprintf(piece, 8, "\\ufffd");
}

void log_json_string(char *buf, size_t cap, size_t *len, size_t reserve, const char *s, size_t n)
{
	if (*len + reserve + 2 > cap)
		return;
	buf[(*len)++] = '"';
	for (size_t i = 0, used; i < n; i += used) {
		char piece[8];
		size_t k = escape_one(piece, (const unsigned char *)s + i, n - i, &used);

		if (*len + k + 1 + reserve > cap)
			break;
		memcpy(buf + *len, piece, k);
		*len += k;
	}
	buf[(*len)++] = '"';
}

static void add(char *buf, size_t cap, size_t *len, const char *s)
{
	size_t n = strlen(s);

	if (*len + n > cap)
		return;
	memcpy(buf + *len, s, n);
	*len += n;
}

static void add_field(char *buf, size_t cap, size_t *len, const struct log_field *f)
{
	size_t before = *len, n;
	char number[32];

	if (!f->name)
		return;
	add(buf, cap, len, ",");
	log_json_string(buf, cap, len, 1, f->name, strlen(f->name));
	add(buf, cap, len, ":");
	switch (f->type) {
	case LOG_T_STR:
		n = f->s ? f->n == (size_t)-1 ? strlen(f->s) : f->n : 0;
		log_json_string(buf, cap, len, 0, f->s, n < LOG_VALUE_MAX ? n : LOG_VALUE_MAX);
		break;
	case LOG_T_BOOL:
		add(buf, cap, len, f->u ? "true" : "false");
		break;
	default:
		snprintf(number, sizeof(number), f->type == LOG_T_U64 ? "%llu" : "%lld", (unsigned long long)f->u);
		add(buf, cap, len, number);
	}
	// A field that did not fit whole would leave half a value: it is dropped.
	if (*len == before || buf[*len - 1] == ':')
		*len = before;
}

size_t log_format(char *buf, size_t cap, uint64_t unix_ms, enum log_level level, const char *event,
		  const struct log_field *fields, size_t n)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	time_t seconds = (time_t)(unix_ms / 1000);
	char stamp[40], head[96];
	size_t len = 0, room = cap - 2; // the brace and the line end
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(head, sizeof(head), "{\"ts\":\"%s.%03uZ\",\"level\":\"%s\",\"event\":", stamp,
		 (unsigned)(unix_ms % 1000), levels[level]);
	add(buf, room, &len, head);
	log_json_string(buf, room, &len, 0, event, strlen(event));
	for (size_t i = 0; i < n; i++)
		add_field(buf, room, &len, &fields[i]);
	buf[len++] = '}';
	buf[len++] = '\n';
	return len;
}

static uint64_t unix_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool put(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	char line[LOG_LINE_MAX];
	struct pollfd writable = {.fd = out.fd, .events = POLLOUT};
	size_t len = log_format(line, sizeof(line), unix_now_ms(), level, event, fields, n);

	// poll tells of room for PIPE_BUF bytes, which is a whole line: the write cannot block.
	return poll(&writable, 1, 0) == 1 && write(out.fd, line, len) == (ssize_t)len;
}

static uint64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

// Says how many lines were lost, unless it was said within this second. False if there is no room for it either.
static bool say_lost(void)
{
	struct log_field lost = LOG_U64("lines", out.lost);
	uint64_t now = monotonic_ms();

	if (out.said_ms && now - out.said_ms < 1000)
		return true;
	if (!put(LOG_WARN, "log.lost", &lost, 1))
		return false;
	out.lost = 0;
	out.said_ms = now;
	return true;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	if (level < out.from)
		return;
	if ((out.lost && !say_lost()) || !put(level, event, fields, n))
		out.lost++;
}

bool log_bucket_take(struct log_bucket *b, uint64_t now_ms)
{
	uint64_t back = (now_ms - b->then_ms) * b->per_s; // thousandths of a line

	b->then_ms = now_ms;
	b->spent = back < b->spent ? b->spent - back : 0;
	if (b->spent + 1000 > (uint64_t)b->burst * 1000)
		return false;
	b->spent += 1000;
	return true;
}

void log_peer_write(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	if (level < out.from)
		return;
	if (log_bucket_take(&out.peers, monotonic_ms()))
		log_write(level, event, fields, n);
	else
		out.lost++;
}

// ---- redaction -----------------------------------------------------------------------------------------------------
static bool name_is(const char *name, size_t len, const char *want)
{
	return strlen(want) == len && !strncasecmp(name, want, len);
}

bool log_header_allowed(const char *name, size_t len, const char *const *trusted, size_t n)
{
	static const char *const never[] = {"authorization", "proxy-authorization", "api-key", "cookie", "set-cookie"};
	static const char *const always[] = {
	    "accept",           "accept-encoding",   "accept-language", "cache-control", "connection",
	    "content-encoding", "content-length",    "content-type",    "date",          "host",
	    "server",           "transfer-encoding", "user-agent",      "via",           "x-request-id"};

	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		if (name_is(name, len, never[i]))
			return false;
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		if (name_is(name, len, always[i]))
			return true;
	for (size_t i = 0; i < n; i++) {
		size_t k = strlen(trusted[i]);

		if (k && trusted[i][k - 1] == '*' && len >= k - 1 && !strncasecmp(name, trusted[i], k - 1))
			return true;
		if (name_is(name, len, trusted[i]))
			return true;
	}
	return false;
}

size_t log_target_len(const char *target, size_t len)
{
	size_t n = 0;

	while (n < len && target[n] != '?' && target[n] != '#')
		n++;
	return n;
}
