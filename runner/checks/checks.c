// SPDX-License-Identifier: Apache-2.0
#include "runner/checks/checks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/net/allow.h"
#include "harness/net/call.h"
#include "runner/checks/program.h"

enum { ARGV_MAX = 64, REASON_MAX_BYTES = 500 };
enum { COMMAND, JAVASCRIPT, PYTHON, RUBY, WEBHOOK, KINDS };

static const char *const kinds[KINDS] = {"command", "javascript", "python", "ruby", "webhook"};

// What calls the suite's code: stdin has {check: {file, function, code}, output, context}.
static const char run_javascript[] =
    "const i=JSON.parse(require('fs').readFileSync(0,'utf8')),c=i.check;(async()=>{let f;"
    "if(c.file){let m;try{m=require(c.file)}catch(e){if(e.code!=='ERR_REQUIRE_ESM')throw e;"
    "m=await import('file://'+c.file)}"
    "f=c.function?m[c.function]:typeof m==='function'?m:m.default}"
    "else{const t=c.code.trim();f=new Function('output','context',"
    "t.includes('\\n')?t:/^(const|let|var)\\s/.test(t)?t.replace(/;([^;]+);*$/,'; return $1')"
    ":'return '+t.replace(/;+$/,''))}"
    "const r=await f(i.output,i.context);process.stdout.write('\\n'+JSON.stringify(r)+'\\n')})()"
    ".catch(e=>{console.error(String(e));process.exitCode=1})";
static const char run_python[] =
    "import importlib.util,json,os,sys,textwrap\n"
    "i=json.load(sys.stdin);c=i['check'];sys.argv=['-']\n"
    "if c.get('file'):\n"
    " sys.path.insert(0,os.path.dirname(c['file']))\n"
    " s=importlib.util.spec_from_file_location('check',c['file'])\n"
    " m=importlib.util.module_from_spec(s);s.loader.exec_module(m)\n"
    " f=getattr(m,c.get('function') or 'get_assert')\n"
    "else:\n"
    " t=textwrap.dedent(c['code']).strip();d={'json':json}\n"
    " b=t if '\\n' in t else 'return '+t\n"
    " exec('def f(output,context):\\n'+textwrap.indent(b,'  '),d);f=d['f']\n"
    "r=f(i['output'],i['context'])\n"
    "print('\\n'+json.dumps(r))\n";

static const char run_ruby[] =
    "require 'json'\n"
    "i = JSON.parse(STDIN.read); c = i['check']; f = c['file'].to_s\n"
    "if f.empty?\n"
    " r = eval(\"->(output, context) {\\n#{c['code']}\\n}\").call(i['output'], i['context'])\n"
    "else\n"
    " load f; n = c['function'].to_s\n"
    " r = send(n.empty? ? 'get_assert' : n, i['output'], i['context'])\n"
    "end\n"
    "print \"\\n\" + JSON.generate(r) + \"\\n\"\n";

typedef struct check {
    int kind;
    as_str metric;              // its name
    const char *argv[ARGV_MAX]; // of a program; ends with NULL
    as_str file, function, code, url;
    double timeout_s;
    bool warned;
} check;

struct as_checks {
    as_arena arena;
    check *items;
    size_t count;
    const char *dir;
    as_http *http; // NULL until one is needed
};

void as_checks_free(as_checks *checks) {
    if (!checks) return;
    if (checks->http) as_http_free(checks->http);
    as_arena_free(&checks->arena);
    free(checks);
}

static int kind_of(as_str name) {
    if (as_str_starts(name, AS_STR("not-"))) name = as_str_sub(name, 4, name.len);
    int kind = 0;
    while (kind < KINDS && !as_str_is(name, kinds[kind])) kind++;
    return kind;
}

static as_str option(const as_metric_spec *spec, const char *key) {
    const as_yaml *value = spec->options ? as_yaml_get(spec->options, key) : NULL;
    return value ? value->text : AS_STR("");
}

static as_rc set_argv(as_arena *arena, const as_metric_spec *spec, check *c, as_err *err) {
    const as_yaml *argv = as_yaml_get(spec->options, "argv");
    bool list = argv->kind == AS_YAML_LIST;
    size_t n = 0;
    if (list && argv->count >= ARGV_MAX)
        return as_fail(err, AS_INVALID, "metric 'command' takes at most %d words in 'argv'",
                       ARGV_MAX - 1);
    for (const as_yaml *m = list ? argv->child : argv; m; m = list ? m->next : NULL)
        c->argv[n++] = as_str_copy(arena, m->text).ptr;
    return AS_OK;
}

// file://FILE[:FUNCTION] or code.
static as_rc set_code(as_checks *checks, as_str value, check *c, as_err *err) {
    static const char *const javascript[] = {"node", "-e", run_javascript, NULL};
    static const char *const python[] = {"python3", "-B", "-c", run_python, NULL};
    static const char *const ruby[] = {"ruby", "-e", run_ruby, NULL};
    const char *const *argv = c->kind == JAVASCRIPT ? javascript : c->kind == RUBY ? ruby : python;
    for (size_t i = 0; argv[i]; i++) c->argv[i] = argv[i];
    c->code = as_str_copy(&checks->arena, value);
    if (!as_str_starts(value, AS_STR("file://"))) return AS_OK;
    as_str path = as_str_sub(value, 7, value.len);
    size_t colon = as_str_find(path, AS_STR(":"), 0);
    if (colon != SIZE_MAX) {
        c->function = as_str_copy(&checks->arena, as_str_sub(path, colon + 1, path.len));
        path = as_str_sub(path, 0, colon);
    }
    char *whole = realpath(as_path_join(&checks->arena, as_str_of(checks->dir), path).ptr, NULL);
    if (!whole)
        return as_fail(err, AS_INVALID, "metric '%s': there is no file '%.*s'", kinds[c->kind],
                       AS_STR_ARG(path));
    c->file = as_str_copy(&checks->arena, as_str_of(whole));
    free(whole);
    return AS_OK;
}

static as_rc set_url(as_checks *checks, as_str value, const as_args *args, check *c, as_err *err) {
    as_url url;
    bool listed = args->allow_hosts.count > 0;
    if (args->offline)
        return as_fail(err, AS_INVALID,
                       "metric 'webhook' asks a service, and --offline opens no "
                       "connection");
    c->url = as_str_copy(&checks->arena, value);
    as_rc rc = as_url_parse(c->url, &url, err);
    if (rc) as_err_prefix(err, "metric 'webhook'");
    if (!rc && !as_url_is_loopback(&url) && !(listed && as_allow_has(&url)))
        rc = as_fail(err, AS_INVALID,
                     "metric 'webhook' sends answers to '%.*s', which is another machine: say "
                     "--allow-host %.*s",
                     AS_STR_ARG(c->url), AS_STR_ARG(url.host));
    if (!rc && !checks->http) {
        as_http_options options = {.connections_max = 1};
        rc = as_http_new(&options, &checks->http, err);
    }
    return rc;
}

static as_rc add(as_checks *checks, const as_metric_spec *spec, int kind, const as_args *args,
                 as_err *err) {
    check *c = &checks->items[checks->count++];
    as_str label = option(spec, "as"), timeout = option(spec, "timeout");
    *c = (check){.kind = kind, .timeout_s = 10};
    c->metric = as_str_copy(&checks->arena, label.len ? label : spec->name);
    if (timeout.len && !as_str_to_f64(timeout, &c->timeout_s))
        return as_fail(err, AS_INVALID, "metric '%s': 'timeout' is no number", kinds[kind]);
    if (kind != WEBHOOK && !args->allow_commands)
        return as_fail(err, AS_INVALID,
                       "metric '%s' runs a program that the suite names: say --allow-commands if "
                       "you trust the suite",
                       kinds[kind]);
    if (kind == COMMAND) return set_argv(&checks->arena, spec, c, err);
    if (kind == WEBHOOK) return set_url(checks, option(spec, "value"), args, c, err);
    return set_code(checks, option(spec, "value"), c, err);
}

as_rc as_checks_new(const as_metric_spec *specs, size_t count, as_str base_dir, const as_args *args,
                    as_checks **out, as_err *err) {
    as_checks *checks = as_mem_new(sizeof *checks);
    as_rc rc = AS_OK;
    checks->items = AS_NEW_ARRAY(&checks->arena, check, count + 1);
    checks->dir = as_str_copy(&checks->arena, base_dir.len ? base_dir : AS_STR(".")).ptr;
    for (size_t i = 0; !rc && i < count; i++) {
        int kind = kind_of(specs[i].name);
        if (kind < KINDS) rc = add(checks, &specs[i], kind, args, err);
    }
    if (rc || !checks->count) {
        as_checks_free(checks);
        checks = NULL;
    }
    if (!rc) *out = checks;
    return rc;
}

// ---- what is asked ----

static as_str request_of(as_arena *arena, const check *c, const as_sample *sample,
                         const as_json *vars, as_str prompt) {
    as_buf text = {0};
    as_json_out jo = {.buf = &text};
    as_jo_open(&jo, '{');
    as_jo_put_str(&jo, "id", sample->id);
    as_jo_put_str(&jo, "output", sample->prediction);
    as_jo_put_str(&jo, "raw_output", sample->output);
    as_jo_key(&jo, "expected");
    if (sample->expected)
        as_jo_json(&jo, sample->expected);
    else
        as_jo_null(&jo);
    as_jo_key(&jo, "context");
    as_jo_open(&jo, '{');
    as_jo_put_str(&jo, "prompt", prompt);
    as_jo_key(&jo, "vars");
    if (vars)
        as_jo_json(&jo, vars);
    else
        as_jo_null(&jo);
    as_jo_close(&jo, '}');
    if (c->kind != COMMAND && c->kind != WEBHOOK) {
        as_jo_key(&jo, "check");
        as_jo_open(&jo, '{');
        as_jo_put_str(&jo, "file", c->file);
        as_jo_put_str(&jo, "function", c->function);
        as_jo_put_str(&jo, "code", c->code);
        as_jo_close(&jo, '}');
    }
    as_jo_close(&jo, '}');
    as_buf_char(&text, '\n');
    as_str copy = as_str_copy(arena, as_buf_view(&text));
    as_buf_free(&text);
    return copy;
}

// ---- what is answered ----

static as_str last_line(as_str text) {
    as_str line = AS_STR("");
    while (text.ptr) {
        as_str one = as_str_trim(as_str_cut(&text, '\n'));
        if (one.len) line = one;
    }
    return line;
}

static void fail(as_code_verdict *out, as_str reason) {
    out->failed = true;
    out->pass = false;
    out->reason = as_str_sub(reason, 0, REASON_MAX_BYTES);
}

static void take(as_arena *arena, as_str text, as_code_verdict *out) {
    const as_json *v;
    if (as_json_parse(arena, text, &v, NULL)) {
        fail(out, AS_STR("its verdict is no JSON"));
        return;
    }
    const as_json *pass = as_json_get(v, "pass"), *score = as_json_get(v, "score");
    bool scored = score && score->kind == AS_JSON_NUMBER;
    if (v->kind == AS_JSON_BOOL) {
        out->pass = v->boolean;
        out->score = v->boolean;
    } else if (v->kind == AS_JSON_NUMBER) {
        out->number = true;
        out->score = v->number;
        out->pass = v->number > 0;
    } else if (pass && pass->kind == AS_JSON_BOOL) {
        out->pass = pass->boolean;
        out->score = scored ? score->number : pass->boolean;
        out->reason = as_str_sub(as_json_str(v, "reason", AS_STR("")), 0, REASON_MAX_BYTES);
    } else {
        fail(out, AS_STR("its verdict is neither true, false, a number nor {pass: ..}"));
    }
}

static as_rc run_program(as_checks *checks, const check *c, as_arena *arena, as_str in,
                         as_code_verdict *out, as_err *err) {
    as_program program = {c->argv, checks->dir, c->timeout_s};
    as_str said, failed;
    as_rc rc = as_program_run(&program, arena, in, &said, &failed, err);
    if (rc) as_err_prefix(err, "metric '%.*s'", AS_STR_ARG(c->metric));
    if (rc) return rc;
    if (failed.len)
        fail(out, failed);
    else
        take(arena, last_line(said), out);
    return AS_OK;
}

static as_rc ask_service(as_checks *checks, const check *c, as_arena *arena, as_str in,
                         as_code_verdict *out, as_err *err) {
    static const as_http_header headers[] = {
        {.name = {"Content-Type", 12}, .value = {"application/json", 16}}};
    uint64_t ms = (uint64_t)(c->timeout_s * 1000);
    as_http_request request = {.method = AS_STR("POST"),
                               .url = c->url,
                               .headers = headers,
                               .header_count = 1,
                               .body = in,
                               .limits = {.total_ms = ms, .body_max = AS_PROGRAM_OUT_MAX}};
    as_call_policy policy = {.attempts = 2, .backoff_ms = 100, .budget_ms = ms};
    as_call_result result = as_call(checks->http, &request, &policy);
    if (as_call_succeeded(result.reply))
        take(arena, as_str_trim(as_str_copy(arena, as_buf_view(&result.reply->body))), out);
    else
        fail(out, as_call_reason(arena, result.reply));
    // Nobody there, or nobody that may be asked: that says nothing of an answer.
    as_rc rc = AS_OK;
    as_http_end end = result.reply->end;
    if (end == AS_HTTP_REFUSED || end == AS_HTTP_TLS || end == AS_HTTP_INVALID ||
        end == AS_HTTP_DENIED)
        rc = as_fail(err, AS_UNMEASURED, "metric '%.*s': '%.*s': %.*s", AS_STR_ARG(c->metric),
                     AS_STR_ARG(c->url), AS_STR_ARG(out->reason));
    as_http_release(checks->http, result.reply);
    return rc;
}

as_rc as_checks_fill(as_checks *checks, as_arena *arena, as_sample *sample, const as_json *vars,
                     as_str prompt, as_err *err) {
    if (!sample->has_prediction || as_outcome_is_error(sample->outcome)) return AS_OK;
    as_code_verdict *out = AS_NEW_ARRAY(arena, as_code_verdict, checks->count);
    for (size_t i = 0; i < checks->count; i++) {
        check *c = &checks->items[i];
        as_str in = request_of(arena, c, sample, vars, prompt);
        out[i] = (as_code_verdict){.metric = c->metric, .score = NAN, .reason = AS_STR("")};
        as_rc rc = AS_OK;
        if (c->kind == WEBHOOK)
            rc = ask_service(checks, c, arena, in, &out[i], err);
        else
            rc = run_program(checks, c, arena, in, &out[i], err);
        if (rc) return rc;
        if (out[i].failed && !c->warned)
            as_log_warning("%.*s: case '%.*s' fails: %.*s", AS_STR_ARG(c->metric),
                           AS_STR_ARG(sample->id), AS_STR_ARG(out[i].reason));
        c->warned |= out[i].failed;
    }
    sample->checks = out;
    sample->check_count = checks->count;
    return AS_OK;
}
