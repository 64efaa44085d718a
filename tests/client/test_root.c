// SPDX-License-Identifier: Apache-2.0
//
// For the example's tests alone: linked with --wrap=cage_attest_new, every object of the library trusts the root (DER)
// in the file TEST_ROOT in place of Amazon's; without that variable nothing is changed. So the example itself has no
// way to trust another root.
#include <cage_attest.h>
#include <stdio.h>
#include <stdlib.h>

cage_attest *__real_cage_attest_new(void);
cage_attest *__wrap_cage_attest_new(void);

cage_attest *__wrap_cage_attest_new(void)
{
	const char *path = getenv("TEST_ROOT");
	cage_attest *c = __real_cage_attest_new();
	FILE *f = path ? fopen(path, "rb") : NULL;
	unsigned char root[1024];

	if (c && path)
		cage_attest_set_root(c, root, f ? fread(root, 1, sizeof(root), f) : 0);
	if (f)
		fclose(f);
	return c;
}
