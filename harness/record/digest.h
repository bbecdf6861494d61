// SPDX-License-Identifier: Apache-2.0
// digest.h - scores_digest: SHA-256 over every case's id, prediction and scores, in the byte order
// of the ids (and of the numbers of several answers), so that neither scheduling nor resuming can
// change it. Equal digests are equal results. Log-probabilities, times and errors' texts are not
// part of it; a missing score is.
#ifndef AS_DIGEST_H
#define AS_DIGEST_H

#include "harness/record/sample.h"

typedef struct as_digest as_digest;

as_digest *as_digest_new(void);
void as_digest_add(as_digest *digest, const as_sample *sample);
as_str as_digest_end(as_digest *digest, as_arena *arena); // 64 hex digits; frees it

#endif
