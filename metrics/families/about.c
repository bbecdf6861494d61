// SPDX-License-Identifier: Apache-2.0
// about.c - all metrics by family, and what a reader must know to trust their numbers: definition,
// source, edge cases. The text of `assay help metrics`.
#include <math.h>

#include "metrics/metric.h"

#define GENERAL                                                                                    \
    "A case whose target failed has no score and is counted in errors alone. A case without an\n"  \
    "answer (extraction found nothing) is wrong, or an empty text. What is undefined is null,\n"   \
    "never 0 or 1; a gate on it cannot be measured (exit code 3). `expected` may be a list: any\n" \
    "of it is right. Texts are compared as they are: no case folding, no Unicode normalisation\n"  \
    "unless `normalize: nfc` or nfkc (an option of every metric that compares texts; `extract`\n"  \
    "has both as steps) asks for it. Means have Wilson or clustered t\n"                           \
    "intervals, corpus metrics a cluster bootstrap over sums kept for each case.\n"                \
    "In a suite a metric with options is a map: {name: bleu, tokenize: intl, as: bleu_intl}.\n"

const as_metric_family as_metric_families[] = {
    {as_classify_metrics, "classification",
     "Source: scikit-learn 1.9. Labels are those expected or predicted anywhere. precision = hits "
     "/\n"
     "predicted, recall = hits / expected, F1 = 2 hits / (expected + predicted); micro: over all\n"
     "labels together, macro: mean over labels, weighted: by how often each is expected. 0/0 of "
     "one\n"
     "label is `zero_division` (nan leaves the label out). balanced_accuracy leaves out labels "
     "that\n"
     "are never expected. mcc is 0 where it would be 0/0, kappa undefined. A case without an "
     "answer\n"
     "is a miss of its label and a hit of none.\n"},
    {as_agreement_metrics, "graded agreement",
     "Source: scikit-learn 1.9 (cohen_kappa_score with weights). Order of the grades: `labels`, "
     "low\n"
     "to high; else numbers by value, then bytes. 1 - observed / expected distance; no answer is "
     "as\n"
     "far off as can be; undefined where chance gives no distance.\n"},
    {as_curve_metrics, "curves over probabilities",
     "Source: scikit-learn 1.9; Nixon et al. 2019 (ace). Need log-probabilities of the same "
     "choices\n"
     "in every case. Ties are one half (roc_auc) or one threshold (average_precision). positive: "
     "of\n"
     "two choices; else the last in label order. multi: ovr against the rest, ovo over pairs.\n"
     "average: macro or weighted. Classes that no case or every case expects are left out; none\n"
     "left, or one class only: undefined.\n"},
    {as_calibration_metrics, "calibration",
     "Source: Brier 1950, Guo et al. 2017, scikit-learn 1.9. brier: sum over choices of (p - "
     "y)^2,\n"
     "halved for two choices. log_loss: -ln p of the expected choice, p at least 2.2e-16. ece: "
     "bins\n"
     "(lo, hi] of the likeliest choice's probability. Cases without probabilities have no "
     "score.\n"},
    {as_text_metrics, "exact texts",
     "Source: SQuAD 2.0's script. quasi_exact_match and token_f1 lower the case and drop ASCII\n"
     "punctuation and the words a, an, the; token_f1 counts a word as often as both have it; two\n"
     "empty texts agree. The best expected text counts.\n"},
    {as_error_rate_metrics, "edit distances",
     "Source: jiwer 4, rapidfuzz 3. levenshtein: 1 - edits / longer length in code points (two "
     "empty\n"
     "texts: 1); with threshold, whether edits are at most that many. wer, cer: edits / reference\n"
     "length over all cases; an empty reference counts the insertions. mer: edits / (edits + "
     "hits).\n"
     "wil: 1 - hits^2 / (reference * answer words).\n"},
    {as_bleu_metrics, "BLEU",
     "Source: sacreBLEU 2.6 (Papineni et al. 2002). 0-100 over all cases; the signature of each "
     "value\n"
     "stands in summary.json. Tokenizers as sacreBLEU's; smoothing exp, floor, add-k or none; a\n"
     "case's own score is over the orders that its answer is long enough for.\n"
     "spm: any SentencePiece model (unigram, bpe), the file `vocabulary`; its hash stands in the\n"
     "signature. flores101 (sacreBLEU's spm), flores200 and spBLEU-1K say which one it is; none "
     "is\n"
     "fetched, sacreBLEU keeps its own in ~/.sacrebleu/models. ja-mecab: libmecab with the IPA\n"
     "dictionary, or that in the folder `vocabulary`. Debian's (mecab-ipadic-utf8) has one word\n"
     "more than sacreBLEU's: IPA+reiwa. ko-mecab: mecab-ko's libmecab and its dictionary.\n"},
    {as_chrf_metrics, "chrF",
     "Source: sacreBLEU 2.6 (Popovic 2015, 2017). 0-100. F with recall counted beta^2 times, of\n"
     "precision and recall averaged over the n-gram lengths that both texts have.\n"},
    {as_ter_metrics, "TER",
     "Source: sacreBLEU 2.6 (Snover et al. 2006, Tercom). 100 * edits / reference length, shifts\n"
     "among the edits; may pass 100.\n"},
    {as_rouge_metrics, "ROUGE",
     "Source: rouge_score 0.1 (Lin 2004). Tokens are runs of a-z and 0-9 in lower case: other\n"
     "scripts leave nothing and score 0. stem: Porter's stemmer with NLTK's extensions. The value "
     "is\n"
     "the mean over cases. rougeLsum works line by line.\n"},
    {as_sentence_metrics, "overlap of single answers",
     "Source: promptfoo 0.12x; Wu et al. 2016 (gleu, as NLTK), Papineni et al. 2002, Lin 2004,\n"
     "Banerjee and Lavie 2005 (meteor, as NLTK). Lower case; words\n"
     "between blanks, for gleu and meteor without full stops at their end, for rouge-n Penn\n"
     "Treebank tokens. The value is the mean over cases of the best reference, 0-1; not-NAME is 1 "
     "-\n"
     "NAME. In lists of assertions `bleu` is sentence_bleu and passes from threshold 0.5, as gleu\n"
     "and meteor; rouge-n from 0.75. meteor pairs synonyms only with `wordnet`, the folder of a\n"
     "WordNet 3 (Debian: wordnet-base, /usr/share/wordnet), as promptfoo does: stems that are "
     "left\n"
     "and share a synset. NLTK also tries base forms of the stem; promptfoo's stemmer lacks "
     "NLTK's\n"
     "extensions, which are here. A dataset cannot name the folder: `assert` has no synonyms.\n"},
    {as_retrieval_metrics, "retrieval",
     "Source: trec_eval 9. Expected: relevant ids, or grades by id; the answer: `ranking` of a\n"
     "recorded line, else the prediction as JSON: ids, best first, or scores by id (ties: larger "
     "id\n"
     "first). Relevant from grade `level`. A case with nothing relevant is left out; no answer is "
     "0.\n"
     "gain: linear (Jarvelin) or exp (Burges).\n"},
    {as_language_metrics, "language model",
     "Source: lm_eval 0.4. acc and its kin: the likeliest choice, as it is, by character, by "
     "byte,\n"
     "or less its log-probability after an empty prompt (`unconditional_logprobs`). Perplexities:\n"
     "`logprob` (natural, of the whole text) or `logprobs` of a recorded line, with `tokens`,\n"
     "`words`, `bytes`, or counted from `text`. Of other tokenizers, compare only by word or "
     "byte.\n"},
    {as_pass_metrics, "several answers",
     "Source: Chen et al. 2021; Yao et al. 2024 (pass_all); Wang et al. 2023 (majority). Of n\n"
     "answers to a case, c right: pass@K 1 - C(n - c, K) / C(n, K), pass_all@K C(c, K) / C(n, K).\n"
     "Several answers: generate.samples of a suite; of recorded lines `passed` (true and false) "
     "or\n"
     "`outputs`, or one id with different `sample`. Undefined for K > n. All other metrics take "
     "the\n"
     "mean over the answers to a case as its score.\n"},
    {as_similarity_metrics, "meaning",
     "Source: Reimers and Gurevych 2019 (Sentence-BERT). Cosine of the embeddings of answer and\n"
     "expected text; of several expected ones the greatest. `model`: a target that embeds texts:\n"
     "gguf:PATH (an encoder such as MiniLM, BGE, E5 or nomic-embed; a decoder with its pooling),\n"
     "openai:URL#MODEL, ollama:MODEL, tgi:URL. No answer is 0. Undefined where nothing is "
     "expected\n"
     "or a text is longer than the model's context. Values are kept in the journal; those of two\n"
     "models cannot be compared.\n"},
    {as_assertion_metrics, "assertions",
     "Source: promptfoo's deterministic assertions; also as not-NAME. `value` is a text or a "
     "list,\n"
     "without it `expected`. JSON Schema: draft 2020-12, unknown keywords are refused. A case\n"
     "without an answer passes neither NAME nor not-NAME.\n"},
    {as_markup_metrics, "kinds of answers",
     "Source: promptfoo 0.12x, but for a stricter XML and another list of words for refusals\n"
     "(English). XML: no DTD is read. finish-reason: `finish_reason` of the record, else stop,\n"
     "length or content_filter by how the answer ended. guardrails: `guardrails.flagged` of the\n"
     "record, or an answer that the server withheld. In lists of assertions `perplexity` is\n"
     "perplexity-limit.\n"},
    {as_checked_metrics, "code of the suite",
     "Source: promptfoo 0.12x. Only a suite (or --metrics) names these, never a case: programs "
     "run\n"
     "with --allow-commands, webhooks reach this machine or what --allow-host names. A program "
     "reads\n"
     "{id, output, raw_output, expected, context: {prompt, vars}} on stdin; its last line is the\n"
     "verdict: true, false, a number (passes from `threshold`, else above 0) or {pass, score, "
     "reason}.\n"
     "A timeout, an error or no verdict fails the case and stands in the journal. `value`: an\n"
     "expression of output and context, or file://FILE[:FUNCTION] (python, ruby: get_assert).\n"},
    {as_sql_metrics, "SQL",
     "Source: promptfoo 0.12x, but by a recogniser of assay's own that goes by the databases' "
     "manuals:\n"
     "queries, changes of rows, CREATE, DROP and ALTER of tables, indexes and views, short "
     "statements;\n"
     "no procedures, triggers, GRANT, MERGE. MySQL takes no a::int, FULL JOIN or nameless "
     "subquery in\n"
     "FROM here, SQL Server no LIMIT. SELECT a b FROM counts as a missing comma. allowedTables: "
     "patterns\n"
     "of action::database::table (select::null::users), allowedColumns: of action::table::column "
     "((.*)\n"
     "is all columns); any one must match. contains-sql looks at blocks fenced as sql or as "
     "nothing.\n"},
    {as_assert_metrics, "assertions of a case",
     "Source: promptfoo 0.12x. The reference of a case is its list of assertions (`expected:\n"
     "assert` names the field): {type, value, threshold, weight}, or {type: assert-set, assert: "
     "[..],\n"
     "threshold, weight}. Types: all of promptfoo's that are decided by rule, also as not-TYPE. "
     "What "
     "they\n"
     "are here: bleu is sentence_bleu, perplexity perplexity-limit, the rest goes by its name. "
     "Weight "
     "0\n"
     "does not count. What asks a model, runs code, needs a file or a template is refused by name. "
     "An\n"
     "empty list is undefined.\n"},
    {as_tool_metrics, "tool calls",
     "Calls are `tool_calls` of the record, else the prediction as JSON: {name, arguments}, or in "
     "the\n"
     "forms of OpenAI, Anthropic and Google. Arguments are compared as JSON (1 and 1.0 are the "
     "same).\n"},
    {as_valid_call_metrics, "validity of tool calls",
     "Source: promptfoo 0.12x, with the tools as `tools`: [{name, parameters: JSON Schema}], also\n"
     "each inside {type: function, function: ..}. Arguments are a text of JSON, as OpenAI has it.\n"
     "not-NAME is the opposite (promptfoo: the same).\n"},
    {as_trajectory_metrics, "the way to an answer",
     "Source: promptfoo 0.12x. Steps are the spans of the record's `trace`: {spans: [{name,\n"
     "startTime, endTime (ms), statusCode, statusMessage, attributes}]}, else its tool calls; "
     "skills\n"
     "are `skill_calls`: [{name, is_error}]. Targets replay: and cmd: hand these over, openai: "
     "and\n"
     "ollama: the tool calls. Names are patterns (*, ?, any case); max alone asks for no use. With "
     "no\n"
     "trace trace-NAME is undefined; in a list of assertions it fails.\n"},
    {as_judged_metrics, "judged by another model",
     "judge: {target: URI, max_tokens: 1024, temperature: 0, seed: 0}, any target. question: the\n"
     "field that was asked (else the prompt's last turn); context: the field with a text or texts\n"
     "(`context`); human: the field with a person's label, where there is one. Prompts are "
     "assay's\n"
     "and versioned. Nothing to judge is undefined, a case without an answer 0. A judge's answer\n"
     "that does not come or is not the JSON asked for gives no score, and more of them than\n"
     "max_errors measure nothing. Both orders of a pair disagree: a tie, counted as `split`. With\n"
     "labels: Cohen's kappa, Krippendorff's alpha (interval) and the prediction-powered mean.\n"
     "Costs and errors of judges stand apart, with the metric. replay: judges are asked for the\n"
     "id \"METRIC ID\".\n"},
    {as_span_metrics, "spans",
     "Expected: {label, text} objects; the answer: `label: text` lines, `none`, or the same JSON.\n"
     "Each span matches once: exact, by the share of words in common, or by label.\n"},
    {as_latency_metrics, "times and costs",
     "Quantiles by nearest rank: each is a time that was measured. tpot = (whole answer - first\n"
     "token) / (tokens - 1). Not weighted.\n"},
    {NULL, NULL, NULL},
};

static void put_setting(as_buf *out, const as_setting_spec *s) {
    as_buff(out, "      %s: ", s->name);
    switch (s->kind) {
    case AS_SETTING_BOOL:
        as_buf_text(out, "true or false (default)");
        break;
    case AS_SETTING_COUNT:
    case AS_SETTING_NUMBER:
        as_buff(out, "%s from %g to %g", s->kind == AS_SETTING_COUNT ? "whole number" : "number",
                s->low, s->high);
        if (s->otherwise >= s->low && !s->needed && s->otherwise != 0)
            as_buff(out, ", default %g", s->otherwise);
        break;
    case AS_SETTING_CHOICE:
        for (size_t i = 0; s->choices[i]; i++)
            as_buff(out, "%s%s%s", i ? ", " : "", s->choices[i],
                    s->otherwise == (double)i ? " (default)" : "");
        break;
    case AS_SETTING_TEXT:
        as_buf_text(out, "text");
        break;
    case AS_SETTING_TEXTS:
        as_buf_text(out, "text or list of texts");
        break;
    case AS_SETTING_TREE:
        as_buf_text(out, "map");
        break;
    case AS_SETTING_LIST:
        as_buf_text(out, "list of maps");
        break;
    case AS_SETTING_PATH:
        as_buf_text(out, "path, seen from the suite's folder");
        break;
    }
    as_buff(out, "%s\n", s->needed ? "; needed" : "");
}

static void put_metric(as_buf *out, const as_metric_ops *ops) {
    as_buff(out, "  %-22s %s%s\n", ops->name, ops->text,
            ops->flags & AS_METRIC_NOT ? " [not-]" : "");
}

static void put_options(as_buf *out, const as_metric_ops *ops) {
    for (const as_setting_spec *s = ops->settings; s && s->name; s++) put_setting(out, s);
}

void as_metric_help(as_buf *out) {
    as_buf_text(out, GENERAL);
    for (const as_metric_family *f = as_metric_families; f->metrics; f++) {
        as_buff(out, "\n%s\n%s", f->title, f->notes);
        for (const as_metric_ops *ops = f->metrics; ops->name; ops++) {
            put_metric(out, ops);
            if (!ops[1].name || ops[1].settings != ops->settings) put_options(out, ops);
        }
    }
}

bool as_metric_help_one(as_buf *out, as_str name) {
    const as_metric_ops *found;
    if (as_metric_name_check(name, &found, NULL) != AS_OK) return false;
    for (const as_metric_family *f = as_metric_families; f->metrics; f++)
        for (const as_metric_ops *ops = f->metrics; ops->name; ops++) {
            if (ops != found) continue;
            put_metric(out, ops);
            put_options(out, ops);
            as_buff(out, "\n%s\n%s\n%s", f->title, f->notes, GENERAL);
        }
    return true;
}
