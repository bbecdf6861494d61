// SPDX-License-Identifier: Apache-2.0
#include "harness/net/sigv4.h"

#include <stdlib.h>
#include <string.h>

#include "harness/base/clock.h"
#include "harness/base/sha256.h"

enum { HASH = 32, BLOCK = 64, PAIRS_MAX = 64 };

static void unhex(const char *hex, unsigned char out[HASH]) {
    for (size_t i = 0; i < HASH; i++) {
        unsigned value = 0;
        for (size_t j = 0; j < 2; j++) {
            char c = hex[2 * i + j];
            value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        out[i] = (unsigned char)value;
    }
}

// HMAC-SHA-256 (RFC 2104); *hex, where it is wanted, gets the digits.
static void hmac(const unsigned char *key, size_t key_len, as_str text, unsigned char out[HASH],
                 char hex[65]) {
    unsigned char block[BLOCK] = {0}, inner[HASH];
    char digits[65];
    as_sha256 sha;
    if (key_len > BLOCK) {
        as_sha256_init(&sha);
        as_sha256_add(&sha, key, key_len);
        as_sha256_hex(&sha, digits);
        unhex(digits, block);
    } else if (key_len) {
        memcpy(block, key, key_len);
    }
    for (size_t i = 0; i < BLOCK; i++) block[i] ^= 0x36;
    as_sha256_init(&sha);
    as_sha256_add(&sha, block, BLOCK);
    as_sha256_add(&sha, text.ptr, text.len);
    as_sha256_hex(&sha, digits);
    unhex(digits, inner);
    for (size_t i = 0; i < BLOCK; i++) block[i] ^= 0x36 ^ 0x5c;
    as_sha256_init(&sha);
    as_sha256_add(&sha, block, BLOCK);
    as_sha256_add(&sha, inner, HASH);
    as_sha256_hex(&sha, hex ? hex : digits);
    unhex(hex ? hex : digits, out);
}

static void put_encoded(as_buf *out, as_str path) {
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-_.~/", c));
        if (plain)
            as_buf_char(out, (char)c);
        else
            as_buff(out, "%%%02X", c);
    }
}

static int by_bytes(const void *a, const void *b) {
    return as_str_cmp(*(const as_str *)a, *(const as_str *)b);
}

static void put_query(as_buf *out, as_str query) {
    as_str pairs[PAIRS_MAX];
    size_t count = 0;
    while (query.len && count < PAIRS_MAX) pairs[count++] = as_str_cut(&query, '&');
    qsort(pairs, count, sizeof *pairs, by_bytes);
    for (size_t i = 0; i < count; i++) {
        if (i) as_buf_char(out, '&');
        as_buf_str(out, pairs[i]);
        if (as_str_find(pairs[i], AS_STR("="), 0) == SIZE_MAX) as_buf_char(out, '=');
    }
}

static void put_host(as_buf *out, const as_url *url) {
    bool v6 = as_str_find(url->host, AS_STR(":"), 0) != SIZE_MAX;
    as_buff(out, v6 ? "[%.*s]" : "%.*s", AS_STR_ARG(url->host));
    if (url->port != (url->tls ? 443 : 80)) as_buff(out, ":%u", url->port);
}

static void put_hash(as_buf *out, as_str bytes) {
    char hex[65];
    as_sha256 sha;
    as_sha256_init(&sha);
    as_sha256_add(&sha, bytes.ptr, bytes.len);
    as_sha256_hex(&sha, hex);
    as_buf_text(out, hex);
}

void as_sigv4_sign(const as_sigv4_key *key, as_str method, const as_url *url, as_str content_type,
                   as_str body, int64_t wall_ms, as_buf *lines) {
    char rfc[25], stamp[17], hex[65];
    as_clock_rfc3339(wall_ms, rfc); // 2026-11-24T03:04:05.678Z -> 20261124T030405Z
    size_t at = 0;
    for (size_t i = 0; i < 19; i++)
        if (rfc[i] != '-' && rfc[i] != ':') stamp[at++] = rfc[i];
    stamp[at++] = 'Z';
    stamp[at] = '\0';
    char signed_names[80];
    strcpy(signed_names, content_type.len ? "content-type;host;x-amz-date" : "host;x-amz-date");
    if (key->token.len) strcat(signed_names, ";x-amz-security-token");

    as_buf request = {0}, text = {0};
    as_str query = url->path, path = as_str_cut(&query, '?');
    as_buff(&request, "%.*s\n", AS_STR_ARG(method));
    put_encoded(&request, path.len ? path : AS_STR("/"));
    as_buf_char(&request, '\n');
    if (query.ptr) put_query(&request, query);
    as_buf_char(&request, '\n');
    if (content_type.len) as_buff(&request, "content-type:%.*s\n", AS_STR_ARG(content_type));
    as_buf_text(&request, "host:");
    put_host(&request, url);
    as_buff(&request, "\nx-amz-date:%s\n", stamp);
    if (key->token.len) as_buff(&request, "x-amz-security-token:%.*s\n", AS_STR_ARG(key->token));
    as_buff(&request, "\n%s\n", signed_names);
    put_hash(&request, body);

    as_buff(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%.*s/%.*s/aws4_request\n", stamp, stamp,
            AS_STR_ARG(key->region), AS_STR_ARG(key->service));
    put_hash(&text, as_buf_view(&request));

    unsigned char k[HASH];
    as_buf_clear(&request);
    as_buff(&request, "AWS4%.*s", AS_STR_ARG(key->secret));
    hmac((const unsigned char *)request.ptr, request.len, (as_str){stamp, 8}, k, NULL);
    hmac(k, HASH, key->region, k, NULL);
    hmac(k, HASH, key->service, k, NULL);
    hmac(k, HASH, AS_STR("aws4_request"), k, NULL);
    hmac(k, HASH, as_buf_view(&text), k, hex);
    memset(request.ptr, 0, request.len);

    as_buff(lines, "X-Amz-Date: %s\n", stamp);
    if (key->token.len) as_buff(lines, "X-Amz-Security-Token: %.*s\n", AS_STR_ARG(key->token));
    as_buff(lines,
            "Authorization: AWS4-HMAC-SHA256 Credential=%.*s/%.8s/%.*s/%.*s/aws4_request, "
            "SignedHeaders=%s, Signature=%s",
            AS_STR_ARG(key->id), stamp, AS_STR_ARG(key->region), AS_STR_ARG(key->service),
            signed_names, hex);
    as_buf_free(&request);
    as_buf_free(&text);
}
