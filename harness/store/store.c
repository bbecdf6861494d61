// SPDX-License-Identifier: Apache-2.0
#include "harness/store/store.h"

#include <stdlib.h>

#include "harness/store/store_ops.h"

struct as_store {
    const as_store_ops *ops;
    void *state;
};

static const as_store_ops *const drivers[] = {&as_store_sqlite};

as_rc as_store_open(as_str url, as_store **out, as_err *err) {
    as_str rest = url, scheme = as_str_cut(&rest, ':');
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        if (!rest.ptr || !as_str_is(scheme, drivers[i]->scheme)) continue;
        void *state;
        as_rc rc = drivers[i]->open(rest, &state, err);
        if (rc) return rc;
        as_store *store = as_mem_new(sizeof *store);
        *store = (as_store){drivers[i], state};
        *out = store;
        return AS_OK;
    }
    if (as_str_is(scheme, "postgres") || as_str_is(scheme, "postgresql"))
        return as_fail(err, AS_INVALID,
                       "store '%.*s': PostgreSQL is not available yet; use sqlite:PATH",
                       AS_STR_ARG(url));
    return as_fail(err, AS_INVALID, "store '%.*s' is no URL that assay knows; use sqlite:PATH",
                   AS_STR_ARG(url));
}

void as_store_close(as_store *store) {
    if (!store) return;
    store->ops->close(store->state);
    free(store);
}

as_rc as_store_put(as_store *store, const as_summary *summary, const char *journal_path,
                   as_err *err) {
    return store->ops->put(store->state, summary, journal_path, err);
}

as_rc as_store_find(as_store *store, as_arena *arena, as_str reference, as_str suite,
                    as_str dataset_sha256, as_str not_run, as_str *out, as_err *err) {
    return store->ops->find(store->state, arena, reference, suite, dataset_sha256, not_run, out,
                            err);
}

as_rc as_store_summary(as_store *store, as_arena *arena, as_str run, as_summary *out, as_err *err) {
    return store->ops->summary(store->state, arena, run, out, err);
}

as_rc as_store_samples(as_store *store, as_str run, as_sample_visit *each, void *context,
                       as_err *err) {
    return store->ops->samples(store->state, run, each, context, err);
}

as_rc as_store_scores(as_store *store, as_str run, as_score_visit *each, void *context,
                      as_err *err) {
    return store->ops->scores(store->state, run, each, context, err);
}

as_rc as_store_case(as_store *store, as_str suite, as_str case_id, size_t limit,
                    as_case_visit *each, void *context, as_err *err) {
    return store->ops->one_case(store->state, suite, case_id, limit, each, context, err);
}

as_rc as_store_list(as_store *store, as_arena *arena, as_str suite, as_str since, size_t limit,
                    const as_store_run **out, size_t *count, as_err *err) {
    return store->ops->list(store->state, arena, suite, since, limit, out, count, err);
}

as_rc as_store_tag(as_store *store, as_str run, as_str name, as_err *err) {
    return store->ops->tag(store->state, run, name, err);
}

as_rc as_store_prune(as_store *store, size_t keep, uint64_t *deleted, as_err *err) {
    return store->ops->prune(store->state, keep, deleted, err);
}
