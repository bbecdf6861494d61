// SPDX-License-Identifier: Apache-2.0
#include "harness/suite/dataset.h"

#include <stdlib.h>

#include "harness/suite/dataset_case.h"
#include "harness/suite/dataset_source.h"

struct as_dataset {
    as_arena arena; // a copy of the options
    as_dataset_options options;
    as_dataset_source source;
    bool open;        // `source` is in use
    size_t path_next; // the file to open after it
    uint64_t index;   // of the next case
};

static const as_str *copy_strings(as_arena *arena, const as_str *from, size_t count) {
    as_str *to = AS_NEW_ARRAY(arena, as_str, count + 1);
    for (size_t i = 0; i < count; i++) to[i] = as_str_copy(arena, from[i]);
    return to;
}

static as_rc open_next(as_dataset *dataset, as_err *err) {
    as_str path = dataset->options.paths[dataset->path_next++];
    as_rc rc = as_dataset_source_open(&dataset->source, path, err);
    dataset->open = !rc;
    return rc;
}

as_rc as_dataset_open(const as_dataset_options *options, as_dataset **out, as_err *err) {
    as_dataset *dataset = as_mem_new(sizeof *dataset);
    dataset->options = *options;
    dataset->options.paths = copy_strings(&dataset->arena, options->paths, options->path_count);
    dataset->options.slices = copy_strings(&dataset->arena, options->slices, options->slice_count);
    dataset->options.expected = as_str_copy(&dataset->arena, options->expected);
    as_rc rc = options->path_count ? open_next(dataset, err) : AS_OK;
    if (rc)
        as_dataset_close(dataset);
    else
        *out = dataset;
    return rc;
}

as_rc as_dataset_next(as_dataset *dataset, as_arena *arena, as_case *out, bool *more, as_err *err) {
    *more = false;
    for (;;) {
        if (dataset->open) {
            const as_json *object = NULL;
            size_t line = 0;
            as_dataset_source *source = &dataset->source;
            as_rc rc = as_dataset_source_next(source, arena, &object, &line, more, err);
            bool cells = source->format == AS_DATASET_CSV || source->format == AS_DATASET_TSV;
            if (!rc && *more)
                rc = as_dataset_case_make(arena, &dataset->options, object, source->path, line,
                                          cells, out, err);
            if (rc) return rc;
            if (*more) {
                out->index = dataset->index++;
                return AS_OK;
            }
            as_dataset_source_close(source);
            dataset->open = false;
        }
        if (dataset->path_next == dataset->options.path_count) return AS_OK;
        if (open_next(dataset, err)) return AS_INVALID;
    }
}

void as_dataset_close(as_dataset *dataset) {
    if (!dataset) return;
    if (dataset->open) as_dataset_source_close(&dataset->source);
    as_arena_free(&dataset->arena);
    free(dataset);
}
