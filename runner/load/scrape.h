// SPDX-License-Identifier: Apache-2.0
// scrape.h - what a server says of itself at /metrics while it is asked: before, every second, and
// after. Counters and means are of what lies between the first and the last reading; gauges are the
// most that was seen. Known are the names of vLLM, SGLang, TGI, llama.cpp and Triton.
//
// A server that offers none, or other ones, is a warning and no more. One thread.
#ifndef AS_SCRAPE_H
#define AS_SCRAPE_H

#include "harness/base/arena.h"
#include "harness/base/str.h"
#include "harness/record/serving.h"

typedef struct as_scrape as_scrape;

// Reads once, waiting for it at most 2 s. NULL, after a warning, when there is nothing to read.
as_scrape *as_scrape_start(as_str url);

// Reads again when a second is over; never waits.
void as_scrape_poll(as_scrape *scrape);

// Reads for the last time, fills server, scrapes and values, and frees. NULL is fine.
void as_scrape_end(as_scrape *scrape, as_arena *arena, as_serving *out);

// The same over texts, for tests: the readings in order.
void as_scrape_texts(const as_str *texts, size_t count, as_arena *arena, as_serving *out);

#endif
