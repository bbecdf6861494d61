// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/gpu/driver.h"

#include <dlfcn.h>
#include <string.h>

// Every symbol, or the name of one that is not there.
static const char *find_all(void *library, as_driver *out) {
#define FIND(field, symbol, parameters)                                                            \
    {                                                                                              \
        void *found = dlsym(library, symbol);                                                      \
        if (!found) return symbol;                                                                 \
        memcpy(&out->field, &found, sizeof found);                                                 \
    }
    AS_DRIVER(FIND)
#undef FIND
    return NULL;
}

as_rc as_driver_open(as_driver *out, as_err *err) {
    static const char name[] = "libcuda.so.1";
    as_driver found;
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL); // stays: drivers do not like to leave
    if (!library)
        return as_fail(err, AS_INVALID,
                       "there is no NVIDIA driver on this machine (%s cannot be loaded)", name);
    const char *missing = find_all(library, &found);
    if (missing)
        return as_fail(err, AS_INVALID,
                       "the NVIDIA driver is too old: %s has no %s, CUDA 12 or later has", name,
                       missing);
    int code = found.init(0);
    const char *text = NULL;
    if (code == AS_GPU_NO_DEVICE)
        return as_fail(err, AS_INVALID, "the NVIDIA driver finds no GPU on this machine");
    if (code && (found.error_name(code, &text) || !text)) text = "of an error without a name";
    if (code)
        return as_fail(err, AS_INVALID, "the NVIDIA driver does not start: %s (%d)", text, code);
    *out = found;
    return AS_OK;
}
