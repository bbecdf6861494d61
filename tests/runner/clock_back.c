// SPDX-License-Identifier: Apache-2.0
// Preloaded by faults.py: a wall clock that steps back by an hour again and again.
#include <dlfcn.h>
#include <stdatomic.h>
#include <time.h>

static atomic_uint calls;

int clock_gettime(clockid_t clock, struct timespec *out) {
    static _Atomic(void *) found; // by any thread
    int (*real)(clockid_t, struct timespec *);
    if (!atomic_load(&found)) atomic_store(&found, dlsym(RTLD_NEXT, "clock_gettime"));
    *(void **)&real = atomic_load(&found);
    int rc = real(clock, out);
    if (!rc && clock == CLOCK_REALTIME && atomic_fetch_add(&calls, 1) % 4 >= 2) out->tv_sec -= 3600;
    return rc;
}
