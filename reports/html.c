// SPDX-License-Identifier: Apache-2.0
#include "reports/report.h"

#include "reports/html_parts.h"
#include "reports/page.h"
#include "reports/serving_out.h"

void as_report_html(as_buf *out, const as_summary *run, const as_summary *baseline,
                    const as_findings *findings) {
    as_page_open(out, run->suite, "assay run", run->gate.verdict);
    as_report_html_body(out, run, baseline, findings);
    as_page_close(out);
}

void as_report_html_body(as_buf *out, const as_summary *run, const as_summary *baseline,
                         const as_findings *findings) {
    static const as_findings none = {0};
    as_html page = {run, baseline, findings ? findings : &none};
    as_html_head(out, &page);
    as_html_gate(out, &page);
    as_html_metrics(out, &page);
    as_html_changes(out, &page);
    as_html_flips(out, &page);
    as_html_slices(out, &page);
    as_html_confusion(out, &page);
    as_html_failures(out, &page);
    as_html_latency(out, &page);
    as_serving_html(out, &run->serving);
    as_html_provenance(out, &page);
}
