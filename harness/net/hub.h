// SPDX-License-Identifier: Apache-2.0
// hub.h - what the Hugging Face hub says on the wire: names of files into URLs, headers and LFS
// pointers into facts. Pure: no sockets, no files.
//
// A file is at ENDPOINT/OWNER/REPO/resolve/REVISION/FILE. The answer names the commit that the
// revision is (X-Repo-Commit) and, of a file kept in LFS, its SHA-256 and size (X-Linked-Etag,
// X-Linked-Size), then sends elsewhere. ENDPOINT/OWNER/REPO/raw/COMMIT/FILE is the LFS pointer, for
// mirrors that do not say.
#ifndef AS_HUB_H
#define AS_HUB_H

#include "harness/base/str.h"

typedef struct as_hub_file {
    as_str repo;     // "OWNER/REPO"
    as_str revision; // branch, tag or commit; "main" when not said. As in a URL: %2F for a slash
    as_str file;     // path in the repository
} as_hub_file;

// "hf:OWNER/REPO[@REVISION]/FILE", or a URL of ENDPOINT with /resolve/ or /blob/. Views into
// `spec`.
as_rc as_hub_parse(as_str spec, as_str endpoint, as_hub_file *out, as_err *err) AS_MUST_USE;

// The URL of a file at a revision; `how` is "resolve" or "raw".
as_str as_hub_url(as_arena *arena, as_str endpoint, const as_hub_file *file, const char *how,
                  as_str revision);

typedef struct as_hub_facts {
    as_str commit;     // 40 hex digits; empty: not said
    as_str sha256;     // 64 hex digits; empty: not said
    uint64_t size;     // bytes; 0: not said
    as_str error_code; // "GatedRepo", "EntryNotFound", ...; may be empty
} as_hub_facts;

// From header lines "Name: value\n". Views into `headers`.
as_hub_facts as_hub_facts_of(as_str headers);

// The oid and size of an LFS pointer (the format of git-lfs.com/spec/v1). False: it is none.
bool as_hub_pointer(as_str text, as_hub_facts *out);

// The value of a header, spaces trimmed; ptr NULL without it.
as_str as_hub_header(as_str headers, const char *name);

// "bytes FIRST-LAST/TOTAL". False: it is no such thing.
bool as_hub_range(as_str value, uint64_t *first, uint64_t *total);

// Of "NAME-00001-of-00003.gguf": 3, and the name of part `number`, from 1, in the arena. 1 for a
// file that is whole; 0 for a part that is not the first.
size_t as_hub_parts(as_str file);
as_str as_hub_part(as_arena *arena, as_str file, size_t number);

#endif
