// SPDX-License-Identifier: Apache-2.0
#include "harness/engine/rope.h"

#include <math.h>

#include "kernels/kernels.h"

static const double PI = 3.14159265358979323846;

static as_rc read_number(const as_arch *arch, const as_gguf *file, const char *rest, double min,
                         double max, double *out, as_err *err) {
    char key[AS_ARCH_KEY_MAX];
    return as_gguf_f64(file, as_arch_key(arch, rest, key), min, max, out, err);
}

static as_rc read_size(const as_arch *arch, const as_gguf *file, const char *rest, size_t max,
                       size_t *out, as_err *err) {
    char key[AS_ARCH_KEY_MAX];
    uint64_t value = *out;
    as_rc rc = as_gguf_u64(file, as_arch_key(arch, rest, key), 1, max, &value, err);
    *out = (size_t)value;
    return rc;
}

static as_rc read_divisor(as_rope *rope, const as_arch *arch, const as_gguf *file, as_err *err) {
    double factor = 0.0;
    char key[AS_ARCH_KEY_MAX];
    as_rc rc = read_number(arch, file, "rope.scale_linear", 0.0, AS_ROPE_DIVISOR_MAX, &factor, err);
    if (!rc)
        rc = read_number(arch, file, "rope.scaling.factor", 0.0, AS_ROPE_DIVISOR_MAX, &factor, err);
    if (!rc && factor != 0.0 && factor < AS_ROPE_DIVISOR_MIN)
        rc = as_gguf_fail_at(file, err, as_arch_key(arch, "rope.scaling.factor", key),
                             "the rope scaling factor %g is below %g", factor, AS_ROPE_DIVISOR_MIN);
    if (factor != 0.0) rope->divisor = factor; // 0 is written for "no scaling"
    return rc;
}

static as_rc read_yarn(as_rope *rope, const as_arch *arch, const as_gguf *file, as_err *err) {
    double attention = 1.0, log_factor = 0.0;
    char key[AS_ARCH_KEY_MAX];
    rope->extrapolation = 1.0;
    as_rc rc = read_number(arch, file, "rope.scaling.yarn_ext_factor", -1.0, 1.0,
                           &rope->extrapolation, err);
    if (rope->extrapolation < 0.0) rope->extrapolation = 1.0; // -1 is written for "as usual"
    if (!rc)
        rc = read_number(arch, file, "rope.scaling.yarn_attn_factor", 1e-3, 1e3, &attention, err);
    if (!rc)
        rc = read_number(arch, file, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, &rope->beta_fast,
                         err);
    if (!rc)
        rc = read_number(arch, file, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, &rope->beta_slow,
                         err);
    if (!rc)
        rc = read_number(arch, file, "rope.scaling.yarn_log_multiplier", -1e3, 1e3, &log_factor,
                         err);
    as_arch_key(arch, "rope.scaling.yarn_log_multiplier", key);
    if (!rc && log_factor != 0.0 && !(arch->log_temperature && log_factor > 0.0))
        rc = as_gguf_fail_at(file, err, key, "'%s' is %g, which is not supported for '%s'%s", key,
                             log_factor, arch->name,
                             arch->log_temperature ? "" : ": it belongs to latent attention (MLA)");
    double stretch = 0.1 * as_log_f64(rope->divisor);
    if (rope->extrapolation != 0.0) attention *= (1.0 + stretch) / (1.0 + log_factor * stretch);
    rope->magnitude *= attention;
    return rc;
}

static as_rc read_scaling(as_rope *rope, const as_arch *arch, const as_gguf *file, as_err *err) {
    char key[AS_ARCH_KEY_MAX];
    as_str type = AS_STR("linear");
    as_rc rc = as_gguf_text(file, as_arch_key(arch, "rope.scaling.type", key), &type, err);
    if (rc || as_str_is(type, "none")) return rc;
    bool yarn = as_str_is(type, "yarn");
    rope->longrope = as_str_is(type, "longrope");
    if (!yarn && !rope->longrope && !as_str_is(type, "linear"))
        return as_gguf_fail(file, err,
                            "'%s' is '%.*s', which is not supported, only 'none', 'linear', 'yarn' "
                            "and 'longrope' (offset %zu)",
                            key, type.len < 64 ? (int)type.len : 64, type.ptr,
                            as_gguf_find(file, key)->offset);
    rc = read_divisor(rope, arch, file, err);
    if (!rc)
        rc = read_number(arch, file, "rope.scaling.attn_factor", 1e-3, 1e3, &rope->magnitude, err);
    return rc || !yarn ? rc : read_yarn(rope, arch, file, err);
}

// Parts of a head that turn by time, height and width: texts turn all by their position, but unless
// the architecture is known for it, in another order of pairs; a fourth part, not at all.
static as_rc refuse_sections(const as_arch *arch, const as_gguf *file, as_err *err) {
    char key[AS_ARCH_KEY_MAX];
    const as_gguf_value *sections =
        as_gguf_find(file, as_arch_key(arch, "rope.dimension_sections", key));
    bool numbers = sections && sections->type == AS_GGUF_ARRAY && sections->item < AS_GGUF_BOOL;
    for (size_t i = arch->sections ? 3 : 0; numbers && i < sections->count; i++)
        if (as_gguf_number(sections, i) != 0.0)
            return as_gguf_fail(file, err,
                                "'%s' asks for multimodal rope, which is not supported for '%s' "
                                "(offset %zu)",
                                key, arch->name, sections->offset);
    return AS_OK;
}

as_rc as_rope_read(as_rope *out, const as_arch *arch, const as_gguf *file, size_t head_width,
                   size_t context, as_err *err) {
    as_rope rope = {.width = head_width,
                    .base = 10000.0,
                    .divisor = 1.0,
                    .beta_fast = 32.0,
                    .beta_slow = 1.0,
                    .original_context = context,
                    .magnitude = 1.0};
    char key[AS_ARCH_KEY_MAX];
    as_rc rc = read_size(arch, file, "rope.dimension_count", head_width, &rope.width, err);
    as_arch_key(arch, "rope.dimension_count", key);
    if (!rc && rope.width % 2)
        rc = as_gguf_fail_at(file, err, key, "'%s' is %zu, which is odd", key, rope.width);
    if (!rc) rc = refuse_sections(arch, file, err);
    if (!rc) rc = read_number(arch, file, "rope.freq_base", 1.0, 1e12, &rope.base, err);
    if (!rc)
        rc = read_size(arch, file, "rope.scaling.original_context_length", SIZE_MAX >> 1,
                       &rope.original_context, err);
    if (!rc) rc = read_scaling(&rope, arch, file, err);
    as_arch_key(arch, "rope.freq_base", key);
    if (!rc && rope.extrapolation != 0.0 && !(rope.base > 1.0))
        rc = as_gguf_fail_at(file, err, key, "'%s' is 1, which yarn cannot scale", key);
    if (!rc) *out = rope;
    return rc;
}

// The pair that turns `turns` times over the original context.
static double pair_of(const as_rope *rope, double turns) {
    return (double)rope->width * as_log_f64((double)rope->original_context / (turns * 2.0 * PI)) /
           (2.0 * as_log_f64(rope->base));
}

void as_rope_rates(const as_rope *rope, const float *factors, double *rates) {
    double log_base = as_log_f64(rope->base), low = 0.0, high = 0.0;
    if (rope->extrapolation != 0.0) {
        low = floor(pair_of(rope, rope->beta_fast));
        high = ceil(pair_of(rope, rope->beta_slow));
        low = low > 0.0 ? low : 0.0;
        high = high < (double)(rope->width - 1) ? high : (double)(rope->width - 1);
    }
    double span = high - low > 0.001 ? high - low : 0.001;
    for (size_t i = 0; i < rope->width / 2; i++) {
        double rate = as_exp_f64(-(double)(2 * i) / (double)rope->width * log_base);
        double factor = factors ? (double)factors[i] : 1.0;
        double along = ((double)i - low) / span;
        along = along < 0.0 ? 0.0 : along > 1.0 ? 1.0 : along;
        double fast = (1.0 - along) * rope->extrapolation;
        double scale = rope->divisor * factor; // one rounding where there is no yarn
        rates[i] =
            fast == 0.0 ? rate / scale : rate / factor * ((1.0 - fast) / rope->divisor + fast);
    }
}
