// SPDX-License-Identifier: Apache-2.0
//
// Checked integer arithmetic under C23's names (stdckdint.h, which neither of our compilers ships yet): each stores
// the wrapped result and returns true if the true result does not fit.
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#define ckd_add(r, a, b) __builtin_add_overflow((a), (b), (r))
#define ckd_sub(r, a, b) __builtin_sub_overflow((a), (b), (r))
#define ckd_mul(r, a, b) __builtin_mul_overflow((a), (b), (r))

#endif
