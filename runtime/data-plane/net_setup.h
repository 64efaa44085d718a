// SPDX-License-Identifier: Apache-2.0
//
// What makes the enclave's kernel bring every outgoing TCP connection to us. An enclave has one interface, lo, with
// 127.0.0.1 only; with that alone getaddrinfo (AI_ADDRCONFIG) finds no usable address family and a connect to an
// outside address fails before any rule sees it. So, by netlink, without any program's help:
//
//   1. lo up
//   2. a second address on lo: 192.0.0.8/32, the IPv4 dummy address of RFC 7600
//   3. a default route `local default dev lo src 192.0.0.8` (and `local ::/0`): every address is ours, so the listeners
//      on 0.0.0.0 take connections to outside addresses at their ports, and everything else fails at once instead of
//      hanging
//   4. where the kernel has NAT (nf_tables, or iptables if that program is there): TCP to anything outside 127.0.0.0/9
//      is redirected to the redirect listener, whatever its port
#ifndef RUNTIME_DATA_PLANE_NET_SETUP_H
#define RUNTIME_DATA_PLANE_NET_SETUP_H

#include "base/err.h"

#include <stdint.h>

// {192, 0, 0, 8} as an initializer of struct ip_addr's bytes
#define NET_SECOND_ADDRESS                                                                                             \
	{                                                                                                              \
		192, 0, 0, 8                                                                                           \
	}

// Does the four steps, each by itself; running it again changes nothing. Where another interface than lo is up it does
// nothing at all (with a warning): there the default route would take a real machine off its network. A step that fails
// is logged as a warning with the kernel's reason and the others are still tried: without 4 the ports of the
// configuration work, without 2 and 3 programs that resolve in simple ways do. redirect_port 0: no step 4.
void net_setup(uint16_t redirect_port);

// Step 4 for IPv4 by the iptables program, for kernels whose NAT speaks only the older interface. 0 (also when the rule
// is there already), or -1 with ERR_UNSUPPORTED: no such program, or the kernel has no NAT for it either.
int net_redirect_iptables(uint16_t port, struct err *err);

#endif
