// SPDX-License-Identifier: Apache-2.0
//
// What an enclave may send beside traffic: a transaction entry (CBOR, first byte even) or StatsD lines (odd). A line of
// the log must come out as one line; a metrics page must hold no byte that a name could have smuggled in.
#include "base/cbor.h"
#include "runtime/control-plane/ctl_server.h"
#include "runtime/control-plane/metrics.h"

#include <stdlib.h>
#include <string.h>

static void transaction(const uint8_t *data, size_t size)
{
	static const struct ctl_server_options o = {.name = "fuzz"};
	struct buf line = BUF_INIT(CTL_LINE_ROOM);
	struct cbor_reader r;
	struct err err = ERR_INIT;

	cbor_reader_init(&r, data, size, CBOR_STRICT);
	if (ctl_transaction_line(&o, &r, &line, &err) == 0 &&
	    (line.len > CTL_LINE_MAX || memchr(line.data, '\n', line.len) != line.data + line.len - 1))
		abort();
	buf_free(&line);
}

static void statsd(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct metrics *m = metrics_new(&err);
	struct buf page = BUF_INIT(0);

	while (m && size) {
		const uint8_t *lf = memchr(data, '\n', size);
		size_t n = lf ? (size_t)(lf - data) : size;

		metrics_take_statsd(m, (const char *)data, n, &err);
		data += n + (lf != NULL);
		size -= n + (lf != NULL);
	}
	if (m && metrics_put_prometheus(m, &page, &err) == 0)
		for (size_t i = 0; i < page.len; i++)
			if (page.data[i] > 0x7e || page.data[i] == '"' || page.data[i] == '\\')
				abort();
	buf_free(&page);
	metrics_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] & 1)
		statsd(data + 1, size - 1);
	else
		transaction(data + 1, size - 1);
	return 0;
}
