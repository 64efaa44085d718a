// SPDX-License-Identifier: Apache-2.0
//
// The check runs over the folded copy, label by label. What the name may not be is said with the name quoted, for the
// text comes from a configuration file as often as from a peer.
#include "runtime/common/hostname.h"

#include "runtime/common/punycode.h"

#include <stdbool.h>
#include <string.h>

static int refuse(const char *name, size_t n, const char *why, struct err *err)
{
	char quoted[320];

	return err_set(err, ERR_INPUT, "host name %s: %s", err_quote(name, n, quoted, sizeof(quoted)), why);
}

static int refuse_script(const char *name, size_t n, struct err *err)
{
	char alabel[512], quoted[320];

	if (punycode_name(name, n, alabel, sizeof(alabel)) < 0)
		return refuse(name, n, "holds bytes that are neither ASCII nor UTF-8", err);
	return err_set(err, ERR_INPUT, "host name %s: write its A-label form: %s",
		       err_quote(name, n, quoted, sizeof(quoted)), alabel);
}

// Why the label may not stand in a host name, or NULL.
static const char *label_fault(const char *label, size_t n)
{
	if (n == 0)
		return "an empty label";
	if (n > HOSTNAME_LABEL_MAX)
		return "a label of more than 63 bytes";
	if (label[0] == '-' || label[n - 1] == '-')
		return "a label that begins or ends with a hyphen";
	for (size_t i = 0; i < n; i++) {
		char c = label[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return "a character that no host name holds";
	}
	return NULL;
}

static bool all_digits(const char *label, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (label[i] < '0' || label[i] > '9')
			return false;
	return true;
}

int hostname_normalise(const char *name, size_t n, char out[HOSTNAME_MAX + 1], struct err *err)
{
	size_t len = n && name[n - 1] == '.' ? n - 1 : n, start = 0;

	if (len == 0)
		return refuse(name, n, "is empty", err);
	if (len > HOSTNAME_MAX)
		return refuse(name, n, "is longer than 253 bytes", err);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)name[i] >= 0x80)
			return refuse_script(name, len, err);
		out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
	}
	out[len] = '\0';
	for (size_t i = 0; i <= len; i++) {
		if (i < len && out[i] != '.')
			continue;
		const char *fault = label_fault(out + start, i - start);

		if (fault)
			return refuse(name, n, fault, err);
		if (i < len)
			start = i + 1;
	}
	if (all_digits(out + start, len - start))
		return refuse(name, n, "ends in a number, as an address does", err);
	return 0;
}
