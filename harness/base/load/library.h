// SPDX-License-Identifier: Apache-2.0
// library.h - foreign libraries that most runs do without, taken in when they are first needed:
// libcurl, libpq and libmicrohttpd bring thirty others along, which is 6 MB of memory and most of
// the time of a start.
//
// A library has one home, which lists what it uses, by name without the library's prefix:
//
//   #define USED(F) F(clear) F(finish)
//   static struct {
//   #define MEMBER(name) __typeof__(PQ##name) *name;
//       USED(MEMBER)
//   } pq;
//   static const as_library_name pq_names[] = {
//   #define NAME(name) {"PQ" #name, &pq.name},
//       USED(NAME)};
//   static as_library libpq = AS_LIBRARY("libpq.so.5", pq_names);
#ifndef AS_LIBRARY_H
#define AS_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "harness/base/err.h"

typedef struct as_library_name {
    const char *name;
    void *place; // of the pointer to the function
} as_library_name;

typedef struct as_library {
    const char *file;
    const as_library_name *names; // [count]
    size_t count;
    bool taken; // as_library_take alone looks at it
} as_library;

#define AS_LIBRARY(file, names)                                                                    \
    { (file), (names), sizeof(names) / sizeof *(names), false }

// Fills in all places; the library stays. Any thread, any number of times: only the first one does
// anything, and the others wait for it. `err` says which library could not be had, and why.
as_rc as_library_take(as_library *library, as_err *err) AS_MUST_USE;

#endif
