// SPDX-License-Identifier: Apache-2.0
// driver.h - the functions of NVIDIA's driver that the engine calls, found in libcuda.so.1 at run
// time: so one program serves machines with and without a driver, and builds without a toolkit.
//
// Numbers and signatures are those of the driver's interface, which does not change: a changed
// function gets a new symbol. Every function returns 0 or an error's number. Any thread.
#ifndef AS_DRIVER_H
#define AS_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "harness/base/err.h"

typedef uint64_t as_gpu_memory; // an address on the device
typedef struct as_gpu_context as_gpu_context;
typedef struct as_gpu_module as_gpu_module;
typedef struct as_gpu_function as_gpu_function;
typedef struct as_gpu_stream as_gpu_stream;
typedef struct as_gpu_event as_gpu_event;
typedef struct as_gpu_graph as_gpu_graph;
typedef struct as_gpu_graph_exec as_gpu_graph_exec;

enum {
    AS_GPU_OUT_OF_MEMORY = 2,
    AS_GPU_NO_DEVICE = 100,
    AS_GPU_INVALID_IMAGE = 200,
    AS_GPU_NO_BINARY = 209,
    AS_GPU_UNSUPPORTED_PTX = 222,
    AS_GPU_NOT_FOUND = 500,

    AS_GPU_ATTRIBUTE_MULTIPROCESSORS = 16,
    AS_GPU_ATTRIBUTE_MAJOR = 75,
    AS_GPU_ATTRIBUTE_MINOR = 76,

    AS_GPU_FUNCTION_SHARED_MAX = 8, // an attribute: bytes of shared memory that a launch may take
    AS_GPU_LAUNCH_OVERLAP = 6,      // an attribute: begins while the launch before still runs
    AS_GPU_OVERLAP_VERSION = 12030, // the first driver that records such launches

    AS_GPU_CAPTURE_THREAD = 1, // of stream capture: only this thread's calls are watched
};

// As the driver has them.
typedef struct as_gpu_attribute {
    int id, unused;
    int value[16];
} as_gpu_attribute;
typedef struct as_gpu_launch {
    unsigned grid[3], block[3], shared_size;
    as_gpu_stream *stream;
    as_gpu_attribute *attributes;
    unsigned attribute_count;
} as_gpu_launch;

// F(field, symbol, parameters)
#define AS_DRIVER(F)                                                                               \
    F(init, "cuInit", (unsigned))                                                                  \
    F(version, "cuDriverGetVersion", (int *))                                                      \
    F(device_count, "cuDeviceGetCount", (int *))                                                   \
    F(device_get, "cuDeviceGet", (int *, int))                                                     \
    F(device_name, "cuDeviceGetName", (char *, int, int))                                          \
    F(device_attribute, "cuDeviceGetAttribute", (int *, int, int))                                 \
    F(context_retain, "cuDevicePrimaryCtxRetain", (as_gpu_context **, int))                        \
    F(context_release, "cuDevicePrimaryCtxRelease_v2", (int))                                      \
    F(context_set, "cuCtxSetCurrent", (as_gpu_context *))                                          \
    F(memory_info, "cuMemGetInfo_v2", (size_t *, size_t *))                                        \
    F(memory_new, "cuMemAlloc_v2", (as_gpu_memory *, size_t))                                      \
    F(memory_free, "cuMemFree_v2", (as_gpu_memory))                                                \
    F(pinned_new, "cuMemAllocHost_v2", (void **, size_t))                                          \
    F(pinned_free, "cuMemFreeHost", (void *))                                                      \
    F(copy_in, "cuMemcpyHtoDAsync_v2", (as_gpu_memory, const void *, size_t, as_gpu_stream *))     \
    F(copy_out, "cuMemcpyDtoHAsync_v2", (void *, as_gpu_memory, size_t, as_gpu_stream *))          \
    F(copy_within, "cuMemcpyDtoDAsync_v2",                                                         \
      (as_gpu_memory, as_gpu_memory, size_t, as_gpu_stream *))                                     \
    F(fill, "cuMemsetD8Async", (as_gpu_memory, unsigned char, size_t, as_gpu_stream *))            \
    F(stream_new, "cuStreamCreate", (as_gpu_stream **, unsigned))                                  \
    F(stream_free, "cuStreamDestroy_v2", (as_gpu_stream *))                                        \
    F(stream_wait, "cuStreamSynchronize", (as_gpu_stream *))                                       \
    F(event_new, "cuEventCreate", (as_gpu_event **, unsigned))                                     \
    F(event_free, "cuEventDestroy_v2", (as_gpu_event *))                                           \
    F(event_record, "cuEventRecord", (as_gpu_event *, as_gpu_stream *))                            \
    F(event_wait, "cuEventSynchronize", (as_gpu_event *))                                          \
    F(event_elapsed, "cuEventElapsedTime", (float *, as_gpu_event *, as_gpu_event *))              \
    F(module_load, "cuModuleLoadData", (as_gpu_module **, const void *))                           \
    F(module_free, "cuModuleUnload", (as_gpu_module *))                                            \
    F(module_function, "cuModuleGetFunction", (as_gpu_function **, as_gpu_module *, const char *)) \
    F(function_set, "cuFuncSetAttribute", (as_gpu_function *, int, int))                           \
    F(launch, "cuLaunchKernelEx", (const as_gpu_launch *, as_gpu_function *, void **, void **))    \
    F(capture_begin, "cuStreamBeginCapture_v2", (as_gpu_stream *, int))                            \
    F(capture_end, "cuStreamEndCapture", (as_gpu_stream *, as_gpu_graph **))                       \
    F(graph_make, "cuGraphInstantiateWithFlags",                                                   \
      (as_gpu_graph_exec **, as_gpu_graph *, unsigned long long))                                  \
    F(graph_free, "cuGraphDestroy", (as_gpu_graph *))                                              \
    F(graph_run, "cuGraphLaunch", (as_gpu_graph_exec *, as_gpu_stream *))                          \
    F(graph_exec_free, "cuGraphExecDestroy", (as_gpu_graph_exec *))                                \
    F(error_name, "cuGetErrorName", (int, const char **))

#define AS_DRIVER_FIELD(field, symbol, parameters) int(*field) parameters;
typedef struct as_driver {
    AS_DRIVER(AS_DRIVER_FIELD)
} as_driver;

// The driver of this machine, begun. AS_INVALID without one.
as_rc as_driver_open(as_driver *out, as_err *err) AS_MUST_USE;

#endif
