#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that needs a GPU, within ten minutes: the tests of the kernels and of the forward pass on
# the device, compute-sanitizer, the suites' digests against the CPU's, and the figures.
#
#   tests/device/run.sh BUNDLE [LOG_FOLDER]     from the top of the tree. BUNDLE is what `./dev device`
#                                               packs: programs, their libraries, tiny models.
# Nothing is fetched or installed, no setting of the card is touched.
set -u
BUNDLE=$(cd "$1" && pwd)
LOGS=${2:-$BUNDLE/logs}
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$LOGS"
LIBRARIES=$BUNDLE/lib
PASSED=0 FAILED=0 SUMMARY=()

# step NAME SECONDS COMMAND...: its output in a log, its end on the screen.
step() {
    local name=$1 limit=$2 code=0 start=$SECONDS
    shift 2
    LD_LIBRARY_PATH=$LIBRARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
        timeout "$limit" "$@" >"$LOGS/$name.log" 2>&1 || code=$?
    if [ $code -eq 0 ]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
    SUMMARY+=("$(printf '%-28s %s, %d s' "$name" \
        "$([ $code -eq 0 ] && echo ok || echo "FAILED ($code)")" $((SECONDS - start)))")
    tail -n 30 "$LOGS/$name.log"
}

digest() { # of a suite's first cases on a device
    "$BUNDLE/assay" run suites/support/suite.yaml --no-store --fresh -q --out "$WORK/$1" \
        --target "gguf:golden/models/support-q8_0.gguf?device=$1" >"$WORK/$1.txt" 2>&1
    [ $? -le 1 ] || { cat "$WORK/$1.txt"; return 1; }
    python3 -c 'import json, sys; s = json.load(open(sys.argv[1])); print(s["scores_digest"], s["wall_s"], "s")' \
        "$WORK/$1/summary.json"
}
same_digest() {
    local cpu gpu
    cpu=$(digest cpu) && gpu=$(digest cuda:0) || { echo "$cpu $gpu"; return 1; }
    echo "cpu    $cpu"
    echo "cuda:0 $gpu"
    [ "${cpu%% *}" = "${gpu%% *}" ]
}

speed() { # SHAPE TYPE: as the engine runs it, on the GPU and on 16 threads
    python3 tests/device/make_big_model.py "$WORK/$1-$2.gguf" "$1" "$2" || return 1
    "$BUNDLE/assay" model bench "$WORK/$1-$2.gguf?device=cuda:0&ctx=2048" --format json || return 1
    [ "$1" = 1b ] && [ "$2" = q8_0 ] &&
        "$BUNDLE/assay" model bench "$WORK/$1-$2.gguf?threads=16&ctx=2048" --format json
    rm -f "$WORK/$1-$2.gguf"
}

export -f digest same_digest speed
export BUNDLE WORK

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm --format=csv || exit 1
step products 60 "$BUNDLE/device_products"
step rows 60 "$BUNDLE/device_rows"
step forward 90 "$BUNDLE/device_forward" "$BUNDLE/models"
step digest 60 bash -c same_digest
step ceilings_and_products 60 "$BUNDLE/bench_cuda" "$BUNDLE/ceilings.fatbin"
step speed_1b_q8_0 90 bash -c 'speed 1b q8_0'
step speed_8b_q4_k 110 bash -c 'speed 8b q4_k'
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
        step "sanitizer_$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 9 \
            "$BUNDLE/device_rows"
    done
fi
printf '\n'
printf '%s\n' "${SUMMARY[@]}"
echo "$PASSED passed, $FAILED failed"
[ $FAILED -eq 0 ]
