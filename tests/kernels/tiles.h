// SPDX-License-Identifier: Apache-2.0
// tiles.h - the tile instructions of amx.c in C, as the manual describes them: for machines
// without. A load or a store touches only what the configuration says; what does not fit ends the
// program.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define AMX_MATMUL_QUANT as_amx_emulated_matmul_quant

typedef struct emulated_tile {
    uint8_t bytes[16][64];
    size_t rows, row_bytes;
} emulated_tile;

static _Thread_local emulated_tile tiles[8];
static _Thread_local int configured;

// Functions, else each of the dozens of places that unrolling makes gets a copy.
#define TILE static __attribute__((noinline)) void

static inline void need(int holds) {
    if (!holds) abort();
}

TILE tile_configure(const void *from) {
    const uint8_t *config = from;
    need(config[0] == 1);
    for (int t = 0; t < 8; t++) {
        uint16_t row_bytes;
        memcpy(&row_bytes, config + 16 + 2 * t, sizeof row_bytes);
        tiles[t] = (emulated_tile){.rows = config[48 + t], .row_bytes = row_bytes};
        need(tiles[t].rows <= 16 && row_bytes <= 64);
    }
    configured = 1;
}

TILE tile_zero(int t) {
    need(configured);
    memset(tiles[t].bytes, 0, sizeof tiles[t].bytes);
}

TILE tile_load(int t, const void *from, size_t stride) {
    need(configured && tiles[t].rows);
    tile_zero(t);
    for (size_t i = 0; i < tiles[t].rows; i++)
        memcpy(tiles[t].bytes[i], (const uint8_t *)from + i * stride, tiles[t].row_bytes);
}

TILE tile_store(int t, void *to, size_t stride) {
    need(configured && tiles[t].rows);
    for (size_t i = 0; i < tiles[t].rows; i++)
        memcpy((uint8_t *)to + i * stride, tiles[t].bytes[i], tiles[t].row_bytes);
}

// c += signed bytes of a times unsigned bytes of b, by fours.
TILE tile_dots(int c, int a, int b) {
    need(configured && tiles[c].rows == tiles[a].rows && tiles[a].row_bytes == 4 * tiles[b].rows &&
         tiles[c].row_bytes == tiles[b].row_bytes);
    for (size_t m = 0; m < tiles[c].rows; m++)
        for (size_t k = 0; k < tiles[b].rows; k++)
            for (size_t n = 0; n < tiles[c].row_bytes / 4; n++) {
                int32_t sum;
                memcpy(&sum, tiles[c].bytes[m] + 4 * n, sizeof sum);
                for (size_t i = 0; i < 4; i++)
                    sum += (int8_t)tiles[a].bytes[m][4 * k + i] * tiles[b].bytes[k][4 * n + i];
                memcpy(tiles[c].bytes[m] + 4 * n, &sum, sizeof sum);
            }
}

TILE tile_release(void) {
    configured = 0;
}

#define TILE_CONFIG(c) tile_configure(c)
#define TILE_ZERO(t) tile_zero(t)
#define TILE_LOAD(t, p, stride) tile_load(t, p, stride)
#define TILE_STORE(t, p, stride) tile_store(t, p, stride)
#define TILE_DOTS(c, a, b) tile_dots(c, a, b)
#define TILE_RELEASE() tile_release()
