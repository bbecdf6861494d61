// SPDX-License-Identifier: Apache-2.0
#include "reports/serving_out.h"

#include <math.h>
#include <stdio.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/page.h"

enum { STEPS_SHOWN = 24, URL_WIDE = 34 };

// Worth a section: a server among several, a search, or the server's own words.
static bool says_something(const as_serving *s) {
    return s->replica_count || s->step_count || s->server.len;
}

static void put_ms(const as_terminal *t, double value) {
    as_figure figure = as_figure_of(value, AS_UNIT_MS);
    as_buf_char(t->out, ' ');
    as_terminal_number(t, isnan(value) ? "-" : figure.text, 9);
}

static void replicas_text(const as_terminal *t, const as_serving *s) {
    as_buf_char(t->out, '\n');
    as_terminal_text(t, AS_STR("replica"), URL_WIDE);
    as_buf_text(t->out, "   answers  errors       p50       p95\n");
    for (size_t i = 0; i < s->replica_count; i++) {
        const as_serving_replica *r = &s->replicas[i];
        as_terminal_text(t, r->url, URL_WIDE);
        as_buff(t->out, " %9llu %7llu", (unsigned long long)r->answers,
                (unsigned long long)r->errors);
        put_ms(t, r->p50_ms);
        put_ms(t, r->p95_ms);
        if (r->ejected) as_buff(t->out, "  ejected %llux", (unsigned long long)r->ejected);
        if (r->lost) as_buf_text(t->out, "  given up");
        if (r->compared)
            as_buff(t->out, "  %llu of %llu texts differ", (unsigned long long)r->disagreed,
                    (unsigned long long)r->compared);
        as_buf_char(t->out, '\n');
    }
}

void as_serving_text(const as_terminal *t, const as_serving *s) {
    if (s->adaptive)
        as_buff(t->out, "%llu requests at once at the end, as found\n",
                (unsigned long long)s->concurrency);
    if (s->replica_count) replicas_text(t, s);
    if (!s->server.len) return;
    as_buf_text(t->out, "\nthe server itself (");
    as_content_terminal(t->out, s->server, URL_WIDE);
    as_buf_text(t->out, ")\n");
    for (size_t i = 0; i < s->value_count; i++) {
        const char *label = as_serving_label(s->values[i].name);
        as_buff(t->out, "  %10.6g  %s\n", s->values[i].value, label ? label : "");
    }
}

static void put_head(as_buf *out, const char *const *names, size_t count) {
    as_buf_text(out, "<table class=\"stack\">\n<thead><tr>");
    for (size_t i = 0; i < count; i++) as_buff(out, "<th scope=\"col\">%s</th>", names[i]);
    as_buf_text(out, "</tr></thead>\n<tbody>\n");
}

static void replica_row(as_buf *out, const as_serving_replica *r) {
    as_buf_text(out, "<tr><th scope=\"row\">");
    as_page_text(out, "bdi", NULL, r->url, AS_CLIP_LINE);
    if (r->lost) as_buf_text(out, "<small>given up</small>");
    as_buf_text(out, "</th>");
    as_page_cell(out, "Answers", as_figure_count(r->answers).text);
    as_page_cell(out, "Errors", as_figure_count(r->errors).text);
    as_page_cell(out, "Ejected", as_figure_count(r->ejected).text);
    as_page_cell(out, "p50", as_figure_of(r->p50_ms, AS_UNIT_MS).text);
    as_page_cell(out, "p95", as_figure_of(r->p95_ms, AS_UNIT_MS).text);
    as_page_cell(out, "Slowest", as_figure_of(r->max_ms, AS_UNIT_MS).text);
    char texts[64] = "";
    if (r->compared)
        snprintf(texts, sizeof texts, "%llu of %llu", (unsigned long long)r->disagreed,
                 (unsigned long long)r->compared);
    as_page_cell(out, "Other text", texts);
    as_buf_text(out, "</tr>\n");
}

static void steps_html(as_buf *out, const as_serving *s) {
    static const char *const names[] = {"At once", "Requests a second"};
    put_head(out, names, 2);
    size_t from = s->step_count > STEPS_SHOWN ? s->step_count - STEPS_SHOWN : 0;
    for (size_t i = from; i < s->step_count; i++) {
        as_buff(out, "<tr><th scope=\"row\">%llu</th>",
                (unsigned long long)s->steps[i].concurrency);
        char text[32];
        snprintf(text, sizeof text, "%.4g", s->steps[i].per_s);
        as_page_cell(out, "Requests a second",
                     s->steps[i].overload ? "too many: attempts failed" : text);
        as_buf_text(out, "</tr>\n");
    }
    as_buf_text(out, "</tbody>\n</table>\n");
}

void as_serving_html(as_buf *out, const as_serving *s) {
    static const char *const names[] = {"Replica", "Answers", "Errors",  "Ejected",
                                        "p50",     "p95",     "Slowest", "Other text"};
    static const char *const values[] = {"Between the first and the last reading", "Value"};
    if (!says_something(s)) return;
    as_page_section(out, "serving", "Serving",
                    "Replicas: attempts, so that a case asked twice stands in two rows. The "
                    "server's own numbers come from its /metrics and hold everything it did.");
    if (s->replica_count) {
        put_head(out, names, 8);
        for (size_t i = 0; i < s->replica_count; i++) replica_row(out, &s->replicas[i]);
        as_buf_text(out, "</tbody>\n</table>\n");
    }
    if (s->server.len) {
        put_head(out, values, 2);
        for (size_t i = 0; i < s->value_count; i++) {
            const char *label = as_serving_label(s->values[i].name);
            char text[32];
            snprintf(text, sizeof text, "%.6g", s->values[i].value);
            as_buff(out, "<tr><th scope=\"row\">%s</th>", label ? label : "");
            as_page_cell(out, "Value", text);
            as_buf_text(out, "</tr>\n");
        }
        as_buf_text(out, "</tbody>\n</table>\n");
    }
    if (s->step_count) steps_html(out, s);
    as_page_section_end(out);
}
