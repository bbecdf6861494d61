// SPDX-License-Identifier: Apache-2.0
// draws.h - how often a test repeats what it draws at random. The address sanitizer and an emulated
// CPU, which runs its tests with AS_EMULATED_CPU, make it about ten times slower; they look for
// what any draw of a kind shows, and a quarter of them does. Each kind is still drawn: every type,
// model, table and edge stays outside of AS_DRAWS.
#ifndef AS_DRAWS_H
#define AS_DRAWS_H

#if defined(__SANITIZE_ADDRESS__)
#define AS_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define AS_UNDER_ASAN 1
#endif
#endif
#ifndef AS_UNDER_ASAN
#define AS_UNDER_ASAN 0
#endif

#if AS_UNDER_ASAN || defined(AS_EMULATED_CPU)
#define AS_SLOWED 1
#else
#define AS_SLOWED 0
#endif

// `count` times, or a quarter of that, rounded up; a constant if `count` is one.
#define AS_DRAWS(count) (AS_SLOWED ? ((count) + 3) / 4 : (count))

#endif
