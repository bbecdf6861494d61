// SPDX-License-Identifier: Apache-2.0
#include "harness/target/remote/remote_open.h"

#include <stdlib.h>

#include "harness/base/file.h"
#include "harness/base/log.h"
#include "harness/net/allow.h"
#include "harness/net/url.h"

enum { WORKERS = 16, KEYS_MAX = 64 };

static const char *const common_keys[] = {
    "timeout", "connect", "first_byte", "retries",  "max_wait", "patience", "rpm",
    "tpm",     "max_mb",  "key_env",    "key_file", "ca_file",  "twice",    "metrics"};

static as_rc read_common(as_target *t, as_str uri, as_str base_dir, as_err *err) {
    const as_target_uri *p = &t->parsed;
    const struct {
        const char *key;
        int64_t least, most, *value;
    } counts[] = {{"timeout", 1, 86400, &t->timeout_s},
                  {"connect", 1, 600, &t->connect_s},
                  {"first_byte", 1, 86400, &t->first_byte_s},
                  {"retries", 0, 100, &t->retries},
                  {"max_wait", 0, 86400, &t->max_wait_s},
                  {"patience", 0, 86400, &t->patience_s},
                  {"rpm", 1, 100000000, &t->rpm},
                  {"tpm", 1, 1000000000000, &t->tpm},
                  {"max_mb", 1, 1024, &t->max_mb},
                  {"twice", 1, 100, &t->twice}};
    t->timeout_s = 120, t->connect_s = 10, t->retries = 3;
    t->max_wait_s = 120, t->patience_s = 60, t->max_mb = 8;
    as_rc rc = AS_OK;
    for (size_t i = 0; !rc && i < sizeof counts / sizeof *counts; i++)
        rc = as_target_uri_count(uri, p, counts[i].key, counts[i].least, counts[i].most,
                                 counts[i].value, err);
    as_str ca = as_target_uri_value(p, "ca_file", (as_str){0});
    if (ca.ptr) t->ca_file = as_path_join(&t->arena, base_dir, ca).ptr;
    if (!rc && ca.ptr && !as_file_exists(t->ca_file))
        rc = as_fail(err, AS_INVALID, "target '%.*s': there is no ca_file '%s'", AS_STR_ARG(uri),
                     t->ca_file);
    return rc;
}

static void warn_plain_key(const as_target *t) {
    as_url url;
    if (t->setup.has_key && !as_url_parse(t->setup.endpoint, &url, NULL) && !url.tls &&
        !as_url_is_loopback(&url))
        as_log_warning("the key in %.*s goes to '%.*s' unencrypted: http, not https",
                       AS_STR_ARG(t->setup.key_hint), AS_STR_ARG(url.host));
}

// The list of allowed hosts is read before anything is asked: exit code 2.
static as_rc check_allowed(const as_target *t, as_err *err) {
    as_url url;
    if (as_url_parse(t->setup.endpoint, &url, NULL) || as_allow_has(&url)) return AS_OK;
    return as_fail(err, AS_INVALID, "target '%.*s': '%.*s' is not among the hosts of --allow-host",
                   AS_STR_ARG(t->setup.uri), AS_STR_ARG(url.host));
}

// All attempts to their last second, and the longest waits between them. An answer may ask for a
// pause of all requests: that is a wait of this one too.
static double worst_call(const as_target *t) {
    double wait_s =
        t->max_wait_s > AS_REMOTE_BACKOFF_MAX_S ? (double)t->max_wait_s : AS_REMOTE_BACKOFF_MAX_S;
    return (double)(t->retries + 1) * (double)t->timeout_s + (double)t->retries * wait_s;
}

// "URL,URL#MODEL": the wire sees the first server alone.
static as_rc read_replicas(as_target *t, as_str uri, as_err *err) {
    as_str model = t->parsed.rest, list = as_str_cut(&model, '#');
    as_rc rc = as_replica_bases(&t->arena, list, &t->bases, &t->base_count, err);
    if (!rc && t->twice && t->base_count < 2)
        rc = as_fail(err, AS_INVALID,
                     "'twice' compares replicas: name several, as in "
                     "openai:http://a/v1,http://b/v1#MODEL");
    if (rc) as_err_prefix(err, "target '%.*s'", AS_STR_ARG(uri));
    if (rc || t->base_count == 1) return rc;
    t->parsed.rest =
        model.ptr ? as_strf(&t->arena, "%.*s#%.*s", AS_STR_ARG(t->bases[0]), AS_STR_ARG(model))
                  : t->bases[0];
    return AS_OK;
}

as_rc as_remote_open(const as_wire_ops *ops, as_str uri, as_str base_dir, as_target **out,
                     as_err *err) {
    return as_remote_open_preset(ops, &(as_remote_preset){0}, uri, base_dir, out, err);
}

as_rc as_remote_open_preset(const as_wire_ops *ops, const as_remote_preset *preset, as_str uri,
                            as_str base_dir, as_target **out, as_err *err) {
    as_target *t = as_mem_new(sizeof *t);
    const char *allowed[KEYS_MAX] = {0};
    size_t count = 0;
    for (size_t i = 0; i < sizeof common_keys / sizeof *common_keys; i++)
        allowed[count++] = common_keys[i];
    for (size_t i = 0; ops->keys && ops->keys[i]; i++) allowed[count++] = ops->keys[i];
    for (size_t i = 0; preset->keys && preset->keys[i]; i++) allowed[count++] = preset->keys[i];
    t->ops = ops;
    as_rc rc = as_target_uri_parse(&t->arena, uri, allowed, &t->parsed, err);
    if (!rc) rc = read_common(t, uri, base_dir, err);
    t->setup = (as_wire_setup){.arena = &t->arena,
                               .uri = as_str_copy(&t->arena, uri),
                               .base_dir = as_str_copy(&t->arena, base_dir),
                               .parsed = &t->parsed};
    as_wire_header(&t->setup, AS_STR("Content-Type"), AS_STR("application/json"), false);
    as_str metrics_url = AS_STR("");
    if (!rc) rc = read_replicas(t, uri, err);
    if (!rc && preset->prepare) rc = preset->prepare(&t->setup, err);
    if (!rc) rc = ops->open(&t->setup, err);
    if (!rc) rc = check_allowed(t, err);
    if (!rc && t->base_count > 1 && !as_str_starts(t->setup.endpoint, t->bases[0]))
        rc = as_fail(err, AS_INVALID, "target '%.*s': replicas are for openai, tgi and kserve",
                     AS_STR_ARG(uri));
    if (!rc)
        rc = as_replica_metrics(&t->arena, t->setup.endpoint,
                                as_target_uri_value(&t->parsed, "metrics", AS_STR("no")),
                                &metrics_url, err);
    if (rc) {
        as_remote_close(t);
        return rc;
    }
    t->info = (as_target_info){.uri = t->setup.uri,
                               .model_sha256 = AS_STR(""),
                               .model_name = t->setup.model_name,
                               .device = AS_STR("remote"),
                               .engine = t->setup.endpoint,
                               .workers = WORKERS,
                               .call_worst_s = worst_call(t),
                               .outage_worst_s = (double)(t->patience_s + t->timeout_s),
                               .requests_per_s = (double)t->rpm / 60,
                               .metrics_url = metrics_url};
    warn_plain_key(t);
    *out = t;
    return AS_OK;
}

const as_target_info *as_remote_info(const as_target *t) {
    return &t->info;
}

as_rc as_remote_accepts(const as_target *t, const as_request *request, as_err *err) {
    as_rc rc = as_wire_accepts(t->ops, t->setup.wire, request, err);
    if (rc) as_err_prefix(err, "target '%.*s'", AS_STR_ARG(t->info.uri));
    return rc;
}

void as_remote_close(as_target *t) {
    if (t->setup.auth) as_auth_free(t->setup.auth);
    as_arena_free(&t->arena);
    free(t);
}

void as_remote_prepare(const as_target *t, as_arena *arena, as_request *request) {
    as_remote_built *first = AS_NEW(arena, as_remote_built);
    first->prompt_sha256 = AS_STR("");
    t->ops->build(t->setup.wire, arena, request, 0, &first->call, &first->prompt_sha256);
    request->prepared = first;
}
