// SPDX-License-Identifier: Apache-2.0
//
// The measurements object as nitro-cli prints it, its keys in its order.
#include "eifgen/report.h"

void report_measurements(struct jout *o, const struct pcr_values *v)
{
	jout_open(o, "Measurements", '{');
	jout_str(o, "HashAlgorithm", "Sha384 { ... }");
	jout_hex(o, "PCR0", v->pcr0, PCR_SIZE);
	jout_hex(o, "PCR1", v->pcr1, PCR_SIZE);
	jout_hex(o, "PCR2", v->pcr2, PCR_SIZE);
	if (v->has_pcr8)
		jout_hex(o, "PCR8", v->pcr8, PCR_SIZE);
	jout_close(o, '}');
}
