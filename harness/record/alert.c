// SPDX-License-Identifier: Apache-2.0
#include "harness/record/alert.h"

const char *const as_alert_kind_names[AS_ALERT_KINDS + 1] = {[AS_ALERT_ALERTMANAGER] =
                                                                 "alertmanager",
                                                             [AS_ALERT_PAGERDUTY] = "pagerduty",
                                                             [AS_ALERT_SLACK] = "slack",
                                                             [AS_ALERT_WEBHOOK] = "webhook",
                                                             [AS_ALERT_KINDS] = NULL};
