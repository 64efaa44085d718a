// SPDX-License-Identifier: Apache-2.0
//
// One line of JSON an event, for people and collectors alike:
//
//   {"ts":"2026-01-31T09:00:00.123Z","level":"info","event":"ingress.closed","peer":"10.0.0.7","bytes":512}
//
// What the enclave logs its host can read. So: names of events and fields are constants of the program, values pass
// the redaction helpers below, and no body, key, token, document or query string is ever a value. Text of any bytes
// is escaped to valid JSON (invalid UTF-8 becomes U+FFFD), a line is at most LOG_LINE_MAX bytes, values are cut.
#ifndef RUNTIME_LOG_H
#define RUNTIME_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum { LOG_LINE_MAX = 4096, LOG_VALUE_MAX = 512 };

enum log_type { LOG_T_STR, LOG_T_U64, LOG_T_I64, LOG_T_BOOL };

struct log_field {
	const char *name;
	enum log_type type;
	const char *s;
	size_t n; // of s
	uint64_t u;
};

#define LOG_STR(name_, s_)       ((struct log_field){.name = (name_), .type = LOG_T_STR, .s = (s_), .n = (size_t)-1})
#define LOG_BYTES(name_, s_, n_) ((struct log_field){.name = (name_), .type = LOG_T_STR, .s = (s_), .n = (n_)})
#define LOG_U64(name_, u_)       ((struct log_field){.name = (name_), .type = LOG_T_U64, .u = (uint64_t)(u_)})
#define LOG_I64(name_, i_)       ((struct log_field){.name = (name_), .type = LOG_T_I64, .u = (uint64_t)(int64_t)(i_)})
#define LOG_BOOL(name_, b_)      ((struct log_field){.name = (name_), .type = LOG_T_BOOL, .u = (b_)})

// Where lines go (default: standard error) and from which level on (default: info). Set once by main.
void log_open(int fd, enum log_level from, const char *program);
void log_set_level(enum log_level from);

// log_event(LOG_INFO, "ingress.closed", LOG_U64("bytes", n), LOG_STR("why", "idle")). A descriptor that cannot take
// the line at once loses it (counted, and the next line that fits says how many, once a second): logging never blocks a
// plane.
#define log_event(level, event, ...)                                                                                   \
	log_write((level), (event), (const struct log_field[]){{.name = NULL}, ##__VA_ARGS__},                         \
		  sizeof((const struct log_field[]){{.name = NULL}, ##__VA_ARGS__}) / sizeof(struct log_field))
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);

// ---- lines that a peer can cause ------------------------------------------------------------------------------------
// As often as it likes: they are limited, so that nobody's log grows as fast as another one wants. What is over counts
// as lost, as above.
enum { LOG_PEER_PER_S = 2000, LOG_PEER_BURST = 10000 };
#define log_peer_event(level, event, ...)                                                                              \
	log_peer_write((level), (event), (const struct log_field[]){{.name = NULL}, ##__VA_ARGS__},                    \
		       sizeof((const struct log_field[]){{.name = NULL}, ##__VA_ARGS__}) / sizeof(struct log_field))
void log_peer_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);

// The limit by itself, for lines that go out another way: `burst` at once, then per_s a second (both above 0). Zeroed
// but for these two it is full.
struct log_bucket {
	uint32_t per_s, burst;
	uint64_t spent; // what was taken and has not come back, in thousandths of a line
	uint64_t then_ms;
};
bool log_bucket_take(struct log_bucket *b, uint64_t now_ms); // now_ms: of a clock that never goes back

// Formats the same line into out (cap bytes, at least 256) without writing it; its length. For tests and for lines that
// travel another way.
size_t log_format(char *out, size_t cap, uint64_t unix_ms, enum log_level level, const char *event,
		  const struct log_field *fields, size_t n);

// Appends `s` (n bytes, any bytes) as a JSON string with its quotes to out[0..cap) at *len; cut so that it and
// `reserve` bytes more fit.
void log_json_string(char *out, size_t cap, size_t *len, size_t reserve, const char *s, size_t n);

// ---- redaction -----------------------------------------------------------------------------------------------------
// May this header's value be logged? Only names of a short built-in list (accept, content-type, user-agent, …) and
// those in `trusted` (n of them, lower case; a trailing `*` makes a prefix); authorization, proxy-authorization,
// api-key, cookie and set-cookie never, whatever `trusted` says. The name is compared without case.
bool log_header_allowed(const char *name, size_t len, const char *const *trusted, size_t n);

// The length of a request target without its query and fragment, which may hold secrets.
size_t log_target_len(const char *target, size_t len);

#endif
