// SPDX-License-Identifier: Apache-2.0
//
// The eifgen command (placeholder replaced when the first sub-command lands).
#include <stdio.h>

int main(void)
{
	puts("eifgen " EIFGEN_VERSION);
	return 0;
}
