// SPDX-License-Identifier: Apache-2.0
//
// The redirect rule in nf_tables' own terms, one table a family, replaced as a whole on each start:
//
//   table ip cage_egress {
//     chain output { type nat hook output priority -100;
//       ip daddr & 255.128.0.0 != 127.0.0.0  meta l4proto tcp  redirect to :PORT }     (ip6: ip6 daddr != ::1)
//   }
//
// 127.128.0.0/9, where the names live, is on the redirected side; 127.0.0.0/9 with the services' own addresses is not.
#include "runtime/data-plane/net_setup.h"

#include "base/be.h"
#include "runtime/common/log.h"
#include "runtime/data-plane/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
// clang-format off: the kernel's netfilter.h stands aside for the C library's in.h only when it comes second
#include <linux/netfilter.h>
// clang-format on
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LO_INDEX = 1 }; // the loopback device is made first in every network namespace
static const uint8_t second_address[4] = NET_SECOND_ADDRESS;

static void report(const char *step, int rc, const struct err *err)
{
	if (rc < 0)
		log_event(LOG_WARN, "net.step_failed", LOG_STR("step", step), LOG_STR("why", err->msg));
	else
		log_event(LOG_INFO, "net.step_done", LOG_STR("step", step));
}

// ---- link, address, routes -----------------------------------------------------------------------------------------

static int bring_up_lo(struct err *err)
{
	struct netlink nl = {.len = 0};
	struct ifinfomsg link = {
	    .ifi_family = AF_UNSPEC, .ifi_index = LO_INDEX, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

	netlink_begin(&nl, RTM_NEWLINK, NLM_F_ACK, &link, sizeof(link));
	return netlink_send(&nl, NETLINK_ROUTE, 0, err);
}

static int add_address(struct err *err)
{
	struct netlink nl = {.len = 0};
	struct ifaddrmsg addr = {
	    .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_scope = RT_SCOPE_UNIVERSE, .ifa_index = LO_INDEX};

	netlink_begin(&nl, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &addr, sizeof(addr));
	netlink_put(&nl, IFA_LOCAL, second_address, sizeof(second_address));
	netlink_put(&nl, IFA_ADDRESS, second_address, sizeof(second_address));
	return netlink_send(&nl, NETLINK_ROUTE, EEXIST, err);
}

static int add_default_route(int family, struct err *err)
{
	struct netlink nl = {.len = 0};
	struct rtmsg route = {.rtm_family = (unsigned char)family,
			      .rtm_table = RT_TABLE_MAIN,
			      .rtm_protocol = RTPROT_STATIC,
			      .rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
			      .rtm_type = RTN_LOCAL};
	uint32_t lo = LO_INDEX;

	netlink_begin(&nl, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &route, sizeof(route));
	netlink_put(&nl, RTA_OIF, &lo, sizeof(lo));
	if (family == AF_INET)
		netlink_put(&nl, RTA_PREFSRC, second_address, sizeof(second_address));
	return netlink_send(&nl, NETLINK_ROUTE, EEXIST, err);
}

// ---- the redirect rule, nf_tables ----------------------------------------------------------------------------------

static const char table_name[] = "cage_egress";

static void nft_begin(struct netlink *nl, unsigned type, unsigned flags, uint8_t family, uint16_t res_id)
{
	struct nfgenmsg gen = {.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(res_id)};

	netlink_begin(nl, (uint16_t)type, (uint16_t)flags, &gen, sizeof(gen));
}

static void nft_message(struct netlink *nl, unsigned type, unsigned flags, uint8_t family)
{
	nft_begin(nl, NFNL_SUBSYS_NFTABLES << 8 | type, flags | NLM_F_ACK, family, 0);
}

struct nft_expr {
	size_t elem, data;
};

static struct nft_expr expr_begin(struct netlink *nl, const char *name)
{
	struct nft_expr x = {.elem = netlink_nest(nl, NFTA_LIST_ELEM)};

	netlink_put_str(nl, NFTA_EXPR_NAME, name);
	x.data = netlink_nest(nl, NFTA_EXPR_DATA);
	return x;
}

static void expr_end(struct netlink *nl, struct nft_expr x)
{
	netlink_unnest(nl, x.data);
	netlink_unnest(nl, x.elem);
}

static void put_value(struct netlink *nl, uint16_t type, const void *p, size_t n)
{
	size_t nest = netlink_nest(nl, type);

	netlink_put(nl, NFTA_DATA_VALUE, p, n);
	netlink_unnest(nl, nest);
}

static void expr_cmp(struct netlink *nl, uint32_t op, const void *p, size_t n)
{
	struct nft_expr x = expr_begin(nl, "cmp");

	netlink_put_be32(nl, NFTA_CMP_SREG, NFT_REG_1);
	netlink_put_be32(nl, NFTA_CMP_OP, op);
	put_value(nl, NFTA_CMP_DATA, p, n);
	expr_end(nl, x);
}

static void expr_load_destination(struct netlink *nl, uint32_t offset, uint32_t len)
{
	struct nft_expr x = expr_begin(nl, "payload");

	netlink_put_be32(nl, NFTA_PAYLOAD_DREG, NFT_REG_1);
	netlink_put_be32(nl, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_NETWORK_HEADER);
	netlink_put_be32(nl, NFTA_PAYLOAD_OFFSET, offset);
	netlink_put_be32(nl, NFTA_PAYLOAD_LEN, len);
	expr_end(nl, x);
}

static void expr_mask_v4(struct netlink *nl)
{
	static const uint8_t mask[4] = {255, 128, 0, 0}, xor[4] = {0};
	struct nft_expr x = expr_begin(nl, "bitwise");

	netlink_put_be32(nl, NFTA_BITWISE_SREG, NFT_REG_1);
	netlink_put_be32(nl, NFTA_BITWISE_DREG, NFT_REG_1);
	netlink_put_be32(nl, NFTA_BITWISE_LEN, 4);
	put_value(nl, NFTA_BITWISE_MASK, mask, sizeof(mask));
	put_value(nl, NFTA_BITWISE_XOR, xor, sizeof(xor));
	expr_end(nl, x);
}

// The destination lies outside of what is served here.
static void match_outside(struct netlink *nl, uint8_t family)
{
	static const uint8_t lower_half[4] = {127, 0, 0, 0}, loopback6[16] = {[15] = 1};

	if (family == NFPROTO_IPV4) {
		expr_load_destination(nl, 16, 4);
		expr_mask_v4(nl);
		expr_cmp(nl, NFT_CMP_NEQ, lower_half, sizeof(lower_half));
	} else {
		expr_load_destination(nl, 24, 16);
		expr_cmp(nl, NFT_CMP_NEQ, loopback6, sizeof(loopback6));
	}
}

static void match_tcp(struct netlink *nl)
{
	static const uint8_t tcp = IPPROTO_TCP;
	struct nft_expr x = expr_begin(nl, "meta");

	netlink_put_be32(nl, NFTA_META_KEY, NFT_META_L4PROTO);
	netlink_put_be32(nl, NFTA_META_DREG, NFT_REG_1);
	expr_end(nl, x);
	expr_cmp(nl, NFT_CMP_EQ, &tcp, sizeof(tcp));
}

static void redirect_to(struct netlink *nl, uint16_t port)
{
	uint8_t be[2];
	struct nft_expr x = expr_begin(nl, "immediate");

	put_be16(be, port);
	netlink_put_be32(nl, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_value(nl, NFTA_IMMEDIATE_DATA, be, sizeof(be));
	expr_end(nl, x);
	x = expr_begin(nl, "redir");
	netlink_put_be32(nl, NFTA_REDIR_REG_PROTO_MIN, NFT_REG_1);
	expr_end(nl, x);
}

static void add_table(struct netlink *nl, unsigned type, unsigned flags, uint8_t family)
{
	nft_message(nl, type, flags, family);
	netlink_put_str(nl, NFTA_TABLE_NAME, table_name);
}

static void add_chain(struct netlink *nl, uint8_t family)
{
	nft_message(nl, NFT_MSG_NEWCHAIN, NLM_F_CREATE, family);
	netlink_put_str(nl, NFTA_CHAIN_TABLE, table_name);
	netlink_put_str(nl, NFTA_CHAIN_NAME, "output");
	netlink_put_str(nl, NFTA_CHAIN_TYPE, "nat");
	size_t hook = netlink_nest(nl, NFTA_CHAIN_HOOK);

	netlink_put_be32(nl, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	netlink_put_be32(nl, NFTA_HOOK_PRIORITY, (uint32_t)-100); // where destination NAT belongs
	netlink_unnest(nl, hook);
}

static void add_rule(struct netlink *nl, uint8_t family, uint16_t port)
{
	nft_message(nl, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, family);
	netlink_put_str(nl, NFTA_RULE_TABLE, table_name);
	netlink_put_str(nl, NFTA_RULE_CHAIN, "output");
	size_t list = netlink_nest(nl, NFTA_RULE_EXPRESSIONS);

	match_outside(nl, family);
	match_tcp(nl);
	redirect_to(nl, port);
	netlink_unnest(nl, list);
}

static int redirect_nft(uint8_t family, uint16_t port, struct err *err)
{
	struct netlink nl = {.len = 0};

	nft_begin(&nl, NFNL_MSG_BATCH_BEGIN, 0, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
	add_table(&nl, NFT_MSG_NEWTABLE, NLM_F_CREATE, family); // so that the deletion finds one
	add_table(&nl, NFT_MSG_DELTABLE, 0, family);
	add_table(&nl, NFT_MSG_NEWTABLE, NLM_F_CREATE, family);
	add_chain(&nl, family);
	add_rule(&nl, family, port);
	nft_begin(&nl, NFNL_MSG_BATCH_END, 0, NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES);
	return netlink_send(&nl, NETLINK_NETFILTER, 0, err);
}

// ---- the redirect rule, iptables -----------------------------------------------------------------------------------

static int run(const char *const argv[])
{
	static char *const no_env[] = {NULL};
	posix_spawn_file_actions_t quiet;
	int status, rc;
	pid_t pid;

	if (posix_spawn_file_actions_init(&quiet) != 0)
		return -1;
	rc = posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	// posix_spawn does not write to argv; its type is older than const.
	if (rc == 0)
		rc = posix_spawn(&pid, argv[0], &quiet, NULL, (char *const *)(uintptr_t)argv, no_env);
	posix_spawn_file_actions_destroy(&quiet);
	if (rc != 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

// An image for such a kernel brings the program.
int net_redirect_iptables(uint16_t port, struct err *err)
{
	static const char *const programs[] = {"/usr/sbin/iptables", "/sbin/iptables", "/usr/sbin/iptables-legacy"};
	char to[8];

	snprintf(to, sizeof(to), "%u", port);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (access(programs[i], X_OK) != 0)
			continue;
		const char *rule[] = {programs[i], "-w", "-t",          "nat", "-C",       "OUTPUT",     "-p", "tcp",
				      "!",         "-d", "127.0.0.0/9", "-j",  "REDIRECT", "--to-ports", to,   NULL};

		if (run(rule) == 0)
			return 0; // there since an earlier start
		rule[4] = "-A";
		if (run(rule) == 0)
			return 0;
	}
	return err_set(err, ERR_UNSUPPORTED, "no working iptables");
}

static void redirect(uint16_t port)
{
	struct err err = ERR_INIT;
	int rc = redirect_nft(NFPROTO_IPV4, port, &err);

	report("redirect ipv4 (nf_tables)", rc, &err);
	if (rc < 0)
		report("redirect ipv4 (iptables)", net_redirect_iptables(port, &err), &err);
	report("redirect ipv6 (nf_tables)", redirect_nft(NFPROTO_IPV6, port, &err), &err);
}

// An interface besides lo that is up, into name. False if there is none.
static bool find_other_interface(char name[IF_NAMESIZE])
{
	struct if_nameindex *all = if_nameindex();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool found = false;

	for (size_t i = 0; all && fd >= 0 && !found && all[i].if_name; i++) {
		struct ifreq r = {.ifr_flags = 0};

		memccpy(r.ifr_name, all[i].if_name, '\0', IF_NAMESIZE);
		found = ioctl(fd, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP) && !(r.ifr_flags & IFF_LOOPBACK);
		if (found)
			memcpy(name, r.ifr_name, IF_NAMESIZE);
	}
	if (all)
		if_freenameindex(all);
	if (fd >= 0)
		close(fd);
	return found;
}

void net_setup(uint16_t redirect_port)
{
	struct err err = ERR_INIT;
	char other[IF_NAMESIZE];

	if (find_other_interface(other)) {
		log_event(LOG_WARN, "net.left_alone", LOG_STR("interface", other),
			  LOG_STR("why", "this is no enclave: a machine with a network would lose it"));
		return;
	}
	report("lo up", bring_up_lo(&err), &err);
	report("second address", add_address(&err), &err);
	report("default route ipv4", add_default_route(AF_INET, &err), &err);
	report("default route ipv6", add_default_route(AF_INET6, &err), &err);
	if (redirect_port)
		redirect(redirect_port);
}
