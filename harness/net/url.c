// SPDX-License-Identifier: Apache-2.0
#include "harness/net/url.h"

#include <strings.h>

static bool host_is(as_str a, as_str b) {
    return a.len == b.len && !strncasecmp(a.ptr, b.ptr, a.len);
}

static as_rc parse_port(as_str text, as_str port, as_url *out, as_err *err) {
    int64_t value;
    if (!as_str_to_i64(port, &value) || value < 1 || value > 65535)
        return as_fail(err, AS_INVALID, "URL '%.*s': '%.*s' is no port", AS_STR_ARG(text),
                       AS_STR_ARG(port));
    out->port = (unsigned)value;
    return AS_OK;
}

// "host", "host:port", "[::1]:port"
static as_rc parse_authority(as_str text, as_str authority, as_url *out, as_err *err) {
    for (size_t i = 0; i < authority.len; i++)
        if (authority.ptr[i] == '@')
            return as_fail(err, AS_INVALID,
                           "a URL carries a user or a password; keys come from the environment or "
                           "a key_file");
    as_str port = {0};
    if (authority.len && authority.ptr[0] == '[') {
        size_t end = as_str_find(authority, AS_STR("]"), 0);
        if (end == SIZE_MAX)
            return as_fail(err, AS_INVALID, "URL '%.*s': '[' without ']'", AS_STR_ARG(text));
        out->host = as_str_sub(authority, 1, end);
        as_str rest = as_str_sub(authority, end + 1, authority.len);
        if (rest.len && rest.ptr[0] != ':')
            return as_fail(err, AS_INVALID, "URL '%.*s': expected a port after ']'",
                           AS_STR_ARG(text));
        if (rest.len) port = as_str_sub(rest, 1, rest.len);
    } else {
        port = authority;
        out->host = as_str_cut(&port, ':');
    }
    if (!out->host.len)
        return as_fail(err, AS_INVALID, "URL '%.*s' names no host", AS_STR_ARG(text));
    return port.ptr ? parse_port(text, port, out, err) : AS_OK;
}

as_rc as_url_parse(as_str text, as_url *out, as_err *err) {
    as_url url = {0};
    as_str rest = text;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return as_fail(err, AS_INVALID, "a URL holds white space or a control character");
    if (as_str_starts(text, AS_STR("https://"))) {
        url.tls = true;
        rest = as_str_sub(text, 8, text.len);
    } else if (as_str_starts(text, AS_STR("http://"))) {
        rest = as_str_sub(text, 7, text.len);
    } else {
        return as_fail(err, AS_INVALID,
                       "'%.*s' is no URL: it begins with neither http:// nor "
                       "https://",
                       AS_STR_ARG(text));
    }
    url.port = url.tls ? 443 : 80;
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#')
        end++;
    as_rc rc = parse_authority(text, as_str_sub(rest, 0, end), &url, err);
    if (rc) return rc;
    url.path = as_str_sub(rest, end, rest.len);
    as_str fragment = url.path;
    url.path = as_str_cut(&fragment, '#');
    *out = url;
    return AS_OK;
}

bool as_url_keeps_origin(const as_url *from, const as_url *to) {
    if (!host_is(from->host, to->host)) return false;
    if (from->tls == to->tls) return from->port == to->port;
    return to->tls && from->port == 80 && to->port == 443;
}

bool as_url_is_loopback(const as_url *url) {
    return host_is(url->host, AS_STR("localhost")) || as_str_is(url->host, "::1") ||
           as_str_starts(url->host, AS_STR("127."));
}

as_str as_url_join(as_arena *arena, as_str base, as_str path) {
    as_str query = base;
    base = as_str_cut(&query, '?');
    while (base.len && base.ptr[base.len - 1] == '/') base.len--;
    while (path.len && path.ptr[0] == '/') path = as_str_sub(path, 1, path.len);
    return as_strf(arena, "%.*s/%.*s%s%.*s", AS_STR_ARG(base), AS_STR_ARG(path),
                   query.ptr ? "?" : "", (int)query.len, query.ptr ? query.ptr : "");
}
