#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that needs a GPU, within eight minutes: the tests of the kernels and of the forward pass
# on the device, the suites' digests against the CPU's, the figures, compute-sanitizer.
#
#   tests/device/run.sh BUNDLE [LOG_FOLDER]     from the top of the tree. BUNDLE is what `./dev device`
#                                               packs, or the folder of it: programs, their libraries,
#                                               tiny models.
# Each step has a limit and none a say in the next; a step for which no time is left is skipped and
# said. At the end report.py makes ratios of what there is. Nothing is fetched or installed, no
# setting of the card is touched.
set -u
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
if [ -d "$1" ]; then BUNDLE=$(cd "$1" && pwd); else
    tar -C "$WORK" -xzf "$1" || exit 1
    BUNDLE=$WORK/bundle
fi
LOGS=${2:-${OUT:-$(dirname "$1")/logs}}
mkdir -p "$LOGS"
LIBRARIES=$BUNDLE/lib
LIMIT=${LIMIT:-480} # seconds, of all together
PASSED=0 FAILED=0 SUMMARY=()

# step NAME SECONDS COMMAND...: its output in a log, its end on the screen.
step() {
    local name=$1 limit=$2 code=0 start=$SECONDS left=$((LIMIT - SECONDS))
    shift 2
    [ "$limit" -le "$left" ] || limit=$left
    if [ "$limit" -lt 5 ]; then
        SUMMARY+=("$(printf '%-24s skipped: no time left' "$name")")
        return
    fi
    LD_LIBRARY_PATH=$LIBRARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
        timeout -k 5 "$limit" "$@" >"$LOGS/$name.log" 2>&1 || code=$?
    if [ $code -eq 0 ]; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
    SUMMARY+=("$(printf '%-24s %s, %d s' "$name" \
        "$([ $code -eq 0 ] && echo ok || echo "FAILED ($code)")" $((SECONDS - start)))")
    printf -- '--- %s\n' "${SUMMARY[-1]}"
    tail -n 24 "$LOGS/$name.log"
}

# run_suite SUITE MODEL DEVICE [QUERY]: "digest wall_s cases ok"
run_suite() {
    local out=$WORK/$(basename "$(dirname "$1")")-$3
    "$BUNDLE/assay" run "$1" --no-store --fresh -q --out "$out" \
        --target "gguf:$2?device=$3${4:-}" >"$out.txt" 2>&1
    [ $? -le 1 ] || { cat "$out.txt" >&2; return 1; }
    python3 -c 'import json, sys
s = json.load(open(sys.argv[1]))
print(s["scores_digest"], s["wall_s"], s["cases"]["ok"])' "$out/summary.json"
}

# same_digest NAME SUITE MODEL CPU_QUERY GPU_QUERY: both, and whether they agree.
same_digest() {
    local cpu gpu
    gpu=$(run_suite "$2" "$3" cuda:0 "$5") || return 1
    echo "$1 cuda:0 $gpu"
    cpu=$(run_suite "$2" "$3" cpu "$4") || return 1
    echo "$1 cpu $cpu"
    [ "${cpu%% *}" = "${gpu%% *}" ]
}

digests() {
    local suite=suites/support/suite.yaml model=golden/models/support-q8_0.gguf kv failed=0
    for kv in f32 f16 q8_0; do
        same_digest "support-$kv" $suite $model "&kv=$kv" "&kv=$kv" || failed=1
    done
    # Another model: near-ties may end otherwise, which is said and is no failure.
    local cpu gpu
    gpu=$(run_suite $suite $model cuda:0-fast) && cpu=$(run_suite $suite $model cpu) || return 1
    echo "support-fast cuda:0-fast $gpu"
    [ "${cpu%% *}" = "${gpu%% *}" ] && echo "support-fast: the same predictions" ||
        echo "support-fast: other predictions than the CPU's"
    return $failed
}

speed() { # SHAPE TYPE: as the engine runs it, exact and fast
    local device
    python3 tests/device/make_big_model.py "$WORK/$1-$2.gguf" "$1" "$2" || return 1
    for device in cuda:0 cuda:0-fast; do
        "$BUNDLE/assay" model bench "$WORK/$1-$2.gguf?device=$device&ctx=2048" --format json >"$WORK/one" || return 1
        sed "s/^{/$device {/" "$WORK/one"
    done
}

# A suite of choices behind a prefix of 1,000 tokens, on the 1B shape: GPU and 16 cores.
prefix_suite() {
    python3 tests/device/make_suite.py "$WORK/prefix" 400 || return 1
    same_digest prefix "$WORK/prefix/suite.yaml" "$WORK/1b-q8_0.gguf" "&threads=16&ctx=2048" "&ctx=2048"
}

export -f run_suite same_digest digests speed prefix_suite
export BUNDLE WORK

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm --format=csv || exit 1
step ceilings 30 "$BUNDLE/bench_cuda" "$BUNDLE/ceilings.fatbin" ceilings
step kernels 45 "$BUNDLE/device_products"
step fast 30 "$BUNDLE/device_fast"
step rows 45 "$BUNDLE/device_rows"
step attention 30 "$BUNDLE/device_attention"
step forward 60 "$BUNDLE/device_forward" "$BUNDLE/models"
step digests 60 bash -c digests
step products 40 "$BUNDLE/bench_cuda" "$BUNDLE/ceilings.fatbin" products
step products_fast 40 "$BUNDLE/bench_cuda" "$BUNDLE/ceilings.fatbin" fast
step speed_1b_q8_0 45 bash -c 'speed 1b q8_0'
step prefix_suite 90 bash -c prefix_suite
rm -f "$WORK"/*.gguf
step speed_8b_q4_k 75 bash -c 'speed 8b q4_k'
rm -f "$WORK"/*.gguf
export PATH=$PATH:$BUNDLE/sanitizer/nvidia/cu13/bin
if command -v compute-sanitizer >/dev/null; then
    for program in rows attention fast products; do
        step "memcheck_$program" 45 compute-sanitizer --error-exitcode 9 "$BUNDLE/device_$program"
    done
    for program in rows attention fast; do
        step "racecheck_$program" 45 compute-sanitizer --tool racecheck --error-exitcode 9 \
            "$BUNDLE/device_$program"
    done
else
    SUMMARY+=("compute-sanitizer is not there: not run")
fi
printf '\n'
printf '%s\n' "${SUMMARY[@]}"
python3 tests/device/report.py "$LOGS"
echo "$PASSED passed, $FAILED failed, $SECONDS s"
[ $FAILED -eq 0 ]
