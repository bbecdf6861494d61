// SPDX-License-Identifier: Apache-2.0
// gpu_encoder.h - the forward pass of encoders (encoder.h) on a GPU, with the bits of the CPU's.
// Private to harness/engine/gpu/. One caller at a time.
#ifndef AS_GPU_ENCODER_H
#define AS_GPU_ENCODER_H

#include "harness/engine/gpu/gpu.h"

typedef struct as_gpu_encoder as_gpu_encoder;

as_rc as_gpu_encoder_new(const as_model *model, as_gpu_choice choice, as_gpu_encoder **out,
                         as_err *err) AS_MUST_USE;
void as_gpu_encoder_free(as_gpu_encoder *encoder); // also for NULL

// As as_encoder_run. AS_UNMEASURED when the device fails.
as_rc as_gpu_encoder_run(as_gpu_encoder *encoder, const as_tokens *texts, size_t count,
                         const float **rows, as_err *err) AS_MUST_USE;

#endif
