// SPDX-License-Identifier: Apache-2.0
#include "harness/base/load/library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static as_rc take(const as_library *l, as_err *err) {
    void *library = dlopen(l->file, RTLD_NOW | RTLD_LOCAL);
    if (!library) return as_fail(err, AS_UNMEASURED, "cannot load a library: %s", dlerror());
    for (size_t i = 0; i < l->count; i++) {
        void *found = dlsym(library, l->names[i].name);
        if (!found)
            return as_fail(err, AS_UNMEASURED, "library %s is too old: it has no %s", l->file,
                           l->names[i].name);
        memcpy(l->names[i].place, &found, sizeof found);
    }
    return AS_OK;
}

as_rc as_library_take(as_library *library, as_err *err) {
    pthread_mutex_lock(&lock);
    as_rc rc = library->taken ? AS_OK : take(library, err);
    library->taken = !rc;
    pthread_mutex_unlock(&lock);
    return rc;
}
