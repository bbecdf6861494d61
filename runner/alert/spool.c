// SPDX-License-Identifier: Apache-2.0
#include "runner/alert/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/file.h"

enum { SCHEMA = 1, STATE_MAX = 16 << 20, POST_MAX = 4 << 20, SEEN_MAX = 1000 };

as_rc as_spool_open(as_spool *spool, const char *dir, as_err *err) {
    as_arena arena = {0};
    *spool = (as_spool){.dir = dir, .lock = -1};
    as_rc rc = AS_OK;
    if (!as_file_exists(dir)) {
        rc = as_dir_make(as_path_dir(&arena, as_str_of(dir)).ptr, err);
        if (!rc && mkdir(dir, 0700) && errno != EEXIST)
            rc = as_fail(err, AS_UNMEASURED, "cannot make the directory '%s': %s", dir,
                         strerror(errno));
    }
    if (!rc) {
        const char *path = as_strf(&arena, "%s/lock", dir).ptr;
        spool->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        int locked = spool->lock;
        while (locked >= 0 && (locked = flock(spool->lock, LOCK_EX)) && errno == EINTR) locked = 0;
        if (spool->lock < 0 || locked)
            rc = as_fail(err, AS_UNMEASURED, "cannot lock '%s': %s", path, strerror(errno));
    }
    if (rc) as_spool_close(spool);
    if (rc) err->rc = rc = AS_UNMEASURED;
    as_arena_free(&arena);
    return rc;
}

void as_spool_close(as_spool *spool) {
    if (spool->lock >= 0) close(spool->lock);
    spool->lock = -1;
}

// ---- state ----

static as_firing read_firing(const as_json *f) {
    as_str none = AS_STR("");
    return (as_firing){
        .key = as_json_str(f, "key", none),
        .sink = as_json_str(f, "sink", none),
        .sink_name = as_json_str(f, "sink_name", none),
        .scope = as_json_str(f, "scope", none),
        .metric = as_json_str(f, "metric", none),
        .slice = as_json_str(f, "slice", none),
        .since_ms = (int64_t)as_json_f64(f, "since_ms", 0),
        .since_run = as_json_str(f, "since_run", none),
        .since_commit = as_json_str(f, "since_commit", none),
        .good_run = as_json_str(f, "good_run", none),
        .good_commit = as_json_str(f, "good_commit", none),
    };
}

as_rc as_spool_read(const as_spool *spool, as_arena *arena, as_spool_state *out, as_err *err) {
    const char *path = as_strf(arena, "%s/state.json", spool->dir).ptr;
    *out = (as_spool_state){0};
    if (!as_file_exists(path)) return AS_OK;
    as_str text;
    const as_json *file;
    as_rc rc = as_file_read(arena, path, STATE_MAX, &text, err);
    if (!rc) rc = as_json_parse(arena, text, &file, err);
    if (!rc && as_json_f64(file, "schema", 0) != SCHEMA)
        rc = as_fail(err, AS_INVALID, "not the state of this assay's alerts");
    if (rc) {
        as_err_prefix(err, "'%s'", path);
        return rc;
    }
    const as_json *firing = as_json_get(file, "firing"), *seen = as_json_get(file, "seen");
    for (const as_json *f = firing ? firing->child : NULL; f; f = f->next) {
        as_firing one = read_firing(f);
        as_spool_add(out, arena, &one);
    }
    for (const as_json *s = seen ? seen->child : NULL; s; s = s->next)
        as_spool_see(out, arena, s->key, s->kind == AS_JSON_STRING ? s->text : AS_STR(""));
    return AS_OK;
}

static void write_firing(as_json_out *o, const as_firing *f) {
    const struct {
        const char *key;
        as_str value;
    } members[] = {{"key", f->key},
                   {"sink", f->sink},
                   {"sink_name", f->sink_name},
                   {"scope", f->scope},
                   {"metric", f->metric},
                   {"slice", f->slice},
                   {"since_run", f->since_run},
                   {"since_commit", f->since_commit},
                   {"good_run", f->good_run},
                   {"good_commit", f->good_commit}};
    as_jo_open(o, '{');
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        as_jo_key(o, members[i].key);
        as_jo_str(o, members[i].value);
    }
    as_jo_key(o, "since_ms");
    as_jo_i64(o, f->since_ms);
    as_jo_close(o, '}');
}

as_rc as_spool_write(const as_spool *spool, const as_spool_state *state, as_err *err) {
    as_buf text = {0};
    as_arena arena = {0};
    as_json_out o = {.buf = &text, .indent = 1};
    as_jo_open(&o, '{');
    as_jo_key(&o, "schema");
    as_jo_i64(&o, SCHEMA);
    as_jo_key(&o, "firing");
    as_jo_open(&o, '[');
    for (size_t i = 0; i < state->firing_count; i++) write_firing(&o, &state->firing[i]);
    as_jo_close(&o, ']');
    as_jo_key(&o, "seen");
    as_jo_open(&o, '{');
    for (size_t i = 0; i < state->seen_count; i++) {
        as_jo_keys(&o, state->seen[i].scope);
        as_jo_str(&o, state->seen[i].run);
    }
    as_jo_close(&o, '}');
    as_jo_close(&o, '}');
    as_buf_char(&text, '\n');
    as_rc rc =
        as_file_replace(as_strf(&arena, "%s/state.json", spool->dir).ptr, as_buf_view(&text), err);
    as_arena_free(&arena);
    as_buf_free(&text);
    return rc;
}

as_firing *as_spool_find(as_spool_state *state, as_str key, as_str sink) {
    for (size_t i = 0; i < state->firing_count; i++)
        if (as_str_eq(state->firing[i].key, key) && as_str_eq(state->firing[i].sink, sink))
            return &state->firing[i];
    return NULL;
}

// Room for one more in an array of the arena.
static void *room(as_arena *arena, void *old, size_t size, size_t count, size_t *capacity) {
    if (count < *capacity) return old;
    *capacity = *capacity ? *capacity * 2 : 16;
    void *grown = as_arena_take(arena, as_size_mul(size, *capacity));
    if (count) memcpy(grown, old, size * count);
    return grown;
}

void as_spool_add(as_spool_state *state, as_arena *arena, const as_firing *firing) {
    state->firing =
        room(arena, state->firing, sizeof *firing, state->firing_count, &state->firing_room);
    state->firing[state->firing_count++] = *firing;
}

void as_spool_drop(as_spool_state *state, as_firing *firing) {
    *firing = state->firing[--state->firing_count];
}

as_str as_spool_seen_run(const as_spool_state *state, as_str scope) {
    for (size_t i = 0; i < state->seen_count; i++)
        if (as_str_eq(state->seen[i].scope, scope)) return state->seen[i].run;
    return AS_STR("");
}

void as_spool_see(as_spool_state *state, as_arena *arena, as_str scope, as_str run) {
    for (size_t i = 0; i < state->seen_count; i++) {
        if (!as_str_eq(state->seen[i].scope, scope)) continue;
        state->seen[i].run = run;
        return;
    }
    if (state->seen_count == SEEN_MAX) { // the one least lately added
        memmove(state->seen, state->seen + 1, (SEEN_MAX - 1) * sizeof *state->seen);
        state->seen_count--;
    }
    state->seen =
        room(arena, state->seen, sizeof *state->seen, state->seen_count, &state->seen_room);
    state->seen[state->seen_count++] = (as_spool_seen){scope, run};
}

// ---- files ----

static int by_name(const void *a, const void *b) {
    return as_str_cmp(*(const as_str *)a, *(const as_str *)b);
}

as_rc as_spool_list(as_arena *arena, const char *dir, bool rejected, const as_str **names,
                    size_t *count, as_err *err) {
    *count = 0;
    DIR *folder = opendir(dir);
    if (!folder && errno == ENOENT) return AS_OK;
    if (!folder) return as_fail(err, AS_UNMEASURED, "cannot read '%s': %s", dir, strerror(errno));
    as_str *found = NULL;
    size_t capacity = 0;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        as_str name = as_str_of(entry->d_name);
        bool ours = (as_str_ends(name, AS_STR(".json")) && !as_str_is(name, "state.json")) ||
                    (rejected && as_str_ends(name, AS_STR(".rejected")));
        if (!ours || name.ptr[0] < '0' || name.ptr[0] > '9') continue;
        found = room(arena, found, sizeof *found, *count, &capacity);
        found[(*count)++] = as_str_copy(arena, name);
    }
    closedir(folder);
    if (*count) qsort(found, *count, sizeof *found, by_name);
    *names = found;
    return AS_OK;
}

as_rc as_spool_load(as_arena *arena, const char *dir, as_str name, as_alert_post *out,
                    as_err *err) {
    as_str text;
    const char *path = as_strf(arena, "%s/%.*s", dir, AS_STR_ARG(name)).ptr;
    as_rc rc = as_file_read(arena, path, POST_MAX, &text, err);
    if (!rc) rc = as_alert_post_read(arena, text, out, err);
    if (rc) as_err_prefix(err, "'%s'", path);
    return rc;
}

// MILLISECONDS-NUMBER-KEY-SINK-ACTION.json: sorts by age, and says what it is for.
static as_str tail_of(as_arena *arena, const as_alert_post *post) {
    as_str sink = as_str_sub(as_alert_sink_id(arena, &post->sink), 0, 8);
    return as_strf(arena, "-%.*s-%.*s-%.*s.json", AS_STR_ARG(as_str_sub(post->key, 0, 16)),
                   AS_STR_ARG(sink), AS_STR_ARG(post->action));
}

as_rc as_spool_put(const as_spool *spool, as_arena *arena, const as_alert_post *post, bool instead,
                   const char **path, as_err *err) {
    const as_str *names = NULL;
    size_t count = 0, same = SIZE_MAX;
    as_str tail = tail_of(arena, post);
    as_rc rc = as_spool_list(arena, spool->dir, true, &names, &count, err);
    for (size_t i = 0; !rc && instead && i < count; i++)
        if (as_str_ends(names[i], tail)) same = i;
    if (!rc && same == SIZE_MAX && count >= AS_SPOOL_MAX)
        rc = as_fail(err, AS_UNMEASURED,
                     "%zu alerts wait in '%s' already: no more are kept (send them with assay "
                     "alert flush)",
                     count, spool->dir);
    if (rc) return rc;
    as_buf text = {0};
    as_alert_post_write(&text, post);
    long long now_ms = as_clock_wall_ms();
    unsigned number = 0;
    do
        *path =
            as_strf(arena, "%s/%013lld-%04u%.*s", spool->dir, now_ms, number++, AS_STR_ARG(tail))
                .ptr;
    while (as_file_exists(*path));
    rc = as_file_replace(*path, as_buf_view(&text), err);
    as_buf_free(&text);
    if (!rc && same != SIZE_MAX)
        as_file_drop(as_strf(arena, "%s/%.*s", spool->dir, AS_STR_ARG(names[same])).ptr);
    return rc;
}

bool as_spool_was_sent(as_arena *arena, const char *path) {
    as_str stem = as_str_of(path);
    stem.len -= sizeof ".json" - 1;
    const char *rejected = as_strf(arena, "%.*s.rejected", AS_STR_ARG(stem)).ptr;
    return !as_file_exists(path) && !as_file_exists(rejected);
}
