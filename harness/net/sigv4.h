// SPDX-License-Identifier: Apache-2.0
// sigv4.h - AWS Signature Version 4 of one request, in its headers ("Signing AWS API requests",
// AWS General Reference). Pure. The path is encoded a second time before it is hashed, as every
// service but S3 has it; libcurl 7.88 does not, and fails on Bedrock's model names (they hold ':').
#ifndef AS_SIGV4_H
#define AS_SIGV4_H

#include "harness/net/url.h"

typedef struct as_sigv4_key {
    as_str id, secret, token; // token empty: none
    as_str region, service;   // "us-east-1", "bedrock"
} as_sigv4_key;

// Appends the headers X-Amz-Date, X-Amz-Security-Token (with a token) and Authorization, a line
// each, no line end after the last. Signed are host, content-type (if not empty) and these two.
// `wall_ms` since 1970-01-01 UTC.
void as_sigv4_sign(const as_sigv4_key *key, as_str method, const as_url *url, as_str content_type,
                   as_str body, int64_t wall_ms, as_buf *lines);

#endif
