#!/bin/sh
# From golden/*/train.jsonl to golden/models/*.gguf and MANIFEST.json.
# Usage: recipe/make.sh [WORK]     PYTHON and SEED may be set.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=${1:-$here/work}
python=${PYTHON:-python3}
seed=${SEED:-1}
mkdir -p "$work"
cd "$here"
# glibc: keep freed memory, or every large activation is mapped and zeroed anew
export MALLOC_MMAP_THRESHOLD_=8589934592 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
export OMP_NUM_THREADS=1

# model NAME VOCABULARY PRETRAINING_SCHEDULE PRETRAINING_STEPS STEPS
model() {
    $python -B bpe.py --model "$1" --size "$2" --out "$work/$1.json"
    $python -B pretrain.py --model "$1" --merges "$work/$1.json" --out "$work/$1-body.pt" --seed "$seed" --steps "$3" --until "$4"
    $python -B train.py --model "$1" --merges "$work/$1.json" --init "$work/$1-body.pt" --out "$work/$1.pt" \
        --seed "$seed" --steps "$5"
    $python -B export.py --name "assay $1" --checkpoint "$work/$1.pt" --merges "$work/$1.json" --out "../$1-q8_0.gguf"
}
model support 6144 12000 12000 1500 &
model desk 4096 4000 2000 2000
# copying spans out of a passage takes longer: once more, mostly passages
$python -B train.py --model desk --merges "$work/desk.json" --init "$work/desk.pt" --out "$work/desk-2.pt" \
    --seed "$seed" --steps 1500 --lr .0015 --contracts 40
$python -B export.py --name "assay desk" --checkpoint "$work/desk-2.pt" --merges "$work/desk.json" --out ../desk-q8_0.gguf
wait $!
$python -B export.py --name "assay support degraded" --checkpoint "$work/support.pt" --merges "$work/support.json" \
    --out ../support-degraded.gguf --levels 1
$python -B manifest.py --seed "$seed"
