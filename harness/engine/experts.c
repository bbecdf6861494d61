// SPDX-License-Identifier: Apache-2.0
// experts.c - a mixture of experts: each row goes through the few that its router picks, and
// through the shared one where there is one. What a row gets depends on the row alone: its experts'
// answers are added in the order of their likelihood, whoever else they work for.
#include <string.h>

#include "harness/engine/forward_state.h"

// The experts of row m and their weights; equally likely ones by number.
static void choose(as_forward *f, const float *bias, size_t m) {
    const as_hparams *p = &f->model->hparams;
    const as_kernels *kernels = f->model->kernels;
    float *odds = f->routing.odds + m * p->experts;
    uint32_t *chosen = f->routing.chosen + m * p->experts_used;
    float *weights = f->routing.weights + m * p->experts_used, sum = 0.0f;
    if (bias) kernels->add(odds, bias, p->experts);
    kernels->softmax(odds, p->experts);
    for (size_t i = 0; i < p->experts_used; i++) {
        size_t best = kernels->argmax(odds, p->experts);
        chosen[i] = (uint32_t)best;
        weights[i] = odds[best];
        odds[best] = -1.0f; // below every likelihood
        sum += weights[i];
    }
    for (size_t i = 0; i < p->experts_used; i++) {
        if (p->arch->experts_normed) weights[i] /= sum;
        weights[i] *= p->expert_scale;
    }
}

// Puts the rows of each expert side by side.
static void sort_items(as_forward *f) {
    const as_hparams *p = &f->model->hparams;
    as_routing *r = &f->routing;
    size_t items = f->count * p->experts_used;
    memset(r->starts, 0, (p->experts + 1) * sizeof *r->starts);
    for (size_t i = 0; i < items; i++) r->starts[r->chosen[i] + 1]++;
    for (size_t e = 0; e < p->experts; e++) r->starts[e + 1] += r->starts[e];
    for (size_t i = 0; i < items; i++) {
        uint32_t place = r->starts[r->chosen[i]]++;
        r->places[i] = place;
        r->sources[place] = (uint32_t)(i / p->experts_used);
    }
    // Each start has moved on to the next one's.
    memmove(r->starts + 1, r->starts, p->experts * sizeof *r->starts);
    r->starts[0] = 0;
}

static void gather(as_forward *f, const as_mixture *mixture, size_t place) {
    size_t width = f->model->hparams.width;
    float *to = f->routing.gathered + place * width;
    memcpy(to, f->h + f->routing.sources[place] * width, width * sizeof *to);
    if (as_forward_quantizes(mixture->gate) || as_forward_quantizes(mixture->up))
        as_forward_quantize(f, f->routing.gathered, place, width);
}

// One of an expert's matrices is as all of them are.
static void multiply_all(as_forward *f, const as_matrix *matrices, const float *x, float *y,
                         size_t index, size_t members) {
    const as_routing *r = &f->routing;
    for (size_t e = 0; e < f->model->hparams.experts; e++)
        if (r->starts[e + 1] > r->starts[e])
            as_forward_multiply(f, &matrices[e], x, r->starts[e], r->starts[e + 1] - r->starts[e],
                                y, index, members);
}

// What comes of the two products of a place.
static void activate(as_forward *f, const as_mixture *mixture, size_t place) {
    const as_routing *r = &f->routing;
    size_t n = f->model->hparams.expert_width, expert = 0;
    float *gate = f->gate + place * n, *up = f->up + place * n;
    if (mixture->gate_bias) {
        while (r->starts[expert + 1] <= place) expert++;
        f->model->kernels->add(gate, mixture->gate_bias + expert * n, n);
        f->model->kernels->add(up, mixture->up_bias + expert * n, n);
        as_forward_clamp(gate, up, n);
    }
    as_forward_activate(f, gate, up, n);
    if (as_forward_quantizes(mixture->down)) as_forward_quantize(f, f->gate, place, n);
}

// The shared expert's answer in f->y, before its gate.
static void run_shared(as_forward *f, const as_mixture *mixture, size_t index, size_t members) {
    const as_hparams *p = &f->model->hparams;
    size_t n = p->shared_width, begin, end;
    as_forward_share(f->count, index, members, &begin, &end);
    if (as_forward_quantizes(&mixture->shared_gate) || as_forward_quantizes(&mixture->shared_up)) {
        for (size_t m = begin; m < end; m++) as_forward_quantize(f, f->h, m, p->width);
        as_team_meet(f->team, index);
    }
    as_forward_multiply(f, &mixture->shared_gate, f->h, 0, f->count, f->gate, index, members);
    as_forward_multiply(f, &mixture->shared_up, f->h, 0, f->count, f->up, index, members);
    as_team_meet(f->team, index);
    for (size_t m = begin; m < end; m++) {
        as_forward_activate(f, f->gate + m * n, f->up + m * n, n);
        if (as_forward_quantizes(&mixture->shared_down)) as_forward_quantize(f, f->gate, m, n);
    }
    as_team_meet(f->team, index);
    as_forward_multiply(f, &mixture->shared_down, f->gate, 0, f->count, f->y, index, members);
    as_team_meet(f->team, index);
}

// Row m of f->y: the shared expert's part through its gate, and the chosen ones'.
static void combine(as_forward *f, const as_mixture *mixture, size_t m) {
    const as_hparams *p = &f->model->hparams;
    const as_kernels *kernels = f->model->kernels;
    float *y = f->y + m * p->width;
    if (p->shared_width) {
        float z = kernels->dot(mixture->shared_router, f->h + m * p->width, p->width);
        float open = 1.0f / (1.0f + as_exp_f32(-z));
        for (size_t i = 0; i < p->width; i++) y[i] *= open;
    } else {
        memset(y, 0, p->width * sizeof *y);
    }
    for (size_t i = 0; i < p->experts_used; i++) {
        size_t item = m * p->experts_used + i;
        float *part = f->routing.parts + f->routing.places[item] * p->width;
        if (mixture->down_bias)
            kernels->add(part, mixture->down_bias + f->routing.chosen[item] * p->width, p->width);
        kernels->axpy(y, f->routing.weights[item], part, p->width);
    }
}

void as_experts_run(as_forward *f, const as_mixture *mixture, size_t index, size_t members) {
    const as_hparams *p = &f->model->hparams;
    as_routing *r = &f->routing;
    size_t begin, end, first, last;
    as_forward_share(f->count, index, members, &begin, &end);
    as_forward_share(f->count * p->experts_used, index, members, &first, &last);
    if (as_forward_quantizes(&mixture->router)) {
        for (size_t m = begin; m < end; m++) as_forward_quantize(f, f->h, m, p->width);
        as_team_meet(f->team, index);
    }
    as_forward_multiply(f, &mixture->router, f->h, 0, f->count, r->odds, index, members);
    as_team_meet(f->team, index);
    for (size_t m = begin; m < end; m++) choose(f, mixture->router_bias, m);
    as_team_meet(f->team, index);
    if (index == 0) sort_items(f);
    if (p->shared_width) run_shared(f, mixture, index, members);
    as_team_meet(f->team, index);
    for (size_t place = first; place < last; place++) gather(f, mixture, place);
    as_team_meet(f->team, index);
    multiply_all(f, mixture->gate, r->gathered, f->gate, index, members);
    multiply_all(f, mixture->up, r->gathered, f->up, index, members);
    as_team_meet(f->team, index);
    for (size_t place = first; place < last; place++) activate(f, mixture, place);
    as_team_meet(f->team, index);
    multiply_all(f, mixture->down, f->gate, r->parts, index, members);
    as_team_meet(f->team, index);
    for (size_t m = begin; m < end; m++) combine(f, mixture, m);
}
