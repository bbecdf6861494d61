// SPDX-License-Identifier: Apache-2.0
// ter.c - translation edit rate (Snover et al. 2006) as sacreBLEU 2.6 computes it, 0-100 and more.
//
// Edits over words of the references: insertions, deletions, substitutions and shifts of up to 10
// words, one edit each. The shifts are found greedily: each round takes the one that saves most
// (then the longest, the earliest, the earliest target), until none saves anything or 1,000 were
// tried. Edit distances look only at a beam of 25 words about the diagonal, as Tercom's do. Over
// all cases: sum of edits / sum of mean reference lengths. Of several expected texts the one with
// the fewest edits counts. Texts are in lower case unless case_sensitive; `normalized` cuts
// punctuation off as Tercom does, no_punct drops . , ? : ; ! " ( ); with asian_support the first
// also makes a word of each Chinese character, the second drops Asian punctuation. An empty
// reference is 100 for any answer, 0 for an empty one.
#include <math.h>
#include <string.h>

#include "harness/base/letter.h"
#include "harness/base/utf8.h"
#include "metrics/families/text.h"
#include "metrics/overlap/mt_tokens.h"

enum { SHIFT_SIZE_MAX = 10, SHIFT_DISTANCE_MAX = 50, BEAM = 25, CANDIDATES_MAX = 1000 };
enum { SET_NORMALIZED, SET_NO_PUNCT, SET_CASE_SENSITIVE, SET_ASIAN };
enum { STAT_CASES, STAT_EDITS, STAT_LENGTH, STAT_WIDTH };

#define FAR UINT32_MAX

typedef enum operation { OP_NONE, OP_INSERT, OP_DELETE, OP_KEEP, OP_REPLACE } operation;

typedef struct cell {
    uint32_t cost;
    uint8_t op;
} cell;

// Row i of the edit matrix, cells from .. to - 1 of it; the others are out of the beam.
typedef struct row {
    cell *cells;
    size_t from, to;
} row;

typedef struct search {
    as_arena *arena;
    as_symbols reference;
    uint32_t *words; // [count] the answer, as it is after the shifts so far
    size_t count;
    double ratio;
    size_t beam;
    row *rows;         // [count + 1] of `words`
    row *trial;        // [count + 1] of a candidate; rows before `fresh` are those of `rows`
    uint32_t *shifted; // [count]
    size_t *align;     // [reference.count + 1] word of the answer at each word of the reference
    bool *answer_wrong, *reference_wrong;
    size_t tried;
} search;

static cell cell_at(const row *r, size_t j) {
    return j >= r->from && j < r->to ? r->cells[j - r->from] : (cell){FAR, OP_NONE};
}

static void offer(cell *best, uint32_t cost, uint32_t more, operation op) {
    if (cost != FAR && cost + more < best->cost) *best = (cell){cost + more, (uint8_t)op};
}

static void fill_row(const search *s, const row *above, row *r, uint32_t word) {
    for (size_t j = r->from; j < r->to; j++) {
        cell best = {FAR, OP_NONE};
        if (j == 0) {
            best = (cell){cell_at(above, 0).cost + 1, OP_DELETE};
        } else {
            bool same = word == s->reference.items[j - 1];
            offer(&best, cell_at(above, j - 1).cost, !same, same ? OP_KEEP : OP_REPLACE);
            offer(&best, cell_at(above, j).cost, 1, OP_DELETE);
            if (j > r->from) offer(&best, r->cells[j - 1 - r->from].cost, 1, OP_INSERT);
        }
        r->cells[j - r->from] = best;
    }
}

// The cells of each row that are looked at; the last row to its end.
static row *make_rows(const search *s) {
    size_t length = s->reference.count;
    row *rows = AS_NEW_ARRAY(s->arena, row, s->count + 1);
    for (size_t i = 0; i <= s->count; i++) {
        size_t middle = (size_t)floor((double)i * s->ratio);
        rows[i].from = i == 0 || middle < s->beam ? 0 : middle - s->beam;
        rows[i].to = i == 0 || i == s->count || middle + s->beam > length + 1 ? length + 1
                                                                              : middle + s->beam;
        rows[i].cells = AS_NEW_ARRAY(s->arena, cell, rows[i].to - rows[i].from + 1);
    }
    for (size_t j = 0; j <= length; j++) rows[0].cells[j] = (cell){(uint32_t)j, OP_INSERT};
    return rows;
}

// Rows from `fresh` on, for the words given; the row before it is already there.
static uint32_t distance(const search *s, const row *before, row *rows, const uint32_t *words,
                         size_t fresh) {
    for (size_t i = fresh; i <= s->count; i++)
        fill_row(s, i == fresh ? before : &rows[i - 1], &rows[i], words[i - 1]);
    return cell_at(fresh > s->count ? before : &rows[s->count], s->reference.count).cost;
}

// Which word of the answer stands where each of the reference does, and which of both are wrong.
static void read_alignment(search *s) {
    size_t i = s->count, j = s->reference.count;
    while (i || j) {
        operation op = (operation)cell_at(&s->rows[i], j).op;
        if (op == OP_KEEP || op == OP_REPLACE) {
            i--, j--;
            s->align[j] = i;
            s->answer_wrong[i] = s->reference_wrong[j] = op == OP_REPLACE;
        } else if (op == OP_DELETE) {
            s->answer_wrong[--i] = true;
        } else {
            s->reference_wrong[--j] = true;
            s->align[j] = i - 1; // the word before; SIZE_MAX at the start
        }
    }
}

static bool any(const bool *flags, size_t from, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (flags[from + i]) return true;
    return false;
}

typedef struct shift {
    size_t start, length, target;
} shift;

static void perform(const uint32_t *words, size_t count, shift sh, uint32_t *out) {
    size_t n = 0, end = sh.start + sh.length;
    const struct {
        size_t from, to;
    } before[] = {{0, sh.target}, {sh.start, end}, {sh.target, sh.start}, {end, count}},
      after[] = {{0, sh.start}, {end, sh.target}, {sh.start, end}, {sh.target, count}},
      within[] = {{0, sh.start},
                  {end, sh.length + sh.target},
                  {sh.start, end},
                  {sh.length + sh.target, count}};
    for (size_t p = 0; p < 4; p++) {
        size_t from = sh.target < sh.start ? before[p].from
                      : sh.target > end    ? after[p].from
                                           : within[p].from;
        size_t to = sh.target < sh.start ? before[p].to
                    : sh.target > end    ? after[p].to
                                         : within[p].to;
        for (size_t i = from; i < to && i < count; i++) out[n++] = words[i];
    }
}

typedef struct finding {
    bool found;
    int64_t saved;
    shift shift;
} finding;

static bool is_better(const finding *old, int64_t saved, shift sh) {
    if (!old->found) return true;
    if (saved != old->saved) return saved > old->saved;
    if (sh.length != old->shift.length) return sh.length > old->shift.length;
    if (sh.start != old->shift.start) return sh.start < old->shift.start;
    return sh.target < old->shift.target;
}

static void try_shift(search *s, uint32_t now, shift sh, finding *best) {
    perform(s->words, s->count, sh, s->shifted);
    size_t same = 0;
    while (same < s->count && s->shifted[same] == s->words[same]) same++;
    uint32_t cost = now;
    if (same < s->count) cost = distance(s, &s->rows[same], s->trial, s->shifted, same + 1);
    int64_t saved = (int64_t)now - (int64_t)cost;
    if (is_better(best, saved, sh)) *best = (finding){true, saved, sh};
    s->tried++;
}

// All targets next to the places where the reference has these words.
static void try_targets(search *s, uint32_t now, size_t start, size_t place, size_t length,
                        finding *best) {
    size_t last = SIZE_MAX;
    if (!any(s->answer_wrong, start, length) || !any(s->reference_wrong, place, length)) return;
    size_t there = s->align[place];
    if (there != SIZE_MAX && there >= start && there < start + length) return;
    for (size_t offset = 0; offset <= length; offset++) {
        size_t at = place + offset; // the target is behind the word before it
        if (at > s->reference.count) return;
        size_t target = at == 0 ? 0 : s->align[at - 1] + 1;
        if (target == last) continue;
        last = target;
        try_shift(s, now, (shift){start, length, target}, best);
    }
}

static finding find_shift(search *s, uint32_t now) {
    finding best = {0};
    const uint32_t *a = s->words, *b = s->reference.items;
    size_t m = s->reference.count;
    for (size_t start = 0; start < s->count; start++) {
        size_t from = start > SHIFT_DISTANCE_MAX ? start - SHIFT_DISTANCE_MAX : 0;
        for (size_t place = from; place < m && place <= start + SHIFT_DISTANCE_MAX; place++)
            for (size_t length = 1;
                 length <= SHIFT_SIZE_MAX && start + length <= s->count && place + length <= m &&
                 a[start + length - 1] == b[place + length - 1];
                 length++) {
                size_t tried = s->tried;
                try_targets(s, now, start, place, length, &best);
                if (s->tried != tried && s->tried >= CANDIDATES_MAX) return best;
            }
    }
    return best;
}

static search start_search(as_arena *arena, as_symbols answer, as_symbols reference) {
    search s = {.arena = arena, .reference = reference, .count = answer.count};
    s.words = AS_NEW_ARRAY(arena, uint32_t, s.count + 1);
    s.shifted = AS_NEW_ARRAY(arena, uint32_t, s.count + 1);
    s.align = AS_NEW_ARRAY(arena, size_t, reference.count + 1);
    s.answer_wrong = AS_NEW_ARRAY(arena, bool, s.count + 1);
    s.reference_wrong = AS_NEW_ARRAY(arena, bool, reference.count + 1);
    if (s.count) memcpy(s.words, answer.items, s.count * sizeof *s.words);
    s.ratio = s.count ? (double)reference.count / (double)s.count : 1;
    s.beam = BEAM < s.ratio / 2 ? (size_t)ceil(s.ratio / 2 + BEAM) : BEAM;
    s.rows = make_rows(&s);
    s.trial = make_rows(&s);
    return s;
}

static size_t edits_between(as_arena *arena, as_symbols answer, as_symbols reference) {
    if (!reference.count) return answer.count;
    search s = start_search(arena, answer, reference);
    for (size_t shifts = 0;; shifts++) {
        uint32_t now = distance(&s, &s.rows[0], s.rows, s.words, 1);
        read_alignment(&s);
        finding best = find_shift(&s, now);
        if (s.tried >= CANDIDATES_MAX || !best.found || best.saved <= 0) return shifts + now;
        perform(s.words, s.count, best.shift, s.shifted);
        memcpy(s.words, s.shifted, s.count * sizeof *s.words);
    }
}

static bool is_dropped(char c) {
    return strchr(".,?:;!\"()", c) && c;
}

typedef struct range {
    uint32_t from, to;
} range;

// sacreBLEU's ranges; that of enclosed letters, 3200, ends at 3f22 there.
static const range asian_letters[] = {{0x2e80, 0x2eff}, {0x31c0, 0x31ef}, {0x3200, 0x4dbf},
                                      {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0xfe30, 0xfe4f}};
static const range asian_marks[] = {{0x3001, 0x3002}, {0x3008, 0x3011}, {0x3014, 0x301f},
                                    {0x30fb, 0x30fb}, {0xff01, 0xff02}, {0xff08, 0xff09},
                                    {0xff0c, 0xff0c}, {0xff0e, 0xff0e}, {0xff1a, 0xff1b},
                                    {0xff1f, 0xff1f}, {0xff61, 0xff65}};
enum {
    ASIAN_LETTERS = sizeof asian_letters / sizeof *asian_letters,
    ASIAN_MARKS = sizeof asian_marks / sizeof *asian_marks,
};

static bool is_among(const range *ranges, size_t count, uint32_t code_point) {
    for (size_t i = 0; i < count; i++)
        if (code_point >= ranges[i].from && code_point <= ranges[i].to) return true;
    return false;
}

// Blanks about each letter and mark, or without the marks.
static as_str with_asian(as_arena *arena, as_str text, bool cut, bool drop) {
    char *out = as_arena_take(arena, 3 * text.len + 1);
    size_t len = 0;
    for (size_t at = 0; at < text.len;) {
        size_t from = at;
        uint32_t c = as_utf8_next(text, &at);
        bool mark = is_among(asian_marks, ASIAN_MARKS, c);
        bool apart = cut && (mark || is_among(asian_letters, ASIAN_LETTERS, c));
        if (apart) out[len++] = ' ';
        if (!(mark && drop)) {
            memcpy(out + len, text.ptr + from, at - from);
            len += at - from;
        }
        if (apart) out[len++] = ' ';
    }
    return (as_str){out, len};
}

static as_tokens words_of(const as_metric *metric, as_arena *arena, as_str text) {
    as_str stripped = as_text_strip(text);
    text = as_str_sub(text, 0, stripped.len ? (size_t)(stripped.ptr - text.ptr) + stripped.len : 0);
    if (!metric->settings[SET_CASE_SENSITIVE].on) text = as_letter_lower_str(arena, text);
    if (metric->settings[SET_NORMALIZED].on && text.len) text = as_mt_tercom(arena, text);
    bool cut = metric->settings[SET_NORMALIZED].on, drop = metric->settings[SET_NO_PUNCT].on;
    if (metric->settings[SET_ASIAN].on && (cut || drop)) text = with_asian(arena, text, cut, drop);
    if (drop) {
        char *out = as_arena_take(arena, text.len + 1);
        size_t len = 0;
        for (size_t i = 0; i < text.len; i++)
            if (!is_dropped(text.ptr[i])) out[len++] = text.ptr[i];
        text = (as_str){out, len};
    }
    return as_ngram_split(arena, text);
}

static double ter(double edits, double length) {
    return length > 0 ? 100 * edits / length : edits > 0 ? 100 : 0;
}

static as_rc score_ter(const as_metric *metric, const as_scoring *scoring, double *score,
                       double *stats, as_err *err) {
    as_rc rc = as_text_need(metric, scoring, err);
    if (rc) return rc;
    as_arena *arena = scoring->arena;
    size_t least = SIZE_MAX, length = 0;
    as_tokens lists[2] = {words_of(metric, arena, scoring->prediction), {0}};
    for (size_t i = 0; i < scoring->gold_count; i++) {
        as_symbols numbers[2];
        lists[1] = words_of(metric, arena, scoring->golds[i]);
        as_ngram_number(arena, lists, 2, numbers);
        size_t edits = edits_between(arena, numbers[0], numbers[1]);
        length += numbers[1].count;
        if (edits < least) least = edits;
    }
    stats[STAT_CASES] = 1;
    stats[STAT_EDITS] = (double)least;
    stats[STAT_LENGTH] = (double)length / (double)scoring->gold_count;
    *score = ter(stats[STAT_EDITS], stats[STAT_LENGTH]);
    return AS_OK;
}

static double value_of_ter(const as_metric *metric, const double *tally, size_t label_count) {
    (void)metric, (void)label_count;
    return tally[STAT_CASES] > 0 ? ter(tally[STAT_EDITS], tally[STAT_LENGTH]) : NAN;
}

static as_str signature_of_ter(as_arena *arena, const as_metric *metric) {
    const as_setting *s = metric->settings;
    return as_strf(arena, "case:%s|tok:tercom|norm:%s|punct:%s|asian:%s|like:sacrebleu-2.6",
                   s[SET_CASE_SENSITIVE].on ? "mixed" : "lc", s[SET_NORMALIZED].on ? "yes" : "no",
                   s[SET_NO_PUNCT].on ? "no" : "yes", s[SET_ASIAN].on ? "yes" : "no");
}

static const as_setting_spec ter_settings[] = {
    {.name = "normalized", .kind = AS_SETTING_BOOL},
    {.name = "no_punct", .kind = AS_SETTING_BOOL},
    {.name = "case_sensitive", .kind = AS_SETTING_BOOL},
    {.name = "asian_support", .kind = AS_SETTING_BOOL},
    {.name = NULL},
};

const as_metric_ops as_ter_metrics[] = {
    {.name = "ter",
     .text = "translation edit rate, 0-100 and more (sacreBLEU); lower is better",
     .kind = AS_METRIC_CORPUS,
     .flags = AS_METRIC_LOWER | AS_METRIC_REFS | AS_METRIC_DEAR,
     .width = STAT_WIDTH,
     .settings = ter_settings,
     .signature = signature_of_ter,
     .score = score_ter,
     .value = value_of_ter},
    {.name = NULL},
};
