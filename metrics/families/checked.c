// SPDX-License-Identifier: Apache-2.0
// checked.c - answers judged by code of the suite's own: the value is the share of cases that pass.
//
//   command     `argv`: a program with its arguments, in the suite's folder; one process a case
//   javascript  `value`: a JavaScript expression, or a function body of several lines, of `output`
//               and `context`; or file://FILE[:FUNCTION] (else what the file exports). By node
//   python      the same in Python; of a file the function get_assert. By python3
//   ruby        the same in Ruby. By ruby
//   webhook     `value`: a URL that is sent {output, context} by POST and answers {pass, score,
//               reason}: of this machine, or named by --allow-host
// A program reads one JSON object on stdin, {id, output, prediction, expected, context: {prompt,
// vars: the case}}, and the last line that it writes on stdout is the verdict: true or false, a
// number, or {pass, score, reason}. A number passes from `threshold` on, without one above 0; an
// object as it says, and with a threshold only from that score on. What runs longer than `timeout`
// (seconds, 10), ends with an error or says nothing of the kind fails the case, and the journal has
// the reason; a program that cannot be started and a service that is not there end the run (exit
// code 3). not-NAME is the opposite, but for such failures.
//
// Metrics start nothing: whoever runs them puts the verdicts on the sample (`checks`, by the name
// of the metric), and the journal keeps them. Programs run only with --allow-commands, and only
// those of the suite: a case's own list of assertions is data. Source: promptfoo 0.12x, which has
// no `command`.
#include <math.h>

#include "metrics/metric.h"

static as_rc score(const as_metric *metric, const as_scoring *scoring, double *out, double *stats,
                   as_err *err) {
    (void)stats, (void)err;
    const as_sample *sample = scoring->sample;
    const as_setting *threshold = &metric->settings[2];
    *out = sample->has_prediction ? NAN : 0;
    for (size_t i = 0; sample->has_prediction && i < sample->check_count; i++) {
        const as_code_verdict *c = &sample->checks[i];
        if (!as_str_eq(c->metric, metric->name)) continue;
        bool pass = c->pass;
        if (threshold->given && !isnan(c->score))
            pass = (pass || c->number) && c->score >= threshold->number;
        *out = !c->failed && pass != metric->negate;
    }
    return AS_OK;
}

#define TIMEOUT                                                                                    \
    { .name = "timeout", .kind = AS_SETTING_NUMBER, .low = 0.1, .high = 3600, .otherwise = 10 }
#define THRESHOLD                                                                                  \
    { .name = "threshold", .kind = AS_SETTING_NUMBER, .low = -1e300, .high = 1e300 }

static const as_setting_spec command_settings[] = {
    {.name = "argv", .kind = AS_SETTING_TEXTS, .needed = true},
    TIMEOUT,
    THRESHOLD,
    {.name = NULL},
};
static const as_setting_spec code_settings[] = {
    {.name = "value", .kind = AS_SETTING_TEXT, .needed = true},
    TIMEOUT,
    THRESHOLD,
    {.name = NULL},
};

#define CHECK(metric_name, table, line)                                                            \
    {                                                                                              \
        .name = metric_name, .text = line, .kind = AS_METRIC_MEAN,                                 \
        .flags = AS_METRIC_UNIT | AS_METRIC_BOUNDED | AS_METRIC_NOT, .settings = table,            \
        .score = score                                                                             \
    }

const as_metric_ops as_checked_metrics[] = {
    CHECK("command", command_settings, "share of answers that a program of the suite passes"),
    CHECK("javascript", code_settings, "share of answers that JavaScript of the suite passes"),
    CHECK("python", code_settings, "share of answers that Python of the suite passes"),
    CHECK("ruby", code_settings, "share of answers that Ruby of the suite passes"),
    CHECK("webhook", code_settings, "share of answers that a service passes"),
    {.name = NULL},
};
