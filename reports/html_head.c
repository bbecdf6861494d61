// SPDX-License-Identifier: Apache-2.0
// The top of a run's page, which says what came of it, and its end, which says of what.
#include "reports/html_parts.h"

#include <math.h>

#include "reports/content.h"
#include "reports/figures.h"
#include "reports/page.h"
#include "reports/phrase.h"

enum { HEADLINE_CHECKS_MAX = 8, KEY_METRICS_MAX = 4, SHORT_HASH = 12 };

static void put_title(as_buf *out, const as_summary *run) {
    as_arena arena = {0};
    as_buf_text(out, "<header>\n<p class=\"kicker\">Evaluation run ");
    as_page_text(out, "bdi", NULL, run->run, AS_CLIP_NAME);
    if (run->started.len) {
        as_buf_text(out, " \xc2\xb7 ");
        as_content_markup(out, as_page_when(&arena, run->started), AS_CLIP_NAME);
    }
    as_buf_text(out, "</p>\n");
    as_page_text(out, "h1", NULL, run->suite.len ? run->suite : AS_STR("unnamed suite"),
                 AS_CLIP_NAME);
    if (run->description.len) as_page_text(out, "p", "lead", run->description, AS_CLIP_LINE * 2);
    as_buf_text(out, "</header>\n\n");
    as_arena_free(&arena);
}

// The checks that decided the verdict, in words. Of a run that passed there is nothing to say.
static void put_reasons(as_buf *out, const as_summary *run) {
    size_t shown = 0, left = 0;
    static const as_verdict order[] = {AS_FAIL, AS_UNMEASURABLE, AS_UNDECIDED, AS_NO_BASELINE};
    if (as_phrase_count(&run->gate, AS_PASS) == run->gate.count) return;
    as_buf_text(out, "<ul>\n");
    for (size_t v = 0; v < sizeof order / sizeof *order; v++)
        for (size_t i = 0; i < run->gate.count; i++) {
            const as_check *check = &run->gate.checks[i];
            if (check->verdict != order[v]) continue;
            if (shown == HEADLINE_CHECKS_MAX) {
                left++;
                continue;
            }
            shown++;
            as_buf_text(out, "<li>");
            as_page_verdict(out, check->verdict, NULL);
            as_page_text(out, "code", NULL, check->gate, AS_CLIP_LINE);
            as_buf_text(out, "<span class=\"reason\">");
            as_phrase_reason(out, run, check);
            as_buf_text(out, "</span></li>\n");
        }
    if (left) as_buff(out, "<li>and %zu more, in the table below</li>\n", left);
    as_buf_text(out, "</ul>\n");
}

static void put_verdict(as_buf *out, const as_summary *run) {
    const as_gate *gate = &run->gate;
    bool judged = gate->count || gate->verdict != AS_PASS;
    as_verdict look = judged ? gate->verdict : AS_NO_BASELINE;
    as_buff(out, "<section class=\"verdict %s\" aria-label=\"Verdict\">\n",
            as_page_verdict_class(look));
    as_page_icon(out, look);
    as_buff(out, "<div>\n<p class=\"word\">%s</p>\n<p class=\"why\">", as_phrase_verdict(gate));
    size_t from = out->len;
    as_phrase_gate(out, gate);
    if (out->ptr[from] >= 'a' && out->ptr[from] <= 'z') out->ptr[from] -= 'a' - 'A';
    if (gate->baseline.len) {
        as_buf_text(out, ", against run ");
        as_page_text(out, "bdi", NULL, gate->baseline, AS_CLIP_NAME);
    }
    as_buf_text(out, ".</p>\n");
    put_reasons(out, run);
    as_buf_text(out, "</div>\n</section>\n\n");
}

static void put_keys(as_buf *out, const as_html *page) {
    size_t count = page->run->metric_count;
    if (!count) return;
    as_buf_text(out, "<dl class=\"keys\">\n");
    for (size_t i = 0; i < count && i < KEY_METRICS_MAX; i++) {
        const as_value *v = &page->run->metrics[i];
        const as_value *b =
            page->baseline ? as_summary_value(page->baseline, v->name, AS_STR("")) : NULL;
        as_unit unit = as_figure_measure(v->name, v->spec, v->value).unit;
        as_buf_text(out, "<div>");
        as_page_text(out, "dt", NULL, v->name, AS_CLIP_NAME);
        as_buff(out, "<dd>%s<small>", as_figure_of(v->value, unit).text);
        if (isfinite(v->ci.lo))
            as_buff(out, "<span>95%% in %s</span>", as_figure_interval(v->ci, unit).text);
        if (b && isfinite(b->value))
            as_buff(out, "<span>%s since the baseline</span>",
                    as_figure_change(v->value - b->value, unit).text);
        as_buf_text(out, "</small></dd></div>\n");
    }
    as_buf_text(out, "</dl>\n\n");
}

static as_str short_hash(as_str hash) {
    return as_str_sub(hash, 0, SHORT_HASH);
}

static as_str commit_of(as_arena *arena, const as_summary *run, bool brief) {
    if (!run->git_commit.len) return AS_STR("");
    as_str commit = brief ? short_hash(run->git_commit) : run->git_commit;
    return as_strf(arena, "%.*s%s%.*s%s", AS_STR_ARG(commit), run->git_branch.len ? " on " : "",
                   AS_STR_ARG(as_content_clip(run->git_branch, AS_CLIP_NAME)),
                   run->git_dirty ? ", with local changes" : "");
}

static as_str outcomes_of(as_arena *arena, const as_summary *run) {
    as_buf text = {0};
    as_buf_text(&text, as_figure_count(run->total).text);
    if (run->answers) as_buff(&text, ", %s answers", as_figure_count(run->answers).text);
    if (run->errors) as_buff(&text, ", %s without an answer", as_figure_count(run->errors).text);
    if (run->skipped) as_buff(&text, ", %s skipped", as_figure_count(run->skipped).text);
    as_str out = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return out;
}

static as_str pace_of(as_arena *arena, const as_summary *run) {
    as_figure took = as_figure_seconds(run->wall_s);
    double rate = run->cases_per_s;
    if (!(rate > 0 && rate < 1e12)) return as_strf(arena, "%s", took.text);
    if (rate < 20) return as_strf(arena, "%s, %.1f cases a second", took.text, rate);
    return as_strf(arena, "%s, %s cases a second", took.text,
                   as_figure_count((uint64_t)(rate + 0.5)).text);
}

static void put_facts(as_buf *out, const as_summary *run) {
    as_arena arena = {0};
    as_buf_text(out, "<dl class=\"facts\">\n");
    as_page_fact(out, "Model", run->model_name.len ? run->model_name : run->target_uri);
    as_page_fact(out, "Cases", outcomes_of(&arena, run));
    if (run->dataset_sha256.len)
        as_page_fact(out, "Dataset",
                     as_strf(&arena, "%.*s, %s cases", AS_STR_ARG(short_hash(run->dataset_sha256)),
                             as_figure_count(run->dataset_cases).text));
    as_page_fact(out, "Commit", commit_of(&arena, run, true));
    if (isfinite(run->wall_s) && run->wall_s > 0) as_page_fact(out, "Took", pace_of(&arena, run));
    if (isfinite(run->latency.p50))
        as_page_fact(out, "Latency, p50 and p95",
                     as_strf(&arena, "%s, %s", as_figure_of(run->latency.p50, AS_UNIT_MS).text,
                             as_figure_of(run->latency.p95, AS_UNIT_MS).text));
    if (isfinite(run->cost_total) && run->cost_total > 0)
        as_page_fact(out, "Cost",
                     as_strf(&arena, "%s %.*s", as_figure_of(run->cost_total, AS_UNIT_MONEY).text,
                             AS_STR_ARG(as_content_clip(run->currency, 8))));
    as_buf_text(out, "</dl>\n\n");
    as_arena_free(&arena);
}

static void put_nav(as_buf *out, const as_html *page) {
    const as_findings *f = page->findings;
    const struct {
        const char *id, *name;
        bool there;
    } links[] = {
        {"gate", "Gate", page->run->gate.count > 0},
        {"metrics", "Metrics", page->run->metric_count > 0},
        {"changes", "Changes", f->delta_count > 0},
        {"flips", "Flipped cases", f->flip_count > 0},
        {"slices", "Slices", page->run->slice_count > 0},
        {"confusion", "Confusion", f->confusion.count > 0},
        {"failures", "Failing cases", f->failure_count > 0},
        {"latency", "Latency", f->latency_count > 0 || isfinite(page->run->latency.p50)},
        {"provenance", "Provenance", true},
    };
    as_buf_text(out, "<nav aria-label=\"Sections\">");
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        if (links[i].there) as_buff(out, "<a href=\"#%s\">%s</a>", links[i].id, links[i].name);
    as_buf_text(out, "</nav>\n\n");
}

void as_html_head(as_buf *out, const as_html *page) {
    put_title(out, page->run);
    put_verdict(out, page->run);
    put_keys(out, page);
    put_facts(out, page->run);
    put_nav(out, page);
}

static void put_outcomes(as_buf *out, const as_summary *run) {
    as_buf text = {0};
    for (int i = 0; i < AS_OUT_COUNT; i++)
        if (run->outcomes[i])
            as_buff(&text, "%s%s %s", text.len ? ", " : "", as_figure_count(run->outcomes[i]).text,
                    as_outcome_name((as_outcome)i));
    as_page_fact(out, "Outcomes", as_buf_view(&text));
    as_buf_free(&text);
}

void as_html_provenance(as_buf *out, const as_html *page) {
    const as_summary *run = page->run;
    as_arena arena = {0};
    as_page_section(out, "provenance", "Provenance",
                    "Equal digests are equal results: the same predictions and scores, case by "
                    "case.");
    as_buf_text(out, "<dl class=\"origin\">\n");
    as_page_fact(out, "Run", run->run);
    as_page_fact(out, "Baseline run", run->gate.baseline);
    as_page_fact(out, "Scores digest", run->scores_digest);
    as_page_fact(out, "Suite file", run->suite_path);
    as_page_fact(out, "Suite SHA-256", run->suite_sha256);
    as_page_fact(out, "Dataset SHA-256", run->dataset_sha256);
    as_page_fact(out, "Target", run->target_uri);
    as_page_fact(out, "Model", run->model_name);
    as_page_fact(out, "Model SHA-256", run->model_sha256);
    as_page_fact(out, "Chat template SHA-256", run->chat_template_sha256);
    as_page_fact(out, "Device", run->device);
    as_page_fact(out, "Engine", run->engine);
    as_page_fact(out, "Commit", commit_of(&arena, run, false));
    as_page_fact(out, "Started", run->started);
    put_outcomes(out, run);
    if (run->tokens_in || run->tokens_out)
        as_page_fact(out, "Tokens",
                     as_strf(&arena, "%s in, %s out", as_figure_count(run->tokens_in).text,
                             as_figure_count(run->tokens_out).text));
    as_buf_text(out, "</dl>\n");
    as_page_section_end(out);
    as_arena_free(&arena);
}
