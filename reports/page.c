// SPDX-License-Identifier: Apache-2.0
#include "reports/page.h"

#include "harness/base/sha256.h"
#include "reports/content.h"
#include "reports/page_css.h"
#include "reports/page_js.h"
#include "reports/phrase.h"

const char *as_page_verdict_class(as_verdict verdict) {
    static const char *const classes[] = {"pass", "fail", "unsure", "none", "broken"};
    return classes[verdict];
}

// The shapes differ, so that colour is never alone: a disc with a tick, an octagon with a cross, a
// square with a question mark, a ring with a dash, a triangle with an exclamation mark.
static const char *const icon_paths[] = {
    "<circle cx='12' cy='12' r='11'/><path class='m' d='m7 12.5 3.4 3.4 6.8-7.4'/>",
    "<path d='M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z'/><path class='m' d='m8 8 8 8m0-8-8 8'/>",
    "<path d='M1 1h22v22H1z'/><path class='m' d='M9 9.5c0-4 6-4 6 0 0 3-3 2-3 5m0 3v.2'/>",
    "<circle cx='12' cy='12' r='11'/><path class='m' d='M7 12h10'/>",
    "<path d='M12 1 23.5 22H.5z'/><path class='m' d='M12 8.5v6m0 3v.3'/>",
};

static void put_favicon(as_buf *out, as_verdict verdict) {
    static const char *const colors[] = {"%230b7a5c", "%23b8400f", "%238a6100", "%235b6673",
                                         "%237a3e9d"};
    as_buff(out,
            "<link rel=\"icon\" href=\"data:image/svg+xml,<svg "
            "xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='%s'>"
            "<style>.m{fill:none;stroke:white;stroke-width:3}</style>%s</svg>\">\n",
            colors[verdict], icon_paths[verdict]);
}

static void put_symbols(as_buf *out) {
    as_buf_text(out, "<svg class=\"defs\" aria-hidden=\"true\">");
    for (int v = 0; v <= AS_UNMEASURABLE; v++)
        as_buff(out, "<symbol id=\"v%d\" viewBox=\"0 0 24 24\">%s</symbol>", v, icon_paths[v]);
    as_buf_text(out, "</svg>\n");
}

static unsigned nibble(char hex) {
    return (unsigned)(hex <= '9' ? hex - '0' : hex - 'a' + 10);
}

// Base64 of page.js's SHA-256: 32 bytes are 43 letters and a filler.
static void put_script_hash(as_buf *out) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char hex[65];
    as_sha256 sha;
    as_sha256_init(&sha);
    as_sha256_add(&sha, page_js, sizeof page_js);
    as_sha256_hex(&sha, hex);
    for (size_t i = 0; i < 64; i += 3) { // three digits are 12 bits: two letters
        unsigned bits = nibble(hex[i]) << 8;
        if (i + 1 < 64) bits |= nibble(hex[i + 1]) << 4 | nibble(hex[i + 2]);
        as_buf_char(out, letters[bits >> 6]);
        as_buf_char(out, i + 1 < 64 ? letters[bits & 63] : '=');
    }
}

void as_page_policy(as_buf *out, bool scripted) {
    as_buf_text(out, "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
                     "base-uri 'none'; form-action 'self'");
    if (!scripted) return;
    as_buf_text(out, "; script-src 'sha256-");
    put_script_hash(out);
    as_buf_char(out, '\'');
}

static void open_page(as_buf *out, as_str title, const char *kind, as_verdict verdict,
                      bool scripted) {
    as_buf_text(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"");
    as_page_policy(out, scripted);
    as_buf_text(out, "\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"color-scheme\" content=\"light dark\">\n"
                     "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    as_content_markup(out, title, AS_CLIP_NAME);
    as_buff(out, " \xc2\xb7 %s</title>\n", kind);
    put_favicon(out, verdict);
    as_buf_text(out, "<style>\n");
    as_buf_add(out, page_css, sizeof page_css);
    as_buf_text(out, "</style>\n</head>\n<body>\n");
    put_symbols(out);
    as_buf_text(out, "<main>\n");
}

void as_page_open(as_buf *out, as_str title, const char *kind, as_verdict verdict) {
    open_page(out, title, kind, verdict, false);
}

void as_page_open_scripted(as_buf *out, as_str title, const char *kind, as_verdict verdict) {
    open_page(out, title, kind, verdict, true);
}

void as_page_close(as_buf *out) {
    as_buf_text(out, "</main>\n</body>\n</html>\n");
}

void as_page_close_scripted(as_buf *out) {
    as_buf_text(out, "</main>\n<script>");
    as_buf_add(out, page_js, sizeof page_js);
    as_buf_text(out, "</script>\n</body>\n</html>\n");
}

void as_page_section(as_buf *out, const char *id, const char *title, const char *aside) {
    as_buff(out, "<section id=\"%s\" aria-labelledby=\"%s-h\">\n<h2 id=\"%s-h\">%s</h2>\n", id, id,
            id, title);
    if (aside) as_buff(out, "<p class=\"aside\">%s</p>\n", aside);
}

void as_page_section_end(as_buf *out) {
    as_buf_text(out, "</section>\n\n");
}

void as_page_icon(as_buf *out, as_verdict verdict) {
    as_buff(out, "<svg class=\"icon\" aria-hidden=\"true\"><use href=\"#v%d\"/></svg>",
            (int)verdict);
}

void as_page_verdict(as_buf *out, as_verdict verdict, const char *word) {
    as_buff(out, "<span class=\"v %s\">", as_page_verdict_class(verdict));
    as_page_icon(out, verdict);
    as_buff(out, "%s</span>", word ? word : as_phrase_check(verdict));
}

void as_page_text(as_buf *out, const char *tag, const char *css_class, as_str text, size_t most) {
    as_buff(out, css_class ? "<%s dir=\"auto\" class=\"%s\">" : "<%s dir=\"auto\">", tag,
            css_class);
    as_content_markup(out, text, most);
    as_buff(out, "</%s>", tag);
}

void as_page_fact_text(as_buf *out, const char *name, const char *value) {
    as_buff(out, "<div><dt>%s</dt><dd>%s</dd></div>\n", name, value);
}

void as_page_fact(as_buf *out, const char *name, as_str value) {
    if (!value.len) return;
    as_buff(out, "<div><dt>%s</dt>", name);
    as_page_text(out, "dd", NULL, value, AS_CLIP_LINE);
    as_buf_text(out, "</div>\n");
}

void as_page_cell(as_buf *out, const char *label, const char *text) {
    as_buff(out, "<td data-l=\"%s\">%s</td>", label, text);
}

as_str as_page_when(as_arena *arena, as_str t) {
    if (t.len < 20 || t.ptr[10] != 'T' || t.ptr[t.len - 1] != 'Z') return t;
    return as_strf(arena, "%.10s %.8s UTC", t.ptr, t.ptr + 11);
}
