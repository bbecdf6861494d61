// SPDX-License-Identifier: Apache-2.0
// comment_post.h - puts a run's comment on the pull request that a build is of, in the place of the
// one of an earlier run. Token and place come from the build server's environment.
#ifndef AS_COMMENT_POST_H
#define AS_COMMENT_POST_H

#include "harness/base/str.h"

// `service` is "github" or "gitlab". *url is the comment's address, empty where the service gives
// none. AS_INVALID: no such service, no pull request, no token; AS_UNMEASURED: it was not taken.
as_rc as_comment_post(as_arena *arena, as_str service, as_str suite, as_str text, as_str *url,
                      as_err *err) AS_MUST_USE;

#endif
