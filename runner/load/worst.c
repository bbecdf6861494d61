// SPDX-License-Identifier: Apache-2.0
#include "runner/load/worst.h"

#include <math.h>

as_rc as_worst_parse(as_str text, double *seconds, as_err *err) {
    as_str number = text;
    double each = 0, value;
    if (as_str_ends(text, AS_STR("s"))) each = 1;
    if (as_str_ends(text, AS_STR("m"))) each = 60;
    if (as_str_ends(text, AS_STR("h"))) each = 3600;
    if (each > 0) number.len--;
    if (each <= 0 || !as_str_to_f64(number, &value) || !(value > 0) || value * each > 1e8)
        return as_fail(err, AS_INVALID, "--deadline wants a time as in 90s, 10m or 2h, not '%.*s'",
                       AS_STR_ARG(text));
    *seconds = value * each;
    return AS_OK;
}

as_str as_worst_text(as_arena *arena, double seconds) {
    if (seconds < 120) return as_strf(arena, "%.3g s", seconds);
    if (seconds < 7200) return as_strf(arena, "%.3g min", seconds / 60);
    if (seconds < 48 * 3600.0) return as_strf(arena, "%.3g h", seconds / 3600);
    return as_strf(arena, "%.0f days", seconds / 86400);
}

double as_worst_seconds(const as_target_info *info, uint64_t cases, size_t calls, size_t at_once,
                        double per_s) {
    if (info->call_worst_s <= 0 || !cases || !at_once) return 0;
    double requests = (double)cases * (double)calls;
    double rounds = ceil((double)cases / (double)at_once) + 1;
    double worst = rounds * (double)calls * info->call_worst_s + info->outage_worst_s;
    if (info->requests_per_s > 0) worst += requests / info->requests_per_s;
    if (per_s > 0) worst += (double)cases / per_s;
    return worst;
}
