// SPDX-License-Identifier: Apache-2.0
// help_constraints.h - `assay help constraints`: what an answer may be, in a suite's `generate`.
#ifndef AS_HELP_CONSTRAINTS_H
#define AS_HELP_CONSTRAINTS_H

#include "harness/base/str.h"

void as_help_constraints(as_buf *out);

#endif
