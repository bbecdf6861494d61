// SPDX-License-Identifier: Apache-2.0
// spill.h - bytes that are added at the end and read in order, in little memory however many they
// are: beyond a budget that all of a process share, whole blocks go to one temporary file, which
// has no name (whatever ends the process, nothing is left behind) and lies in $TMPDIR, else in
// /var/tmp, else in the working directory. It is read with pread, not mapped: mapped pages would
// count as the memory that this saves.
//
// Where the file cannot be written (a full disk), one warning says so and what does not fit stays
// in memory: nothing is lost. One thread at a time may add to a spill, several may read it.
#ifndef AS_SPILL_H
#define AS_SPILL_H

#include <stddef.h>
#include <stdint.h>

enum { AS_SPILL_BLOCK = 16 * 1024, AS_SPILL_BUDGET = 512 * 1024 };

// How many bytes stay in memory; for tests, which want files for small things. What else sorts and
// counts in runs makes them of a part of it.
void as_spill_limit(size_t bytes);
size_t as_spill_room(void); // the budget

// A zeroed one is empty.
typedef struct as_spill {
    unsigned char *tail; // what is not a whole block yet
    size_t tail_size, tail_capacity;
    uint64_t end;    // where the tail went once it ended, as a page; 0: it did not
    uint64_t *pages; // [page_count] whole blocks: where in memory, or, odd, where in the file
    size_t page_count, page_capacity;
} as_spill;

void as_spill_add(as_spill *spill, const void *bytes, size_t size);
void as_spill_end(as_spill *spill); // nothing more is added: what is no whole block may go too
uint64_t as_spill_size(const as_spill *spill);
void as_spill_read(const as_spill *spill, uint64_t at, void *out, size_t size); // inside
void as_spill_free(as_spill *spill);

// Reads from `at` on. A zeroed one but for `spill` and `at` is ready.
typedef struct as_spill_reader {
    const as_spill *spill;
    uint64_t at;
    unsigned char *block;  // of the file, as last read
    uint64_t block_index;  // from 1; 0: none
    unsigned char *joined; // a piece that lies in two blocks
    size_t joined_capacity;
} as_spill_reader;

// The next `size` bytes, valid until the next call; aligned to 8 where all pieces are multiples of
// 8. NULL when there are none left.
const void *as_spill_next(as_spill_reader *reader, size_t size);
void as_spill_done(as_spill_reader *reader);

#endif
