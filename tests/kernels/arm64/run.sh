#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh FOLDER - the tests of the kernels on a 64-bit Arm: cross-compiled into FOLDER, run by qemu.
# Exit code 77 when there is no such compiler or no qemu.
set -euo pipefail
out=$1 cc=aarch64-linux-gnu-gcc
command -v $cc >/dev/null || { echo "there is no $cc"; exit 77; }
command -v qemu-aarch64 >/dev/null || { echo "there is no qemu-aarch64"; exit 77; }

flags=(-std=c11 -I. -O2 -ffp-contract=off -fno-math-errno -DAS_KERNELS_ARM -DAS_EMULATED_CPU
       -Wall -Wextra -Wshadow -Wconversion -Werror)
mkdir -p "$out"
objects=()
for source in kernels/*.c kernels/arm/*.c; do
    object=$out/$(basename "$source" .c).o
    extra=()
    [ "$source" = kernels/arm/dotprod.c ] && extra=(-march=armv8.2-a+dotprod)
    $cc "${flags[@]}" "${extra[@]}" -c "$source" -o "$object"
    objects+=("$object")
done
for name in attend blocks coded encoder_kernels kernels numeric; do
    test=tests/kernels/test_$name.c
    # -O1: at more the vectorizer of gcc 12 fails within one of the tests.
    $cc "${flags[@]}" -O1 -Itests/kernels/arm64 -static "$test" "${objects[@]}" -lm -o "$out/test_$name"
    qemu-aarch64 -cpu max "$out/test_$name"
done
