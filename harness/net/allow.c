// SPDX-License-Identifier: Apache-2.0
#include "harness/net/allow.h"

#include <strings.h>

enum { HOSTS_MAX = 256 };

static struct {
    as_arena arena;
    struct {
        as_str host;   // without brackets; "*.x" as ".x" with `below`
        unsigned port; // 0: any
        bool below;
    } hosts[HOSTS_MAX];
    size_t count;
} allowed;

static as_str without_dot(as_str host) {
    return as_str_ends(host, AS_STR(".")) ? as_str_sub(host, 0, host.len - 1) : host;
}

as_rc as_allow_add(as_str host, as_err *err) {
    as_url url;
    as_err ignored = {0};
    bool below = as_str_starts(host, AS_STR("*."));
    as_str name = below ? as_str_sub(host, 2, host.len) : host;
    as_str text = as_strf(&allowed.arena, "http://%.*s", AS_STR_ARG(name));
    bool plain = as_str_find(name, AS_STR("/"), 0) == SIZE_MAX &&
                 as_str_find(name, AS_STR("*"), 0) == SIZE_MAX &&
                 !as_url_parse(text, &url, &ignored);
    if (!plain || url.path.len)
        return as_fail(
            err, AS_INVALID,
            "'%.*s' is no host to allow: write HOST, HOST:PORT, [ADDRESS]:PORT or *.DOMAIN",
            AS_STR_ARG(host));
    if (allowed.count == HOSTS_MAX)
        return as_fail(err, AS_INVALID, "more than %d hosts are allowed", HOSTS_MAX);
    bool has_port = as_str_ends(text, AS_STR(":80")) || url.port != 80;
    allowed.hosts[allowed.count].host = without_dot(url.host);
    allowed.hosts[allowed.count].port = has_port ? url.port : 0;
    allowed.hosts[allowed.count++].below = below;
    return AS_OK;
}

bool as_allow_has(const as_url *url) {
    as_str host = without_dot(url->host);
    for (size_t i = 0; i < allowed.count; i++) {
        as_str want = allowed.hosts[i].host;
        if (allowed.hosts[i].port && allowed.hosts[i].port != url->port) continue;
        if (host.len == want.len && !allowed.hosts[i].below &&
            !strncasecmp(host.ptr, want.ptr, want.len))
            return true;
        bool address = host.len && host.ptr[host.len - 1] >= '0' && host.ptr[host.len - 1] <= '9';
        if (allowed.hosts[i].below && !address && host.len > want.len + 1 &&
            host.ptr[host.len - want.len - 1] == '.' &&
            !strncasecmp(host.ptr + host.len - want.len, want.ptr, want.len))
            return true;
    }
    return !allowed.count;
}

void as_allow_clear(void) {
    as_arena_free(&allowed.arena);
    allowed.count = 0;
}
