#!/usr/bin/env bash
# What a GPU does with this repository, measured on a bare node without a network: the operators'
# and detectors' tests, then seconds and memory of every training and evaluation at paper scale.
#
#   tools/gpu_first_light.sh [OUT]      (default: gpu_first_light)
#
# Needs a python3 with PyTorch for CUDA; a folder of wheels for what that python lacks
# (WHEELS=.whl). mmcv's operators come from a wheel there, or are compiled by nvcc from its source
# archive there, for the visible GPU alone, into a wheel in OUT, with which a next call begins at once.
# The versions may differ from the lock's: they are printed.
# MINUTES (default 9) bounds all of it; each step leaves its log and its numbers when it ends.
set -uo pipefail
cd "$(dirname "$0")/.."
out=$(mkdir -p "${1:-gpu_first_light}" && cd "${1:-gpu_first_light}" && pwd) || exit 2
started=$SECONDS
limit=$(awk "BEGIN {print int(60 * ${MINUTES:-9})}")
wheels=${WHEELS:-.whl}
python=${PYTHON:-python3}
site=$(mktemp -d)
export PYTHONPATH=$PWD/src:$site PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore OMP_NUM_THREADS=${THREADS:-2}
export NUMBA_CACHE_DIR=$site/numba

left() { echo $((limit - (SECONDS - started))); }
step() { # NAME COMMAND...: its output, if any, goes to OUT/NAME.log; at most AT_MOST seconds
  local name=$1 begin=$SECONDS seconds
  shift
  seconds=$(( $(left) > 5 ? $(left) : 5 ))
  seconds=$(( ${AT_MOST:-$seconds} < seconds ? AT_MOST : seconds ))
  timeout -s INT -k 15 "$seconds" "$@" > "$out/$name.log" 2>&1
  local code=$?
  [ -s "$out/$name.log" ] || rm -f "$out/$name.log"
  echo "first light: $name ended with $code after $((SECONDS - begin)) s, $(left) s left" | tee -a "$out/steps.log"
  return $code
}

install() { # NAME WHEEL...
  local name=$1; shift
  step "$name" "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir \
    --disable-pip-version-check --target "$site" "$@" || { cat "$out/$name.log"; exit 1; }
}
if ls "$wheels"/*.whl > /dev/null 2>&1; then install install "$wheels"/*.whl; fi
operators() { "$python" -c 'import torch; from mmcv.ops import nms; b = torch.tensor([[0., 0, 9, 9]]); d = "cuda" if torch.cuda.is_available() else "cpu"; nms(b.to(d), torch.ones(1, device=d), 0.5)'; }
if ! operators > "$out/operators.log" 2>&1; then
  source=$(ls "$wheels"/onedl_mmcv-*.tar.gz 2> /dev/null | head -n 1)
  if [ -z "$source" ]; then
    cat "$out/operators.log"
    echo "first light: mmcv's operators do not work, and $wheels has no onedl_mmcv-*.tar.gz to compile them from" >&2
    exit 1
  fi
  arch=${ARCH:-$("$python" -c 'import torch; print("%d.%d" % torch.cuda.get_device_capability())')}
  # a toolkit may lack the libraries' headers, which PyTorch's own packages have
  CPATH=$("$python" -c 'import glob, os, torch; print(":".join(glob.glob(os.path.dirname(os.path.dirname(torch.__file__)) + "/nvidia/*/include")))')
  export CPATH
  rm -rf "$site"/mmcv "$site"/onedl_mmcv* "$out"/onedl_mmcv-*.whl
  step compile env FORCE_CUDA=1 MMCV_WITH_OPS=1 TORCH_CUDA_ARCH_LIST="$arch" MAX_JOBS="$(nproc)" \
    CFLAGS="-g0 -O2 -w" CXXFLAGS="-g0 -O2 -w" NVCC_APPEND_FLAGS="-O2 -w" \
    "$python" -m pip wheel -q --no-index --no-deps --no-build-isolation --no-cache-dir \
    --disable-pip-version-check -w "$out" "$source" || { tail -n 40 "$out/compile.log"; exit 1; }
  install operators "$out"/onedl_mmcv-*.whl
fi
"$python" - > "$out/versions.log" 2>&1 << 'END'
import platform, cv2, mmcv, mmdet, mmengine, numba, numpy, torch
print("python", platform.python_version(), *(f"{m.__name__} {m.__version__}" for m in (torch, mmcv, mmdet, mmengine, numpy, numba, cv2)))
print("cuda", torch.version.cuda, "cudnn", torch.backends.cudnn.version(), torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")
END
tail -n 2 "$out/versions.log"

failed=0
# The measurements after them take five to six minutes. The trainings take longest and begin first: xdist
# hands out two tests at a time in this order. -v alone would only take back pyproject.toml's -q.
files=$(printf '%s\n' tests/gpu/test_*.py | sort -r)
hangs=(); if "$python" -c 'import pytest_timeout' 2> /dev/null; then hangs=(--timeout 180); fi
AT_MOST=${TEST_SECONDS:-200} step tests "$python" -m pytest -vv -p no:cacheprovider -n "${TEST_PROCESSES:-8}" \
  --maxschedchunk 1 --durations 10 "${hangs[@]}" $files || failed=1
tail -n 40 "$out/tests.log" | cut -c1-300
# Two processes: an error that poisons one's CUDA context leaves the other.
measure() { # NAME SECTION...
  local name=$1; shift
  [ "$(left)" -gt 30 ] || return 1
  step "$name" "$python" -m seesaw.cli preflight --scale "${SCALE:-paper}" \
    --out "$out" --minutes "$(awk "BEGIN {print ($(left) - 15) / 60}")" --measure "$@"
  local code=$?
  grep -E "^(${SECTIONS// /|}|not begun|seesaw|[A-Za-z]*Error)" "$out/$name.log" | cut -c1-250
  return $code
}
SECTIONS=${SECTIONS:-peer fps training detection loader switches}
first=(); second=()
for section in $SECTIONS; do case $section in peer|fps) first+=("$section");; *) second+=("$section");; esac; done
[ ${#first[@]} = 0 ] || measure peers "${first[@]}" || failed=1
[ ${#second[@]} = 0 ] || measure rungs "${second[@]}" || failed=1
exit $failed
