// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "harness/target/target.h"
#include "metrics/scorer.h"
#include "runner/commands.h"
#include "runner/help_alerts.h"
#include "runner/help_store.h"
#include "runner/outputs.h"
#include "runner/targets/help_constraints.h"

const as_command as_commands[] = {
    {"init", as_cmd_init, "[DIR]", "a suite that runs as it is, and CI files for it",
     "Writes evals/ (a suite, ten golden cases, recorded answers), .github/workflows/assay.yml,\n"
     ".gitlab-ci.yml, Jenkinsfile and deploy/assay-cronjob.yaml into DIR (default: here). When "
     "one\n"
     "of them is already there, nothing is written.\n"},
    {"run", as_cmd_run, "SUITE...", "evaluate: dataset -> target -> scores -> history -> gate",
     "Asks the target every case of the suite's dataset, scores the answers, stores the run,\n"
     "writes the report and judges the gates. Everything is checked before the first case is\n"
     "asked. Each finished case is on disk (results.jsonl) before it is counted: a run that was\n"
     "interrupted or killed goes on with --resume.\n"
     "Memory does not grow with the cases: what is kept of many is in a temporary file without a\n"
     "name in $TMPDIR (else /var/tmp). In memory are the cases of --sequential, the answers of\n"
     "replay: and the scores of roc_auc, average_precision and ace.\n"
     "\n"
     "--baseline merge-base is for pull requests: the run of the commit where the branch began.\n"
     "Drop gates compare with --baseline; without it with the newest run of the same suite on the\n"
     "same cases in the history that did not fail. A first run has no baseline: its drop gates\n"
     "say so and do not fail.\n"
     "\n"
     "--sequential stops as soon as the gates are decided (scores in 0..1: thresholds and drops),\n"
     "by e-processes that may be looked at after every case: at most 1 in 100 is stopped wrongly,\n"
     "and a run that goes to its end is judged at 0.04, so that all is 0.05 as ever. The order of\n"
     "the cases is drawn from dataset and model, and recorded. Without history, five points too "
     "few\n"
     "show after a twentieth of 5,000 cases; on a few hundred it rarely stops.\n"
     "\n"
     "--concurrency auto finds by itself how many requests at once a target behind HTTP is worth:\n"
     "doubled from 4 while twice as many bring 20 % more, then the least with 95 % of the highest\n"
     "throughput; halved when attempts fail, and then raised by an eighth at a time. The steps "
     "are\n"
     "in summary.json. Before the first request the longest that the run may take is said (every\n"
     "attempt used, to its last second); then, or at --deadline, it ends.\n"},
    {"score", as_cmd_score, "FILE...", "score recorded answers: no suite, no target",
     "FILE holds JSON Lines ('-' is stdin), a case a line:\n"
     "  expected              what is right: a string, a number, a list of either (any is right)\n"
     "  prediction, output    the answer; prediction is taken where both are there\n"
     "  probabilities         of the choices: {\"yes\": 0.9, \"no\": 0.1}, or a list in the order\n"
     "                        of `choices` (without them of the classes 0, 1, ...), or one "
     "number,\n"
     "                        that of 1 or true; without an answer the likeliest choice is it\n"
     "  ranking               ids, best first, for the retrieval metrics\n"
     "  logprob, tokens, bytes, words   of a text, for the perplexities\n"
     "  choices, choice_logprobs, unconditional_logprobs   as in results.jsonl, for acc and its "
     "kin\n"
     "  id, weight, cluster, tags, slices   as in a golden case; all optional\n"
     "results.jsonl of a run is such a file. --format json prints the `metrics` of summary.json.\n"
     "Exit codes: 0, 2 for a wrong file, 3 for no cases.\n"},
    {"plan", as_cmd_plan, "SUITE", "before anything is spent: tokens, time, cost, what it can show",
     "Checks the suite like run does and says how many cases there are, what they will take, and\n"
     "for each gate and slice the smallest drop that these cases find 8 times in 10, and how many\n"
     "cases its margin needs. Tokens, time and cost come from the suite's last run in the "
     "history;\n"
     "without one from a few cases asked of a target in this process, or from the prompts' sizes.\n"
     "How many cases turn between two runs comes from the last runs too, else 1 in 10 is "
     "assumed.\n"},
    {"gate", as_cmd_gate, "RUN", "judge a stored run again, against --baseline REF",
     "RUN is a run id, latest, tag:NAME, branch:NAME, or the path of a run's directory,\n"
     "summary.json or results.jsonl. Uses the gates of the run's suite and those of --gate.\n"},
    {"compare", as_cmd_compare, "A B [C...]", "paired comparison of runs; A is the baseline",
     "Every metric over the cases that both runs hold: change, 95 % interval, p-value, the\n"
     "smallest drop these cases would show, and the cases that flipped; the slices that got worse\n"
     "(Benjamini-Hochberg at 0.10 over all of them, surest first); how alike the runs answer, and\n"
     "the KL divergence of what they thought of the choices; time and cost as paired ratios; the\n"
     "memory of the weights. Of three or more runs each is held against A, and those that no "
     "other\n"
     "beats in quality, time, cost and memory together are on the front. --out FILE writes a "
     "page,\n"
     "--gate 'EXPR' judges each with the exit codes of run.\n"},
    {"report", as_cmd_report, "[RUN]", "HTML: one run, or the trend of a suite over the history",
     "Without RUN: the trend of --suite (default: the one run last), since --since: every metric\n"
     "with its interval, gates, changes of level, slices, speed, the cases that broke. Writes\n"
     "report.html or trend.html, or --out, and prints the path.\n"
     "With RUN and --format NAME, on stdout or to --out: json (summary), markdown, junit, sarif,\n"
     "codequality (GitLab), openmetrics, csv, jsonl, lm-eval, lm-eval-samples, promptfoo.\n"
     "With RUN and --comment, in a build of a pull request: its Markdown as one comment a suite,\n"
     "updated by later runs. github needs GITHUB_TOKEN (permission pull-requests: write), gitlab\n"
     "GITLAB_TOKEN (scope api). Prints the address. The exit code is not the gate's: 3 when the\n"
     "comment was not taken.\n"},
    {"history", as_cmd_history, "VERB",
     "what was run: list, show, case, tag, accept, audit, import, export, prune, rebuild",
     "  list                  runs, newest first (--suite, --since, --limit)\n"
     "  show RUN              the table of one run\n"
     "  case ID               what became of one case in every run, with its attempts\n"
     "  tag RUN NAME          gives a run a name: a baseline can be tag:NAME\n"
     "  accept RUN --why TEXT makes it a baseline whatever its verdict; noted with who and when\n"
     "  audit                 who accepted, tagged and pruned runs and loosened gates\n"
     "  import FILE           adds a run from its directory, results.jsonl or summary.json; twice\n"
     "                        is the same as once\n"
     "  export RUN --out DIR  writes results.jsonl and summary.json again\n"
     "  prune                 deletes all but the newest --keep N runs of each suite, or what is\n"
     "                        --older-than AGE, or what is both; tagged and accepted runs, the\n"
     "                        baselines of kept runs and `latest` stay\n"
     "  rebuild               scores every run's samples again and writes its metrics anew; exit\n"
     "                        code 3 where a bit differs\n"},
    {"alert", as_cmd_alert, "VERB", "test SUITE, flush, list: who is told when a gate fails",
     "  test SUITE   sends a test to every sink of the suite's `alert`, and says what each "
     "answered;\n"
     "               with --resolve that it is over. Exit code 3 where one did not take it\n"
     "  flush        sends what waits, also what was refused before\n"
     "  list         what fires, and what waits\n"
     "What a suite can say: assay help alerts.\n"},
    {"bench", as_cmd_bench, "TARGET [B]", "load on a target: latency, throughput, saturation",
     "Closed loop: --concurrency requests at once, each followed by the next. Open loop (--rate):\n"
     "requests start when they are meant to, whether earlier ones were answered or not, and\n"
     "latency counts from the intended start. Percentiles are by nearest rank; one that fewer\n"
     "than one request lies beyond is withheld.\n"
     "\n"
     "With a second target both are asked in turn, in blocks A B B A: the ratio of requests a\n"
     "second and of each time is the geometric mean over ten pairs of blocks, with its 95 %\n"
     "interval. --sweep doubles the concurrency until that brings nothing; with --rate it doubles\n"
     "the rate from there until the target does not keep up, and narrows the place down.\n"
     "\n"
     "  e2e      to the last byte of the attempt that was answered\n"
     "  ttft     to the first piece of text\n"
     "  tpot     (e2e - ttft) / (tokens out - 1), as vLLM defines it\n"
     "  itl      between one piece of a stream and the next, over all requests\n"
     "  late     sent so much after the intended start (open loop)\n"
     "  goodput  answers a second that keep every bound of --slo\n"
     "What vLLM, guidellm, AIPerf and llmperf call by these names is printed beside them.\n"},
    {"serve", as_cmd_serve, "", "the same pages live over the history, /metrics and an API",
     "Pages: / (suites), /suites/S (over time), /suites/S/cases (search), /suites/S/cases/ID,\n"
     "/runs, /runs/RUN, /compare?a=RUN&b=RUN. For machines: /healthz, /metrics (OpenMetrics), and\n"
     "below /api/v1: suites, suites/S/runs, suites/S/verdict?commit=C (or branch=B), suites/S/\n"
     "cases/ID, runs, runs/RUN, runs/RUN/samples?from=N&limit=N. With --token-file also POST\n"
     "runs/RUN/tags {\"name\": N}, with 'Authorization: Bearer TOKEN'; without it nothing is\n"
     "written. Prints its address; SIGINT and SIGTERM let answers under way finish.\n"},
    {"model", as_cmd_model, "VERB", "inspect FILE, quantize IN OUT TYPE, perplexity, bench, pull",
     "  inspect FILE           what a GGUF file holds: architecture, shape, tokenizer, types\n"
     "  quantize IN OUT TYPE   the same model with its weights brought to TYPE: f32, f16, bf16,\n"
     "                         q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k_s, q3_k_m, q3_k_l, "
     "q4_k_s,\n"
     "                         q4_k_m, q5_k_s, q5_k_m, q6_k, iq4_nl, iq4_xs or mxfp4\n"
     "  perplexity MODEL FILE  of a text, in windows of 512 tokens (?ctx=N): the second half of\n"
     "                         each is scored\n"
     "  bench MODEL            tokens per second of prompt and decoding, beside what this machine\n"
     "                         can read and compute; and of 32 cases at once after one prefix,\n"
     "                         cases per second (4 choices each) and tokens per second\n"
     "  pull SOURCE            hf:OWNER/REPO[@REVISION]/FILE or its URL: pinned to the commit,\n"
     "                         resumed, all parts of a model, verified by the SHA-256 that the "
     "hub\n"
     "                         states; to --out PATH, else .assay/models/OWNER/REPO/FILE, with\n"
     "                         FILE.source.json. The token is $HF_TOKEN, the hub $HF_ENDPOINT.\n"
     "                         ollama-store:MODEL[:TAG] (also as gguf:ollama-store:MODEL) and\n"
     "                         file:PATH are verified where they are\n"
     "MODEL is a file or a target: gguf:PATH?quant=q4_0&threads=2. With ?quant=TYPE weights are\n"
     "brought to TYPE at load, with the same results as the quantized file.\n"
     "\n"
     "TYPE means what it means to llama-quantize without a matrix of importance, and gives the\n"
     "same tensors: norms, biases, routers and position tables stay; the output matrix gets q6_k;\n"
     "_s, _m and _l, q2_k and iq4_* give more bits to the layers that need them; mxfp4 is for\n"
     "experts and the rest gets q8_0. q3_k, q4_k and q5_k are short for their _m. Rows that are "
     "no\n"
     "multiple of 256 fall back: q2_k and q3_k to q4_0, q4_k to q5_0, q5_k to q5_1, q6_k to q8_0,\n"
     "iq4_xs to iq4_nl; rows that are no multiple of 32 to f16. A model in parts becomes one "
     "file.\n"},
    {"targets", as_cmd_targets, "[NAME]", "the presets: vendors, clouds, servers and frameworks",
     "Without NAME: every preset with its adapter, the variable of its key, and what it was\n"
     "checked against. With NAME: its file. A file presets/NAME.yaml beside the suite comes "
     "before\n"
     "the one in the program; preset:FILE.yaml#MODEL is any other.\n"},
    {"help", as_cmd_help, "[TOPIC]",
     "this, a command, a metric, or: metrics, targets, gates, alerts, store, exit-codes", ""},
    {NULL, NULL, NULL, NULL, NULL},
};

static void put_options(as_buf *out, as_str command, bool everywhere) {
    for (const as_option *o = as_options; o->name; o++) {
        bool general = strcmp(o->commands, "*") == 0;
        if (general != everywhere || !as_option_fits(o, command)) continue;
        char letter[8] = "    ", name[48];
        if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(name, sizeof name, "--%s%s%s", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        as_buff(out, "  %s%-22s %s\n", letter, name, o->text);
    }
}

static void put_overview(as_buf *out) {
    as_buf_text(out, "assay " ASSAY_VERSION " - evaluates language models and fails builds on "
                     "regression\n\nusage: assay COMMAND [OPTION...]\n\n");
    for (const as_command *c = as_commands; c->name; c++) {
        char left[40];
        snprintf(left, sizeof left, "%s %s", c->name, c->operands);
        as_buff(out, "  %-18s %s\n", left, c->text);
    }
    as_buf_text(out, "\noptions of every command:\n");
    put_options(out, AS_STR(""), true);
    as_buf_text(out, "\nexit codes: 0 every gate holds, 1 a gate failed, 2 the request is wrong,\n"
                     "  3 it could not be measured, 4 undecided, 130 interrupted\n"
                     "\nfirst steps: assay run suites/support/suite.yaml\n");
}

static void put_command(as_buf *out, const as_command *c) {
    as_buff(out, "usage: assay %s %s [OPTION...]\n%s\n\n%s\noptions:\n", c->name, c->operands,
            c->text, c->details);
    put_options(out, as_str_of(c->name), false);
    put_options(out, as_str_of(c->name), true);
}

static void put_targets(as_buf *out) {
    for (size_t i = 0; as_targets[i]; i++) as_buff(out, "  %s\n", as_targets[i]->syntax);
    as_buf_text(
        out,
        "\nkeys of gguf:\n"
        "  threads=N      lanes that compute side by side (all processors). Cases share batches\n"
        "                 and one cache of keys and values: what prompts begin with alike is\n"
        "                 computed once. --concurrency says how many cases are under way\n"
        "  memory=SIZE    for that cache (512M, and more where one context needs it); what was "
        "used\n"
        "                 the longest ago goes first. -v says what was used\n"
        "  kv=TYPE        how it keeps them: f32, f16 (half the memory), q8_0 (about a quarter).\n"
        "                 The latter two are another model: results differ, and the run says so\n"
        "  device=D       cpu, or cuda:0 and so on: an NVIDIA GPU, with the same results to the "
        "bit\n"
        "                 (cuda:0-fast: products of halves on its tensor cores, another model).\n"
        "                 threads then are batches under way side by side (2)\n"
        "  chat template  the file's own renders the prompt's turns (prompt.chat: raw: none does). "
        "It\n"
        "                 also gets prompt.tools (a list, or a JSON file) and prompt.date, the "
        "day\n"
        "                 that its strftime_now tells. Control tokens that texts spell are text,\n"
        "                 unless prompt.special_tokens is `control`. The hash of each prompt and\n"
        "                 of the template are recorded. Of a file with several, tools are given "
        "to\n"
        "                 its `tool_use`, all else is to its default, unless prompt.chat_template\n"
        "                 names one (assay model inspect lists them)\n"
        "  answers        of gpt-oss come in messages: the one on the channel `final` is the "
        "answer,\n"
        "                 or else the call of a tool; what is thought aloud is kept apart, in\n"
        "                 `reasoning`. Kept to a form (assay help constraints), all is the answer\n"
        "  prompt.messages  names a field of the cases that holds turns: {role, content}, with\n"
        "                 tool_calls, tool_call_id and what else there is. They stand between\n"
        "                 prompt.system and prompt.user, which need not be there, and reach the\n"
        "                 template, the chat endpoints of openai: and ollama:, cmd: and http: "
        "files\n"
        "                 whose body has `messages` as they are\n"
        "  loading        what it cost for a file of 64 MiB or more is kept and checked in\n"
        "                 $XDG_CACHE_HOME/assay or ~/.cache/assay, at most 8 GiB in all\n"
        "  latency        counts from when the engine begins with a case, others beside it\n"
        "\npresets (assay targets): NAME:MODEL, or NAME:URL#MODEL for another address, with the "
        "keys of\n"
        "  its adapter and ?base=URL: groq:MODEL, anthropic:MODEL, vllm:http://gpu1:8000/v1#MODEL\n"
        "\nkeys of every target behind HTTP (openai, ollama, tgi, kserve, http, presets):\n"
        "  timeout=S      for one attempt (120)      connect=S     for the connection (10)\n"
        "  first_byte=S   until an answer begins     retries=N     after the first attempt (3)\n"
        "  max_wait=S     longest Retry-After that is waited for (120)\n"
        "  patience=S     how long a target that worked may fail before it is given up (60)\n"
        "  rpm=N, tpm=N   requests and tokens a minute\n"
        "  max_mb=N       largest response (8)\n"
        "                 `tries` in results.jsonl is what each attempt came to, of every case\n"
        "                 that took more than one or whose only one failed\n"
        "  key_env=NAME   variable that holds the key (none: send none)   key_file=PATH\n"
        "  ca_file=PATH   authorities to trust instead of the system's\n"
        "  metrics=yes    read the server's own /metrics before, while and after it is asked (or\n"
        "                 metrics=URL): vLLM, SGLang, TGI, llama.cpp, Triton (at its port 8002)\n"
        "\n"
        "  Replicas: openai:http://a/v1,http://b/v1#MODEL (also tgi, kserve) asks several servers "
        "of\n"
        "  one model: each request goes to the one with the fewest under way; one that fails 3 "
        "times\n"
        "  in a row is left alone until an attempt succeeds. twice=N asks N percent of the cases "
        "of a\n"
        "  second one too (not in costs) and counts other texts. The summary has a row for "
        "each.\n");
    as_buf_text(
        out,
        "\n"
        "  Retried: refused and broken connections, timeouts, streams that were cut, 408 409 425\n"
        "  429 5xx. Not: other 4xx, answers that are not understood. 401 402 403 404 end the run.\n"
        "\n"
        "choice: openai's +completions and tgi score the choices by log-probability (and the "
        "texts\n"
        "  of loglikelihood and rolling), kserve takes numbers for scores. Elsewhere the answer "
        "is\n"
        "  generated and matched: exactly, then without quotes and case, then as the only choice\n"
        "  that stands in the text; none or several is no prediction. Unless all choices stand in\n"
        "  the prompt they are listed at its end (choice=bare: never).\n"
        "\n"
        "openai: extra=FILE is an object whose members go into every request (tools,\n"
        "  response_format, ..); logprobs=yes keeps the log-probability of what was generated;\n"
        "  score=after_bos is for llama-cpp-python, whose log-probabilities are one token late\n"
        "  where the model has no beginning token: those are refused.\n"
        "kserve: datatype=FP32 takes the prompt as a list of numbers, binary=yes sends tensors as\n"
        "  bytes, classification=yes asks Triton for its classes.\n"
        "\n"
        "embed: texts into vectors by gguf: (encoders; decoders whose file, or ?pooling=mean, cls "
        "or\n"
        "  last, says how), openai: (/embeddings), ollama: (/api/embed), tgi: (/embed). The prompt "
        "is\n"
        "  the query, without a template. `choices` are documents: a list, {labels: dataset}, "
        "{from:\n"
        "  FILE} whose cases have id and text, or {field: NAME}, a list of texts or {id, text} in\n"
        "  each case. Nearest by cosine comes first: `ranking` for retrieval metrics (the first\n"
        "  1000), its first as the prediction. `expected`: ids, or grades by id. Of vectors the\n"
        "  journal keeps the hash. What a model wants in front of documents stands in their "
        "texts.\n"
        "\n"
        "http:FILE.yaml\n"
        "  url: https://host/v1/answer          templates: url, query, body. They see prompt,\n"
        "  query: {version: 2}                  messages, system, turns (the other messages), "
        "choices,\n"
        "  method: POST                         max_tokens, temperature, top_p, top_k, min_p, "
        "seed,\n"
        "  model: ours                          stop, id, model\n"
        "  headers: {X-Tenant: acme, X-Id: {env: NAME}}\n"
        "  auth: bearer                         bearer, basic (key is user:password), "
        "header:NAME,\n"
        "  key_env: OUR_KEY                     none; or key_file\n"
        "  auth: {command: CMD, keep: 300}      a command that prints a token, or an object with\n"
        "                                       access_token and expires_in\n"
        "  auth: {aws: bedrock, region: R}      AWS Signature V4, keys from AWS_ACCESS_KEY_ID, ..\n"
        "  body: '{\"text\": {{ prompt | tojson }}, \"max\": {{ max_tokens }}}'\n"
        "  stream: sse                          sse, lines, no\n"
        "  response: {text: choices.0.text, tokens_in: usage.in, tokens_out: usage.out}\n"
        "                                       also reasoning, scores, finish, error, refused. "
        "Paths:\n"
        "                                       a.0.b, a.-1.b (last), a.*.b (all, joined), a | b "
        "(the\n"
        "                                       first that is there), $ (the body)\n"
        "  poll: {url: 'https://host/jobs/{{ response.id }}', status: status, done: [ok],\n"
        "         failed: [failed], every: 1, most: 600}      asked by GET until it is done\n"
        "\n");
    as_buf_text(
        out,
        "cmd:COMMAND reads {\"id\", \"task\", \"prompt\", \"messages\", \"choices\", "
        "\"max_tokens\",\n"
        "  \"temperature\", \"seed\", \"stop\"} a line and writes {\"output\"} a line; for choices "
        "also\n"
        "  {\"choice_logprobs\": [..]}; optional tokens_in, tokens_out, reasoning, refused, "
        "error\n");
}

static void put_gates(as_buf *out) {
    as_buf_text(
        out,
        "  accuracy >= 0.89                      the value itself against a threshold\n"
        "  accuracy >= 0.89 prove                its one-sided 95 % bound: proven to keep the\n"
        "                                        limit, proven to miss it (1), or undecided (4)\n"
        "  accuracy[tag=critical] >= 0.95        on a slice\n"
        "  accuracy[channel=*] >= 0.8            on every slice of a field, a check each\n"
        "  accuracy[tag=canary] every >= 1       must-pass cases: each by itself, no statistics;\n"
        "                                        0.5 is the majority of several samples a case\n"
        "  latency.p95 <= 100 ms                 units: ms, s, %\n"
        "  accuracy drop <= 0.01                 against the baseline, case by case: fails on a\n"
        "                                        proven drop, unless it is proven to stay within\n"
        "                                        0.01; cannot tell: warns (--strict: exit code 4)\n"
        "  accuracy drop <= 0.02 prove           fails unless no larger drop is proven; cannot\n"
        "                                        tell: exit code 4, and says how many cases it\n"
        "                                        would take\n"
        "  latency.mean rise <= 5%               times and costs: rise is the drop of a metric\n"
        "                                        where lower is better; with % the geometric mean\n"
        "                                        of the cases' ratios (p50 to p99: of the runs'\n"
        "                                        quantiles), without it the difference\n"
        "\n"
        "  Missing answers (target errors) never help: a gate that would not hold had each been\n"
        "  the worst possible is not measured (exit code 3).\n"
        "  Several drop gates are corrected for one another by Holm's method.\n");
}

static void put_exit_codes(as_buf *out) {
    as_buf_text(out,
                "    0  every gate holds\n"
                "    1  a gate failed: a threshold is broken or a regression is proven\n"
                "    2  the request is wrong: usage, suite, dataset, model file; nothing was run\n"
                "    3  it could not be measured: target or store failed, more errors than\n"
                "       max_errors, zero cases\n"
                "    4  undecided: a prove gate has too few cases to rule the drop out\n"
                "  130  interrupted; the journal is kept and --resume continues\n"
                "  Of several runs the most serious counts: 130, 2, 3, 1, 4, 0.\n");
}

static const struct topic {
    const char *name;
    void (*put)(as_buf *out);
} topics[] = {{"metrics", as_metric_help},   {"targets", put_targets},
              {"gates", put_gates},          {"alerts", as_help_alerts},
              {"store", as_help_store},      {"constraints", as_help_constraints},
              {"exit-codes", put_exit_codes}};

static as_rc put_topic(as_buf *out, as_str name, as_err *err) {
    const char *names[320];
    size_t count = 0;
    bool found = false;
    for (const as_command *c = as_commands; c->name; c++) {
        names[count++] = c->name;
        if (!as_str_is(name, c->name)) continue;
        put_command(out, c);
        found = true;
    }
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        names[count++] = topics[i].name;
        if (!as_str_is(name, topics[i].name)) continue;
        if (found) as_buf_text(out, "\nthe targets:\n"); // a command and a topic in one
        topics[i].put(out);
        found = true;
    }
    if (found) return AS_OK;
    if (as_metric_help_one(out, name)) return AS_OK;
    for (const char *const *m = as_metric_names(); *m; m++) names[count++] = *m;
    names[count] = NULL;
    const char *near = as_str_nearest(name, names);
    return as_fail(err, AS_INVALID, "no help on '%.*s'%s%s%s", AS_STR_ARG(name),
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int as_cmd_help(const as_args *args) {
    as_err err = {0};
    as_buf out = {0};
    as_rc rc = AS_OK;
    as_str topic = args->operands.count ? args->operands.items[0] : AS_STR("");
    if (topic.len)
        rc = put_topic(&out, topic, &err);
    else
        put_overview(&out);
    if (!rc) rc = as_outputs_print(as_buf_view(&out), &err);
    as_buf_free(&out);
    return rc ? as_command_fail(&err) : 0;
}
