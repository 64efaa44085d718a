// SPDX-License-Identifier: Apache-2.0
//
// Records from strangers: loading one, turning it into build options as `rebuild` does, making a statement of it. What
// is loaded survives being written in canonical form: the same record is read again.
#include "base/io.h"
#include "eifgen/cmd/rebuild.h"
#include "eifgen/provenance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const struct cmd *const cmd_table[] = {NULL}; // main.c's, which no fuzz target has

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct record *load(const void *p, size_t n)
{
	struct err err = ERR_INIT;
	struct record *r = NULL;
	char path[64];
	int fd = memfd_create("record", MFD_CLOEXEC);

	if (fd < 0 || io_write(fd, p, n, &err))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (record_load(path, &r, &err))
		r = NULL;
	close(fd);
	return r;
}

static void pin(const struct record *r)
{
	struct build_options opt;
	struct rebuild_pins pins = {.scrub = BUF_INIT(0)};
	struct err err = ERR_INIT;

	build_options_init(&opt);
	(void)rebuild_pin_options(r, &opt, &pins, &err);
	build_options_clear(&opt);
	rebuild_pins_clear(&pins);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf statement = BUF_INIT(0), canonical = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct record *r = load(data, size), *again;
	char *text;

	if (!provenance_write(data, size, "a.eif", "a.json", &statement, &err) && !statement.len)
		abort();
	if (r) {
		pin(r);
		text = cJSON_PrintUnformatted(r->doc);
		if (text && !record_canonical(text, &canonical, &err)) {
			again = load(canonical.data, canonical.len);
			if (!again || memcmp(&again->pcrs, &r->pcrs, sizeof(r->pcrs)))
				abort();
			record_free(again);
		}
		cJSON_free(text);
	}
	record_free(r);
	buf_free(&statement);
	buf_free(&canonical);
	return 0;
}
