// SPDX-License-Identifier: Apache-2.0
// store_keep.c - what people decide about runs: tags, acceptance, retention; and the audit of it.
#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/map.h"
#include "harness/store/store_ops.h"

static as_str now_text(char buffer[25]) {
    as_clock_rfc3339(as_clock_wall_ms(), buffer);
    return (as_str){buffer, 24};
}

as_rc as_store_note(as_store *store, const char *action, as_str suite, as_str run, as_str gate,
                    as_str why, as_err *err) {
    char at[25];
    const as_db_value params[] = {
        as_db_text(now_text(at)), as_db_text(store->who), as_db_text(as_str_of(action)),
        as_db_text(suite),        as_db_text(run),        as_db_text(gate),
        as_db_text(why)};
    return as_store_ask(store,
                        "INSERT INTO audit (happened_at, who, action, suite, run, gate, why)"
                        " VALUES ($1, $2, $3, CASE WHEN $4 <> '' THEN $4 ELSE"
                        " (SELECT coalesce(max(suite), '') FROM runs WHERE run = $5) END,"
                        " $5, $6, $7)",
                        params, 7, NULL, NULL, err);
}

// Ends the transaction: commits when all went well.
static as_rc finish(as_store *store, as_rc rc, as_err *err) {
    if (!rc) rc = store->ops->commit(store->state, err);
    if (rc) store->ops->rollback(store->state);
    return rc;
}

as_rc as_store_tag(as_store *store, as_str run, as_str name, as_err *err) {
    const as_db_value params[] = {as_db_text(name), as_db_text(run)};
    as_rc rc = store->ops->begin(store->state, false, err);
    if (rc) return rc;
    rc = as_store_ask(store,
                      "INSERT INTO tags (tag, run) VALUES ($1, $2)"
                      " ON CONFLICT (tag) DO UPDATE SET run = excluded.run",
                      params, 2, NULL, NULL, err);
    if (!rc) rc = as_store_note(store, "tag", AS_STR(""), run, AS_STR(""), name, err);
    return finish(store, rc, err);
}

as_rc as_store_accept(as_store *store, const as_summary *summary, as_str why, as_err *err) {
    char at[25];
    const as_db_value params[] = {as_db_text(summary->run), as_db_text(now_text(at)),
                                  as_db_text(store->who), as_db_text(why)};
    as_rc rc = store->ops->begin(store->state, false, err);
    if (rc) return rc;
    rc = as_store_ask(store,
                      "INSERT INTO accepted (run, accepted_at, who, why) VALUES ($1, $2, $3, $4)"
                      " ON CONFLICT (run) DO UPDATE SET accepted_at = excluded.accepted_at,"
                      " who = excluded.who, why = excluded.why",
                      params, 4, NULL, NULL, err);
    size_t noted = 0;
    for (size_t i = 0; !rc && i < summary->gate.count; i++) {
        const as_check *check = &summary->gate.checks[i];
        if (check->verdict == AS_PASS || check->verdict == AS_NO_BASELINE) continue;
        rc = as_store_note(store, "accept", summary->suite, summary->run, check->gate, why, err);
        noted++;
    }
    if (!rc && !noted)
        rc = as_store_note(store, "accept", summary->suite, summary->run, AS_STR(""), why, err);
    return finish(store, rc, err);
}

typedef struct event_list {
    as_arena *arena;
    as_store_event *events;
    size_t count, capacity;
} event_list;

static as_rc take_event(void *context, const as_db_value *cells, as_err *err) {
    event_list *list = context;
    (void)err;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 64;
        list->events = as_mem_grow(list->events, as_size_mul(list->capacity, sizeof *list->events));
    }
    as_str texts[7];
    for (size_t i = 0; i < 7; i++) texts[i] = as_str_copy(list->arena, cells[i].text);
    list->events[list->count++] =
        (as_store_event){texts[0], texts[1], texts[2], texts[3], texts[4], texts[5], texts[6]};
    return AS_OK;
}

as_rc as_store_told(as_store *store, bool over, const as_summary *summary, as_str what, as_str whom,
                    as_err *err) {
    as_rc rc = store->ops->begin(store->state, false, err);
    if (rc) return rc;
    rc = as_store_note(store, over ? "resolve" : "alert", summary->suite, summary->run, what, whom,
                       err);
    return finish(store, rc, err);
}

as_rc as_store_events(as_store *store, as_arena *arena, as_str suite, size_t limit,
                      const as_store_event **out, size_t *count, as_err *err) {
    event_list list = {.arena = arena};
    const as_db_value params[] = {as_db_text(suite), as_db_i64(limit ? (int64_t)limit : INT64_MAX)};
    as_rc rc = as_store_ask(store,
                            "SELECT happened_at, who, action, suite, run, gate, why FROM audit"
                            " WHERE $1 = '' OR suite = $1 ORDER BY happened_at DESC LIMIT $2",
                            params, 2, take_event, &list, err);
    if (!rc) {
        as_store_event *kept = AS_NEW_ARRAY(arena, as_store_event, list.count);
        if (list.count) memcpy(kept, list.events, list.count * sizeof *kept);
        *out = kept;
        *count = list.count;
    }
    free(list.events);
    return rc;
}

// A run as retention sees it.
typedef struct held {
    as_str run, suite, dataset, baseline;
    bool sound; // may be `latest`
    bool old, keep;
} held;

typedef struct held_list {
    as_arena *arena;
    as_str before;
    held *runs; // newest first
    size_t count, capacity;
} held_list;

static as_rc take_held(void *context, const as_db_value *cells, as_err *err) {
    held_list *list = context;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 256;
        list->runs = as_mem_grow(list->runs, as_size_mul(list->capacity, sizeof *list->runs));
    }
    as_arena scratch = {0};
    as_summary summary;
    as_rc rc = as_summary_read(&scratch, cells[3].text, &summary, err);
    if (!rc) {
        held *h = &list->runs[list->count++];
        *h = (held){.run = as_str_copy(list->arena, cells[0].text),
                    .suite = as_str_copy(list->arena, cells[1].text),
                    .dataset = as_str_copy(list->arena, cells[2].text),
                    .baseline = as_str_copy(list->arena, summary.gate.baseline),
                    .sound = cells[4].i64 != 0,
                    .keep = cells[5].i64 != 0};
        h->old = !list->before.len || as_str_cmp(cells[6].text, list->before) < 0;
    }
    as_arena_free(&scratch);
    return rc;
}

static as_str dataset_key(as_arena *arena, const held *h) {
    return as_strf(arena, "%.*s\n%.*s", AS_STR_ARG(h->suite), AS_STR_ARG(h->dataset));
}

// Keeps the newest `keep` of each suite, and what is young.
static void keep_newest(held_list *list, size_t keep) {
    as_map suites = {0};
    size_t *counts = AS_NEW_ARRAY(list->arena, size_t, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        held *h = &list->runs[i];
        uint64_t slot = suites.count;
        as_map_add(&suites, h->suite, slot, &slot);
        if (counts[slot]++ < keep || !h->old) h->keep = true;
    }
    as_map_free(&suites);
}

// Keeps what kept runs lean on: their baselines, and what `latest` names on their datasets. Again,
// until nothing is added: what is added has a baseline too.
static void keep_needed(held_list *list) {
    as_map runs = {0}, latest = {0};
    for (size_t i = 0; i < list->count; i++) {
        held *h = &list->runs[i];
        as_map_add(&runs, h->run, i, NULL);
        if (h->sound) as_map_add(&latest, dataset_key(list->arena, h), i, NULL);
    }
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < list->count; i++) {
            const held *h = &list->runs[i];
            uint64_t needed[2] = {i, i};
            if (!h->keep) continue;
            as_map_get(&runs, h->baseline, &needed[0]);
            as_map_get(&latest, dataset_key(list->arena, h), &needed[1]);
            for (size_t k = 0; k < 2; k++) {
                more |= !list->runs[needed[k]].keep;
                list->runs[needed[k]].keep = true;
            }
        }
    }
    as_map_free(&runs);
    as_map_free(&latest);
}

static as_rc delete_runs(as_store *store, const held_list *list, uint64_t *deleted, as_err *err) {
    as_rc rc = AS_OK;
    *deleted = 0;
    for (size_t i = 0; !rc && i < list->count; i++) {
        const held *h = &list->runs[i];
        if (h->keep) continue;
        const as_db_value params[] = {as_db_text(h->run)};
        rc = as_store_ask(store, "DELETE FROM samples WHERE run = $1", params, 1, NULL, NULL, err);
        if (!rc)
            rc = as_store_ask(store, "DELETE FROM runs WHERE run = $1", params, 1, NULL, NULL, err);
        if (!rc) rc = as_store_note(store, "prune", h->suite, h->run, AS_STR(""), AS_STR(""), err);
        ++*deleted;
    }
    if (!rc && *deleted && store->ops->drop_empty) rc = store->ops->drop_empty(store->state, err);
    if (rc || !*deleted) return rc;
    return as_store_ask(
        store,
        "DELETE FROM texts WHERE sha256 NOT IN"
        " (SELECT expected_text FROM samples WHERE expected_text IS NOT NULL"
        " UNION SELECT prediction_text FROM samples WHERE prediction_text IS NOT NULL"
        " UNION SELECT output_text FROM samples WHERE output_text IS NOT NULL)",
        NULL, 0, NULL, NULL, err);
}

as_rc as_store_prune(as_store *store, size_t keep, as_str before, uint64_t *deleted, as_err *err) {
    as_arena arena = {0};
    held_list list = {.arena = &arena, .before = before};
    // Alone: a run that is being put may lean on a text that looks unused.
    as_rc rc = store->ops->begin(store->state, true, err);
    if (!rc) {
        rc = as_store_ask(store,
                          "SELECT run, suite, dataset_sha256, summary,"
                          " CASE WHEN " AS_STORE_SOUND " THEN 1 ELSE 0 END,"
                          " CASE WHEN run IN (SELECT run FROM tags)"
                          " OR run IN (SELECT run FROM accepted) THEN 1 ELSE 0 END, started"
                          " FROM runs ORDER BY run DESC",
                          NULL, 0, take_held, &list, err);
        if (!rc) keep_newest(&list, keep);
        if (!rc) keep_needed(&list);
        if (!rc) rc = delete_runs(store, &list, deleted, err);
        rc = finish(store, rc, err);
    }
    free(list.runs);
    as_arena_free(&arena);
    return rc;
}
