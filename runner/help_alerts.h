// SPDX-License-Identifier: Apache-2.0
// help_alerts.h - what `assay help alerts` says.
#ifndef AS_HELP_ALERTS_H
#define AS_HELP_ALERTS_H

#include "harness/base/str.h"

void as_help_alerts(as_buf *out);

#endif
