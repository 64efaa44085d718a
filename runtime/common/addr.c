// SPDX-License-Identifier: Apache-2.0
//
// Parsing is by hand and numeric: inet_pton and strtoul over bounded text, so that the static data plane needs no
// resolver and a typing error can never become a lookup.
#include "runtime/common/addr.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int bad(const char *text, const char *why, struct err *err)
{
	char q[ADDR_TEXT_MAX + 16];

	return err_set(err, ERR_USAGE, "address %s: %s", err_quote(text, strlen(text), q, sizeof(q)), why);
}

// A decimal number without sign or leading blanks, at most max. 0 or -1.
static int parse_number(const char *s, size_t n, unsigned long max, unsigned long *out)
{
	unsigned long v = 0;

	if (n == 0 || n > 10)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (unsigned long)(s[i] - '0');
	}
	*out = v;
	return v <= max ? 0 : -1;
}

static int parse_vsock(const char *text, const char *rest, struct addr *out, struct err *err)
{
	const char *colon = strchr(rest, ':');
	unsigned long cid, port;

	if (!colon)
		return bad(text, "wants vsock:CID:PORT", err);
	if (colon - rest == 3 && !memcmp(rest, "any", 3))
		cid = VMADDR_CID_ANY;
	else if (parse_number(rest, (size_t)(colon - rest), VMADDR_CID_ANY, &cid))
		return bad(text, "the CID is no number", err);
	if (parse_number(colon + 1, strlen(colon + 1), UINT32_MAX - 1, &port))
		return bad(text, "the port is no number", err);
	out->kind = ADDR_VSOCK;
	out->len = sizeof(out->u.vm);
	out->u.vm = (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = (unsigned)cid, .svm_port = (unsigned)port};
	return 0;
}

static int parse_tcp(const char *text, const char *rest, struct addr *out, struct err *err)
{
	const char *colon = strrchr(rest, ':');
	char host[INET6_ADDRSTRLEN + 2];
	unsigned long port;
	size_t n;

	if (!colon)
		return bad(text, "wants tcp:HOST:PORT", err);
	if (parse_number(colon + 1, strlen(colon + 1), UINT16_MAX, &port))
		return bad(text, "the port is no number up to 65535", err);
	n = (size_t)(colon - rest);
	if (n >= sizeof(host))
		return bad(text, "the host is too long", err);
	memcpy(host, rest, n);
	host[n] = '\0';
	out->kind = ADDR_TCP;
	if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
		host[n - 1] = '\0';
		out->u.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
		out->len = sizeof(out->u.in6);
		if (inet_pton(AF_INET6, host + 1, &out->u.in6.sin6_addr) == 1)
			return 0;
	} else {
		out->u.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
		out->len = sizeof(out->u.in);
		if (inet_pton(AF_INET, host, &out->u.in.sin_addr) == 1)
			return 0;
	}
	return bad(text, "the host must be numeric (127.0.0.1 or [::1])", err);
}

static int parse_unix(const char *text, const char *path, struct addr *out, struct err *err)
{
	size_t n = strlen(path);

	if (n == 0)
		return bad(text, "wants unix:PATH", err);
	if (n >= sizeof(out->u.un.sun_path))
		return bad(text, "the path is longer than a socket's may be (107)", err);
	out->kind = ADDR_UNIX;
	out->u.un.sun_family = AF_UNIX;
	memcpy(out->u.un.sun_path, path, n + 1);
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

int addr_parse(const char *text, struct addr *out, struct err *err)
{
	memset(out, 0, sizeof(*out));
	if (!strncmp(text, "vsock:", 6))
		return parse_vsock(text, text + 6, out, err);
	if (!strncmp(text, "tcp:", 4))
		return parse_tcp(text, text + 4, out, err);
	if (!strncmp(text, "unix:", 5))
		return parse_unix(text, text + 5, out, err);
	return bad(text, "wants vsock:CID:PORT, tcp:HOST:PORT or unix:PATH", err);
}

char *addr_host(const struct addr *a, char out[INET6_ADDRSTRLEN])
{
	out[0] = '\0';
	if (a->kind == ADDR_TCP && a->u.sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->u.in.sin_addr, out, INET6_ADDRSTRLEN);
	else if (a->kind == ADDR_TCP)
		inet_ntop(AF_INET6, &a->u.in6.sin6_addr, out, INET6_ADDRSTRLEN);
	return out;
}

unsigned addr_port(const struct addr *a)
{
	if (a->kind == ADDR_VSOCK)
		return a->u.vm.svm_port;
	if (a->kind == ADDR_TCP)
		return ntohs(a->u.sa.sa_family == AF_INET ? a->u.in.sin_port : a->u.in6.sin6_port);
	return 0;
}

char *addr_format(const struct addr *a, char out[ADDR_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN];

	switch (a->kind) {
	case ADDR_VSOCK:
		if (a->u.vm.svm_cid == VMADDR_CID_ANY)
			snprintf(out, ADDR_TEXT_MAX, "vsock:any:%u", a->u.vm.svm_port);
		else
			snprintf(out, ADDR_TEXT_MAX, "vsock:%u:%u", a->u.vm.svm_cid, a->u.vm.svm_port);
		break;
	case ADDR_TCP:
		snprintf(out, ADDR_TEXT_MAX, a->u.sa.sa_family == AF_INET6 ? "tcp:[%s]:%u" : "tcp:%s:%u",
			 addr_host(a, host), addr_port(a));
		break;
	case ADDR_UNIX:
		snprintf(out, ADDR_TEXT_MAX, "unix:%.107s", a->u.un.sun_path);
		break;
	default:
		snprintf(out, ADDR_TEXT_MAX, "none");
	}
	return out;
}

void addr_from_sockaddr(struct addr *out, const struct sockaddr *sa, socklen_t len)
{
	memset(out, 0, sizeof(*out));
	if (len < sizeof(sa->sa_family) || len > sizeof(out->u))
		return;
	memcpy(&out->u, sa, len);
	out->len = len;
	if (sa->sa_family == AF_VSOCK && len >= sizeof(out->u.vm))
		out->kind = ADDR_VSOCK;
	else if (sa->sa_family == AF_UNIX)
		out->kind = ADDR_UNIX;
	else if ((sa->sa_family == AF_INET && len >= sizeof(out->u.in)) ||
		 (sa->sa_family == AF_INET6 && len >= sizeof(out->u.in6)))
		out->kind = ADDR_TCP;
}

static int fail(const struct addr *a, int errnum, const char *verb, struct err *err)
{
	char text[ADDR_TEXT_MAX];

	return err_sys(err, errnum, "%s %s", verb, addr_format(a, text));
}

// Removes a socket that a dead process left behind; one that answers stays, and bind then says so.
static void remove_stale(const struct addr *a)
{
	struct stat st;
	int fd;

	if (lstat(a->u.un.sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, &a->u.sa, a->len) && errno == ECONNREFUSED)
		unlink(a->u.un.sun_path);
	close(fd);
}

static int bind_address(int fd, const struct addr *a)
{
	mode_t old;
	int rc;

	if (a->kind != ADDR_UNIX)
		return bind(fd, &a->u.sa, a->len);
	remove_stale(a);
	old = umask(0177); // before the loop starts there is one thread
	rc = bind(fd, &a->u.sa, a->len);
	umask(old);
	return rc;
}

int addr_listen(const struct addr *a, int backlog, struct err *err)
{
	_cleanup_close_ int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return fail(a, errno, "open a socket for", err);
	if (a->kind == ADDR_TCP)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->u.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind_address(fd, a))
		return fail(a, errno, "bind", err);
	if (listen(fd, backlog))
		return fail(a, errno, "listen on", err);
	return steal_fd(&fd);
}

int addr_connect(const struct addr *a, bool *pending, struct err *err)
{
	_cleanup_close_ int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*pending = false;
	if (fd < 0)
		return fail(a, errno, "open a socket for", err);
	addr_tune(fd, a->kind);
	if (connect(fd, &a->u.sa, a->len)) {
		if (errno != EINPROGRESS && errno != EINTR)
			return fail(a, errno, "connect to", err);
		*pending = true;
	}
	return steal_fd(&fd);
}

int addr_connect_result(int fd)
{
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len))
		return errno;
	return errnum;
}

void addr_tune(int fd, enum addr_kind kind)
{
	int one = 1;

	if (kind == ADDR_TCP)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

size_t addr_write_max(enum addr_kind kind)
{
	return kind == ADDR_VSOCK ? ADDR_VSOCK_WRITE_MAX : 256 * 1024;
}

enum addr_kind addr_kind_of(int fd)
{
	int family = 0;
	socklen_t len = sizeof(family);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len))
		return ADDR_NONE;
	switch (family) {
	case AF_VSOCK:
		return ADDR_VSOCK;
	case AF_UNIX:
		return ADDR_UNIX;
	case AF_INET:
	case AF_INET6:
		return ADDR_TCP;
	default:
		return ADDR_NONE;
	}
}
