// SPDX-License-Identifier: Apache-2.0
#include "runner/load/seat.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/base/clock.h"

static const uint64_t LOOK_NS = 20000000, FREE_MOST_NS = 2000000000;

// How long the thread has run, and waited for a processor though it could run.
static bool read_stat(int stat, uint64_t *ran_ns, uint64_t *wait_ns) {
    char text[96];
    ssize_t len = pread(stat, text, sizeof text - 1, 0);
    if (len <= 0) return false;
    text[len] = '\0';
    char *end;
    *ran_ns = strtoull(text, &end, 10);
    *wait_ns = strtoull(end, NULL, 10);
    return *ran_ns > 0;
}

void as_seat_start(as_seat *s) {
    *s = (as_seat){.stat = -1, .free_ns = LOOK_NS};
    if (sched_getaffinity(0, sizeof s->all, &s->all) || CPU_COUNT(&s->all) < 2) return;
    s->stat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (s->stat < 0) return;
    if (!read_stat(s->stat, &s->ran_ns, &s->wait_ns)) as_seat_end(s);
    s->since_ns = as_clock_ns();
    s->look_ns = s->since_ns + LOOK_NS;
}

static void keep(as_seat *s) {
    int at = sched_getcpu();
    size_t cpu = (size_t)at;
    if (at < 0 || at >= CPU_SETSIZE || !CPU_ISSET(cpu, &s->all)) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    s->kept = !sched_setaffinity(0, sizeof one, &one);
}

static void let_go(as_seat *s) {
    if (s->kept) sched_setaffinity(0, sizeof s->all, &s->all);
    s->kept = false;
}

void as_seat_look(as_seat *s, uint64_t now_ns) {
    if (s->stat < 0 || now_ns < s->look_ns) return;
    uint64_t ran_ns, wait_ns;
    if (!read_stat(s->stat, &ran_ns, &wait_ns)) {
        as_seat_end(s);
        return;
    }
    uint64_t took = now_ns - s->since_ns, ran = ran_ns - s->ran_ns, waited = wait_ns - s->wait_ns;
    s->since_ns = now_ns, s->ran_ns = ran_ns, s->wait_ns = wait_ns;
    s->look_ns = now_ns + LOOK_NS;
    bool busy = ran + waited > took / 2, crowded = waited > took / 4;
    if (!s->kept) {
        if (busy) keep(s);
    } else if (!busy) {
        let_go(s); // it needs no processor of its own
    } else if (crowded) {
        let_go(s);
        s->look_ns = now_ns + s->free_ns;
        s->free_ns = 2 * s->free_ns < FREE_MOST_NS ? 2 * s->free_ns : FREE_MOST_NS;
    }
}

void as_seat_end(as_seat *s) {
    let_go(s);
    if (s->stat >= 0) close(s->stat);
    s->stat = -1;
}
