// SPDX-License-Identifier: Apache-2.0
//
// A kernel without vsock refuses the socket (EAFNOSUPPORT), one without a transport the connection (ENODEV), and one
// with a transport module but no device behind it likewise: those three are "no device".
#include "runtime/init/heartbeat.h"
#include "runtime/init/console.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { REPLY_SECONDS = 30 }; // a parent answers within milliseconds; this only turns a hang into a message

int init_heartbeat_exchange(int fd, const char **why)
{
	struct timeval limit = {REPLY_SECONDS, 0};
	uint8_t byte = INIT_HEARTBEAT_BYTE;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	do
		n = send(fd, &byte, 1, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != 1) {
		*why = init_reason(errno);
		return -1;
	}
	byte = 0;
	do
		n = recv(fd, &byte, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n != 1 || byte != INIT_HEARTBEAT_BYTE) {
		*why = n == 0 ? "the parent closed without a reply" :
		       n < 0  ? init_reason(errno) :
				"the parent's reply is another byte";
		return -1;
	}
	return 0;
}

enum init_beat init_heartbeat(const char **why)
{
	struct sockaddr_vm to = {
		.svm_family = AF_VSOCK, .svm_cid = INIT_HEARTBEAT_CID, .svm_port = INIT_HEARTBEAT_PORT};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	enum init_beat beat = INIT_BEAT_DONE;

	if (fd < 0) {
		*why = init_reason(errno);
		return errno == EAFNOSUPPORT ? INIT_BEAT_NO_DEVICE : INIT_BEAT_FAILED;
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		*why = init_reason(errno);
		beat = errno == ENODEV ? INIT_BEAT_NO_DEVICE : INIT_BEAT_FAILED;
	} else if (init_heartbeat_exchange(fd, why)) {
		beat = INIT_BEAT_FAILED;
	}
	close(fd);
	return beat;
}
