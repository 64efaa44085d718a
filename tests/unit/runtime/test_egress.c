// SPDX-License-Identifier: Apache-2.0
//
// The enclave's way out in a network namespace of its own, as an enclave's kernel has it: one interface, lo, down. The
// loop runs in a thread; the host is another thread behind a unix socket, which reads the request, notes it and then
// echoes, greets, refuses or hangs up by the port that was asked for. Where namespaces may not be made the cases say
// so and pass.
#include "runtime/data-plane/egress.h"

#include "base/be.h"
#include "runtime/common/egress_frame.h"
#include "runtime/common/log.h"
#include "runtime/data-plane/net_setup.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT_ECHO = 443, PORT_GREET = 25, PORT_REFUSE = 7001, PORT_CLOSE = 7002, PORT_GARBAGE = 7003, PORT_OTHER = 5432 };

static struct {
	pthread_mutex_t lock;
	struct egress_request last;
	size_t last_data;
	unsigned requests;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct world {
	struct loop *loop;
	struct egress *egress;
	int stop[2], host;
	pthread_t loop_thread, host_thread;
};

// ---- the host ------------------------------------------------------------------------------------------------------

static void host_talk(int fd, unsigned port, const uint8_t *data, size_t len)
{
	uint8_t reply[EGRESS_REPLY_LEN], buf[65536];
	ssize_t n;

	egress_reply_write(port == PORT_REFUSE ? EGRESS_NOT_ALLOWED : EGRESS_CONNECTED, reply);
	if (port == PORT_GARBAGE)
		memset(reply, 'x', sizeof(reply));
	if (port == PORT_CLOSE || write(fd, reply, sizeof(reply)) < 0 || port == PORT_REFUSE || port == PORT_GARBAGE)
		return;
	if (port == PORT_GREET && write(fd, "220 hello\r\n", 11) < 0)
		return;
	if (write(fd, data, len) < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t off = 0, w; off < n; off += w)
			if ((w = write(fd, buf + off, (size_t)(n - off))) <= 0)
				return;
}

static void *host_one(void *arg)
{
	int fd = (int)(intptr_t)arg;
	uint8_t buf[EGRESS_REQUEST_MAX];
	struct egress_request req;
	struct err err = ERR_INIT;
	size_t n = 0;
	long done = 0;

	while (done == 0) {
		ssize_t got = read(fd, buf + n, sizeof(buf) - n);

		if (got <= 0)
			break;
		n += (size_t)got;
		done = egress_request_read(buf, n, &req, &err);
	}
	if (done > 0) {
		pthread_mutex_lock(&seen.lock);
		seen.last = req;
		seen.last_data = req.data_len;
		seen.requests++;
		pthread_mutex_unlock(&seen.lock);
		host_talk(fd, req.port, req.data, req.data_len);
	}
	close(fd);
	return NULL;
}

static void *host_run(void *arg)
{
	struct world *w = arg;
	int fd;

	while ((fd = accept(w->host, NULL, NULL)) >= 0) {
		pthread_t t;

		pthread_create(&t, NULL, host_one, (void *)(intptr_t)fd);
		pthread_detach(t);
	}
	return NULL;
}

// ---- the world -----------------------------------------------------------------------------------------------------

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0) {
		if (write(fd, text, strlen(text)) < 0)
			perror(path);
		close(fd);
	}
}

// A network namespace for this test's process (Check forks one for each case). False where that is not permitted.
static bool enter_namespace(void)
{
	char map[64];
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_text("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_text("/proc/self/gid_map", map);
	return true;
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	loop_stop(((struct world *)ctx)->loop, 0);
}

static void *loop_thread(void *arg)
{
	struct world *w = arg;
	struct event *ev = event_new(loop_base(w->loop), w->stop[0], EV_READ, on_stop, w);

	event_add(ev, NULL);
	loop_run(w->loop);
	event_free(ev);
	return NULL;
}

static bool world_start(struct world *w, const char *allow, bool redirect)
{
	struct egress_options o = {.allow = allow, .ports = {PORT_ECHO, PORT_GREET, PORT_REFUSE, PORT_CLOSE, PORT_GARBAGE},
				   .port_count = 5, .set_up_net = true, .redirect_port = redirect ? 4444 : 0,
				   .hello_ms = 300, .dial_ms = 1000, .reply_ms = 1000, .idle_ms = 1000};
	struct err err = ERR_INIT;
	char path[64], text[80];

	if (!enter_namespace())
		return false;
	signal(SIGPIPE, SIG_IGN);
	log_open(open("/dev/null", O_WRONLY), LOG_ERROR, "test");
	snprintf(path, sizeof(path), "/tmp/eifgen-egress-%d.sock", getpid());
	snprintf(text, sizeof(text), "unix:%s", path);
	assert_ok(addr_parse(text, &o.host, &err));
	assert_ok(addr_parse("tcp:127.0.0.1:53", &o.dns, &err));
	w->host = addr_listen(&o.host, 16, &err);
	ck_assert_msg(w->host >= 0, "%s", err.msg);
	fcntl(w->host, F_SETFL, 0);
	w->loop = loop_new(&err);
	w->egress = egress_new(w->loop, &o, &err);
	ck_assert_msg(w->egress != NULL, "%s", err.msg);
	ck_assert_int_eq(pipe(w->stop), 0);
	pthread_create(&w->loop_thread, NULL, loop_thread, w);
	pthread_create(&w->host_thread, NULL, host_run, w);
	return true;
}

static void world_stop(struct world *w)
{
	char path[64];

	close(w->stop[1]);
	pthread_join(w->loop_thread, NULL);
	shutdown(w->host, SHUT_RDWR);
	pthread_join(w->host_thread, NULL);
	egress_free(w->egress);
	loop_free(w->loop);
	close(w->stop[0]);
	close(w->host);
	snprintf(path, sizeof(path), "/tmp/eifgen-egress-%d.sock", getpid());
	unlink(path);
}

#define WORLD(w, allow, redirect)                                                                                      \
	struct world w;                                                                                                \
	if (!world_start(&w, allow, redirect)) {                                                                       \
		fprintf(stderr, "# no network namespaces here: case not run\n");                                       \
		return;                                                                                                \
	}

// Asks our DNS, as a program would. False unless it gave an address.
static bool resolve(const char *name, struct in_addr *out)
{
	struct sockaddr_in dns = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct timeval limit = {2, 0};
	uint8_t q[300] = {1, 2, 1, 0, 0, 1}, r[600];
	size_t n = 12;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	for (const char *p = name; *p;) {
		size_t len = strcspn(p, ".");

		q[n++] = (uint8_t)len;
		memcpy(q + n, p, len);
		n += len;
		p += len + (p[len] == '.');
	}
	q[n++] = 0;
	put_be16(q + n, 1);
	put_be16(q + n + 2, 1);
	n += 4;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	ck_assert_int_eq(sendto(fd, q, n, 0, (struct sockaddr *)&dns, sizeof(dns)), (ssize_t)n);
	ssize_t got = recv(fd, r, sizeof(r), 0);

	close(fd);
	ck_assert_msg(got > 0, "DNS kept silent");
	memcpy(out, r + got - 4, 4);
	return got > (ssize_t)n;
}

static int dial(struct in_addr host, unsigned port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = host};
	struct timeval limit = {5, 0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int dial_name(const char *name, unsigned port)
{
	struct in_addr host;

	ck_assert_msg(resolve(name, &host), "%s has no address", name);
	int fd = dial(host, port);

	ck_assert_msg(fd >= 0, "%s:%u: %s", name, port, strerror(errno));
	return fd;
}

static void assert_echo(int fd)
{
	char buf[16];

	ck_assert_int_eq(write(fd, "ping", 4), 4);
	ck_assert_int_eq(recv(fd, buf, 4, MSG_WAITALL), 4);
	ck_assert_mem_eq(buf, "ping", 4);
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(recv(fd, buf, 1, 0), 0);
	close(fd);
}

static void assert_reset(int fd)
{
	char byte;

	ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
	ck_assert_msg(errno == ECONNRESET, "errno %d", errno);
	close(fd);
}

static struct egress_request last_request(void)
{
	pthread_mutex_lock(&seen.lock);
	struct egress_request r = seen.last;
	pthread_mutex_unlock(&seen.lock);
	return r;
}

static size_t make_hello(uint8_t *out, const char *name)
{
	size_t n = strlen(name), ext = n + 9;
	static const uint8_t middle[] = {0, 0, 2, 0x13, 1, 1, 0};

	memset(out, 0, 64);
	memcpy(out + 43, middle, sizeof(middle));
	uint8_t *p = out + 43 + sizeof(middle);

	put_be16(p, (uint16_t)ext);
	put_be16(p + 2, 0);
	put_be16(p + 4, (uint16_t)(n + 5));
	put_be16(p + 6, (uint16_t)(n + 3));
	p[8] = 0;
	put_be16(p + 9, (uint16_t)n);
	memcpy(p + 11, name, n);
	size_t len = 43 + sizeof(middle) + 2 + ext;

	out[0] = 0x16;
	out[1] = out[2] = 3;
	put_be16(out + 3, (uint16_t)(len - 5));
	out[5] = 1;
	put_be16(out + 7, (uint16_t)(len - 9));
	return len;
}

// ---- cases ---------------------------------------------------------------------------------------------------------

START_TEST(test_egress_name_at_configured_port_reaches_host)
{
	WORLD(w, "api.example.com:443", false);
	assert_echo(dial_name("api.example.com", PORT_ECHO));
	struct egress_request r = last_request();

	ck_assert_str_eq(r.name, "api.example.com");
	ck_assert_uint_eq(r.port, 443);
	ck_assert_uint_eq(seen.last_data, 4);
	world_stop(&w);
}
END_TEST

START_TEST(test_egress_name_at_any_port_is_redirected)
{
	WORLD(w, "api.example.com", true);
	struct in_addr host;

	ck_assert(resolve("api.example.com", &host));
	int fd = dial(host, PORT_OTHER);

	if (fd < 0 && errno == ECONNREFUSED) {
		fprintf(stderr, "# this kernel has no NAT: case not run\n");
	} else {
		assert_echo(fd);
		ck_assert_uint_eq(last_request().port, PORT_OTHER);
		ck_assert_str_eq(last_request().name, "api.example.com");
		assert_echo(dial(host, PORT_ECHO)); // also what a listener of its own would take
		ck_assert_uint_eq(last_request().port, PORT_ECHO);
		struct in_addr lo = {htonl(INADDR_LOOPBACK)};
		assert_reset(dial(lo, 4444)); // nobody was meant
	}
	world_stop(&w);
}
END_TEST

static void literal_case(bool redirect)
{
	WORLD(w, "93.184.216.34:443,203.0.113.0/24", redirect);
	struct in_addr host;

	inet_pton(AF_INET, "93.184.216.34", &host);
	assert_echo(dial(host, PORT_ECHO));
	ck_assert_uint_eq(last_request().addr.len, 4);
	ck_assert_mem_eq(last_request().addr.bytes, &host, 4);
	inet_pton(AF_INET, "93.184.216.35", &host);
	assert_reset(dial(host, PORT_ECHO));
	inet_pton(AF_INET, "192.0.0.8", &host);
	assert_reset(dial(host, PORT_ECHO));
	struct egress_stats s = egress_stats(w.egress);

	ck_assert_uint_eq(s.relayed, 1);
	ck_assert_uint_eq(s.not_allowed, 1);
	ck_assert_uint_eq(s.unknown_addr, 1);
	world_stop(&w);
}

START_TEST(test_egress_literal_is_judged_by_list)
{
	literal_case(false);
}
END_TEST

START_TEST(test_egress_literal_redirected_is_judged_by_list)
{
	literal_case(true);
}
END_TEST

START_TEST(test_egress_not_allowed_is_nxdomain_or_reset)
{
	WORLD(w, "api.example.com:443", false);
	struct in_addr host;

	ck_assert(!resolve("evil.example.com", &host));
	assert_reset(dial_name("api.example.com", PORT_GREET)); // the name is listed at another port
	inet_pton(AF_INET, "127.200.1.1", &host);		// stands for no name
	assert_reset(dial(host, PORT_ECHO));
	ck_assert_uint_eq(seen.requests, 0); // nothing reached the host
	world_stop(&w);
}
END_TEST

START_TEST(test_egress_server_speaks_first_is_heard)
{
	WORLD(w, "mail.example.com", false);
	int fd = dial_name("mail.example.com", PORT_GREET);
	char buf[16];

	ck_assert_int_eq(recv(fd, buf, 11, MSG_WAITALL), 11);
	ck_assert_mem_eq(buf, "220 hello\r\n", 11);
	ck_assert_uint_eq(seen.last_data, 0);
	assert_echo(fd);
	world_stop(&w);
}
END_TEST

START_TEST(test_egress_tls_hello_must_agree)
{
	WORLD(w, "api.example.com", false);
	uint8_t hello[600];
	char back[600];
	size_t n = make_hello(hello, "API.example.com");
	int fd = dial_name("api.example.com", PORT_ECHO);

	ck_assert_int_eq(write(fd, hello, n), (ssize_t)n);
	ck_assert_int_eq(recv(fd, back, n, MSG_WAITALL), (ssize_t)n);
	ck_assert_mem_eq(hello, back, n);
	close(fd);

	n = make_hello(hello, "evil.example.com");
	fd = dial_name("api.example.com", PORT_ECHO);
	ck_assert_int_eq(write(fd, hello, n), (ssize_t)n);
	assert_reset(fd);

	fd = dial_name("api.example.com", PORT_ECHO); // the same, after the host was reached
	usleep(200 * 1000);
	ck_assert_int_eq(write(fd, hello, n), (ssize_t)n);
	assert_reset(fd);

	fd = dial_name("api.example.com", PORT_ECHO); // a hello that never ends
	ck_assert_int_eq(write(fd, hello, 20), 20);
	assert_reset(fd);
	ck_assert_uint_eq(egress_stats(w.egress).sni_refused, 3);
	world_stop(&w);
}
END_TEST

START_TEST(test_egress_silence_is_no_refusal)
{
	WORLD(w, "api.example.com", false);
	assert_reset(dial_name("api.example.com", PORT_ECHO)); // after idle_ms
	ck_assert_uint_eq(seen.requests, 1);
	ck_assert_uint_eq(egress_stats(w.egress).sni_refused, 0);
	world_stop(&w);
}
END_TEST

START_TEST(test_egress_host_refuses_or_fails_is_reset)
{
	WORLD(w, "a.example", false);
	assert_reset(dial_name("a.example", PORT_REFUSE));
	assert_reset(dial_name("a.example", PORT_CLOSE));
	assert_reset(dial_name("a.example", PORT_GARBAGE));
	for (int i = 0; i < 100 && egress_stats(w.egress).open; i++) // the reset comes a moment before the books
		usleep(10 * 1000);
	struct egress_stats s = egress_stats(w.egress);

	ck_assert_uint_eq(s.host_refused, 1);
	ck_assert_uint_eq(s.host_failed, 2);
	ck_assert_uint_eq(s.open, 0);
	world_stop(&w);
}
END_TEST

START_TEST(test_net_redirect_iptables_twice_is_one_rule)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(4444), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct in_addr name_address;
	struct err err = ERR_INIT;
	int listener;

	if (!enter_namespace()) {
		fprintf(stderr, "# no network namespaces here: case not run\n");
		return;
	}
	log_open(open("/dev/null", O_WRONLY), LOG_ERROR, "test");
	net_setup(0);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	inet_pton(AF_INET, "127.200.1.1", &name_address);
	ck_assert_int_eq(dial(name_address, PORT_OTHER), -1);
	for (int i = 0; i < 2; i++)
		if (net_redirect_iptables(4444, &err) < 0) {
			fprintf(stderr, "# %s here: case not run\n", err.msg);
			ck_assert_int_eq(err.class, ERR_UNSUPPORTED);
			close(listener);
			return;
		}
	int fd = dial(name_address, PORT_OTHER);

	ck_assert_int_ge(fd, 0);
	close(fd);
	close(listener);
}
END_TEST

START_TEST(test_net_setup_beside_other_interface_does_nothing)
{
	struct in_addr outside;

	if (!enter_namespace() || system("ip link add v0 type veth peer name v1 2>/dev/null && ip link set v0 up") != 0) {
		fprintf(stderr, "# no namespace with a second interface here: case not run\n");
		return;
	}
	log_open(open("/dev/null", O_WRONLY), LOG_ERROR, "test");
	inet_pton(AF_INET, "93.184.216.34", &outside);
	net_setup(4444);
	ck_assert_int_eq(dial(outside, PORT_ECHO), -1);
	ck_assert_int_eq(errno, ENETUNREACH);
	ck_assert_int_eq(system("ip link set v0 down"), 0);
	net_setup(0);
	ck_assert_int_eq(dial(outside, PORT_ECHO), -1);
	ck_assert_int_eq(errno, ECONNREFUSED); // now every address is ours
}
END_TEST

START_TEST(test_egress_new_bad_list_is_error)
{
	struct egress_options o = {.allow = "not a name"};
	struct err err = ERR_INIT;
	struct loop *l = loop_new(&err);

	ck_assert_ptr_null(egress_new(l, &o, &err));
	ck_assert(strstr(err.msg, "allowlist entry") != NULL);
	o.allow = "a.example,b.example";
	o.names_max = 1;
	ck_assert_ptr_null(egress_new(l, &o, &err));
	ck_assert(strstr(err.msg, "more names than") != NULL);
	loop_free(l);
}
END_TEST

UNIT_MAIN("runtime/egress",
	  ADD(test_egress_name_at_configured_port_reaches_host) ADD(test_egress_name_at_any_port_is_redirected)
	      ADD(test_egress_literal_is_judged_by_list) ADD(test_egress_literal_redirected_is_judged_by_list)
		  ADD(test_egress_not_allowed_is_nxdomain_or_reset) ADD(test_egress_server_speaks_first_is_heard)
		      ADD(test_egress_tls_hello_must_agree) ADD(test_egress_silence_is_no_refusal)
			  ADD(test_egress_host_refuses_or_fails_is_reset)
			  ADD(test_net_redirect_iptables_twice_is_one_rule) ADD(test_net_setup_beside_other_interface_does_nothing)
			      ADD(test_egress_new_bad_list_is_error))
