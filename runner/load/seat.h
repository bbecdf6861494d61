// SPDX-License-Identifier: Apache-2.0
// seat.h - keeps the thread that sends on the processor where it runs, as long as it gets it.
//
// Whoever sends wakes readers all the time, and the kernel likes to put whom it wakes beside who
// woke it: server, sender and scorer crowd one processor while another is idle. A sender that
// stays where it is makes the others move. Where it has to wait there nevertheless (somebody else
// works on that processor), it is let go for a while, longer each time.
//
// Of one thread: the one that calls as_seat_look, often. Does nothing where the kernel does not
// say how long a thread waits (/proc/thread-self/schedstat), or with a single processor.
#ifndef AS_SEAT_H
#define AS_SEAT_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct as_seat {
    int stat; // descriptor; -1: nothing to be done
    cpu_set_t all;
    bool kept;
    uint64_t look_ns;                   // when to look again
    uint64_t since_ns, ran_ns, wait_ns; // at the last look: clock, ran and waited for a processor
    uint64_t free_ns;                   // how long it is let go next time
} as_seat;

void as_seat_start(as_seat *seat);
void as_seat_look(as_seat *seat, uint64_t now_ns);
void as_seat_end(as_seat *seat);

#endif
