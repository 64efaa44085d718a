// SPDX-License-Identifier: Apache-2.0
//
// Lengths are patched as attributes are added, so a message is well-formed at any time. A batch to nf_tables is judged
// by the kernel as one: the first error of any message is the batch's.
#include "runtime/data-plane/netlink.h"

#include "base/cleanup.h"

#include <assert.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

static struct nlmsghdr *message(struct netlink *nl)
{
	return (struct nlmsghdr *)(void *)(nl->buf + nl->message);
}

static void *reserve(struct netlink *nl, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);
	void *p = nl->buf + nl->len;

	assert(padded <= sizeof(nl->buf) - nl->len);
	memset(p, 0, padded);
	nl->len += padded;
	message(nl)->nlmsg_len = (uint32_t)(nl->len - nl->message);
	return p;
}

void netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags, const void *header, size_t n)
{
	nl->message = nl->len;
	struct nlmsghdr *h = reserve(nl, sizeof(*h));

	h->nlmsg_len = sizeof(*h);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = ++nl->seq;
	nl->acks += (flags & NLM_F_ACK) != 0;
	memcpy(reserve(nl, n), header, n);
}

void netlink_put(struct netlink *nl, uint16_t type, const void *p, size_t n)
{
	struct nlattr *a = reserve(nl, NLA_HDRLEN + n);

	a->nla_len = (uint16_t)(NLA_HDRLEN + n);
	a->nla_type = type;
	if (n)
		memcpy((uint8_t *)a + NLA_HDRLEN, p, n);
}

void netlink_put_str(struct netlink *nl, uint16_t type, const char *s)
{
	netlink_put(nl, type, s, strlen(s) + 1);
}

void netlink_put_be32(struct netlink *nl, uint16_t type, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	netlink_put(nl, type, b, sizeof(b));
}

size_t netlink_nest(struct netlink *nl, uint16_t type)
{
	size_t at = nl->len;

	netlink_put(nl, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void netlink_unnest(struct netlink *nl, size_t nest)
{
	struct nlattr *a = (struct nlattr *)(void *)(nl->buf + nest);

	a->nla_len = (uint16_t)(nl->len - nest);
}

// Reads the acknowledgements in one datagram. How many, or -1 with the first refusal.
static int count_acks(const uint8_t *p, size_t n, int tolerate, struct err *err)
{
	int acks = 0;

	while (n >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		int32_t code = 0;

		memcpy(&h, p, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
			break;
		if (h.nlmsg_type == NLMSG_ERROR && h.nlmsg_len >= sizeof(h) + sizeof(code)) {
			memcpy(&code, p + sizeof(h), sizeof(code));
			if (code != 0 && -code != tolerate)
				return err_sys(err, -code, "netlink message %u", h.nlmsg_seq);
			acks++;
		}
		size_t step = NLMSG_ALIGN(h.nlmsg_len) < n ? NLMSG_ALIGN(h.nlmsg_len) : n;

		p += step;
		n -= step;
	}
	return acks;
}

int netlink_send(struct netlink *nl, int protocol, int tolerate, struct err *err)
{
	static const struct timeval limit = {2, 0}; // the kernel answers within the call; this is against a hang
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	uint8_t reply[8192];

	if (fd < 0)
		return err_sys(err, errno, "open netlink %d", protocol);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (sendto(fd, nl->buf, nl->len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return err_sys(err, errno, "send to netlink %d", protocol);
	for (unsigned acks = 0; acks < nl->acks;) {
		ssize_t n = recv(fd, reply, sizeof(reply), 0);
		int got;

		if (n < 0)
			return err_sys(err, errno, "read from netlink %d", protocol);
		got = count_acks(reply, (size_t)n, tolerate, err);
		if (got < 0)
			return -1;
		acks += (unsigned)got;
	}
	return 0;
}
