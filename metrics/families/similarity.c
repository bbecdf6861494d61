// SPDX-License-Identifier: Apache-2.0
// similarity.c - semantic_similarity: cosine of the embeddings of answer and expected text.
//
//   cos(a, b) = a.b / (|a| |b|), in -1..1; of several expected texts the greatest
//
// Metrics reach no model: whoever runs them puts the cosines on the sample (`similarities`, by the
// model's URI), and the journal keeps them. A case without an answer scores 0, one without a cosine
// has no score. Source: Reimers and Gurevych 2019, Sentence-BERT (arXiv:1908.10084).
#include <math.h>

#include "metrics/metric.h"

static as_rc score_similarity(const as_metric *metric, const as_scoring *scoring, double *score,
                              double *stats, as_err *err) {
    (void)stats, (void)err;
    const as_sample *sample = scoring->sample;
    *score = NAN;
    if (!scoring->gold_count) return AS_OK;
    if (!sample->has_prediction) *score = 0;
    for (size_t i = 0; sample->has_prediction && i < sample->similarity_count; i++)
        if (as_str_eq(sample->similarities[i].model, metric->settings[0].text))
            *score = sample->similarities[i].value;
    return AS_OK;
}

static const as_setting_spec settings[] = {
    {.name = "model", .kind = AS_SETTING_TEXT, .needed = true},
    {.name = NULL},
};

const as_metric_ops as_similarity_metrics[] = {
    {.name = "semantic_similarity",
     .text = "mean cosine of the embeddings of answer and expected text",
     .kind = AS_METRIC_MEAN,
     .flags = AS_METRIC_SIGNED,
     .settings = settings,
     .score = score_similarity},
    {.name = NULL},
};
