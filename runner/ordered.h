// SPDX-License-Identifier: Apache-2.0
// ordered.h - the cases (and the answers to each) of a sequential run, in an order drawn from a
// seed: clusters stay together, and finished cases are taken in that order whatever order they
// finish in, so that the same seed stops after the same case on any machine, with any number of
// workers.
#ifndef AS_ORDERED_H
#define AS_ORDERED_H

#include "harness/base/keyset.h"
#include "runner/plan.h"

typedef struct as_ordered as_ordered;

as_rc as_ordered_new(const as_plan *plan, uint64_t seed, as_ordered **out, as_err *err) AS_MUST_USE;
void as_ordered_free(as_ordered *ordered);

// The next case to ask, and which answer, whose as_sample_key is not in `finished`; false at the
// end. Lives as long as `ordered`.
bool as_ordered_next(as_ordered *ordered, const as_keyset *finished, as_case *out,
                     uint64_t *sample);

// Keeps a copy of a finished sample until all before it are there.
void as_ordered_hold(as_ordered *ordered, const as_sample *sample);
// The next sample in order, NULL while it is missing. Valid until ordered is freed.
as_sample *as_ordered_release(as_ordered *ordered);

#endif
