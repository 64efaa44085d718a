// SPDX-License-Identifier: Apache-2.0
//
// Platform configuration registers of a Nitro enclave (facts/eif-format.md 2): SHA-384, zero at start, extended once:
//   PCR = SHA384( 48 zero bytes || SHA384(data) )
//   PCR0 data = kernel, cmdline, every ramdisk    PCR1 = kernel, cmdline, first ramdisk    PCR2 = the other ramdisks
//   PCR8 data = DER of the signing certificate
// The measurement takes section bytes as they stream past, in file order. PCR0 and PCR1 share their prefix: one digest
// runs until the first ramdisk ends, its state is copied there.
#ifndef PCR_PCR_H
#define PCR_PCR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PCR_SIZE = 48 };

struct pcr_values {
	uint8_t pcr0[PCR_SIZE], pcr1[PCR_SIZE], pcr2[PCR_SIZE], pcr8[PCR_SIZE];
	bool has_pcr8;
};

// The value of register `index`, PCR_SIZE bytes inside *v; NULL if *v does not hold it.
const uint8_t *pcr_value(const struct pcr_values *v, unsigned index);

// One extend of a register that holds `old` (48 bytes) by `digest` (48 bytes, the SHA-384 of the data) into out.
int pcr_extend(const uint8_t old[PCR_SIZE], const uint8_t digest[PCR_SIZE], uint8_t out[PCR_SIZE], struct err *err);

// PCR8 of a certificate in DER.
int pcr8_of_der(const void *der, size_t n, uint8_t out[PCR_SIZE], struct err *err);

enum pcr_part { PCR_KERNEL_CMDLINE, PCR_RAMDISK }; // metadata and signature are not measured

struct pcr_measure; // opaque
struct pcr_measure *pcr_measure_new(struct err *err);
// Begins a section. Kernel and cmdline sections in any number; for each ramdisk section one call, in file order.
int pcr_measure_section(struct pcr_measure *m, enum pcr_part part, struct err *err);
int pcr_measure_update(struct pcr_measure *m, const void *p, size_t n, struct err *err);
// The same in two halves that may run on two threads at once, each seeing every byte in order: PCR_LANE_ALL feeds the
// digest of everything, PCR_LANE_REST the others. pcr_measure_section only while neither runs.
enum pcr_lane { PCR_LANE_ALL, PCR_LANE_REST };
int pcr_measure_lane(struct pcr_measure *m, enum pcr_lane lane, const void *p, size_t n, struct err *err);
// Fills pcr0..2 of *v; the measure is spent (free it).
int pcr_measure_final(struct pcr_measure *m, struct pcr_values *v, struct err *err);
// The whole state, to be taken up again by another measure: what follows then gives the same registers. Only while
// neither lane runs. pcr_measure_load gives -1 (ERR_INPUT) for bytes that are no state.
enum { PCR_MEASURE_STATE = 3 * 212 + 1 + 1 + 8 };
void pcr_measure_save(const struct pcr_measure *m, uint8_t out[PCR_MEASURE_STATE]);
// The part of it that one lane alone changes, in its place in `out`: for that lane's thread, while the other goes on.
void pcr_measure_save_lane(const struct pcr_measure *m, enum pcr_lane lane, uint8_t out[PCR_MEASURE_STATE]);
int pcr_measure_load(struct pcr_measure *m, const uint8_t in[PCR_MEASURE_STATE], struct err *err);
// SHA-384 of all that the ALL lane has been fed so far; the measurement goes on. Before pcr_measure_final.
int pcr_measure_so_far(const struct pcr_measure *m, uint8_t out[PCR_SIZE], struct err *err);
// After pcr_measure_final: the plain SHA-384 of the second and later ramdisks (of a file with two: of the second).
const uint8_t *pcr_measure_rest_sha384(const struct pcr_measure *m); // PCR_SIZE bytes
void pcr_measure_free(struct pcr_measure *m);

#endif
