// SPDX-License-Identifier: Apache-2.0
// help_store.h - `assay help store`: the tables of the history, for people who query them.
#ifndef AS_HELP_STORE_H
#define AS_HELP_STORE_H

#include "harness/base/str.h"

void as_help_store(as_buf *out);

#endif
