#!/usr/bin/env bash
# Creates .venv with the locked dependencies, or does nothing if it is up to date.
# onedl-mmcv has no wheel: it is compiled once and kept in ${SEESAW_WHEELS:-~/.cache/seesaw/wheels}.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 2; }

# The scripts of an environment that was moved or copied run the code of where it was made. First of
# all, because make's PATH begins with it.
if [ ! -L .venv ] && [ -e .venv/bin/activate ]; then
  gone=
  grep -qF "$(pwd -P)/.venv" .venv/bin/activate || gone="which was made in another folder"
  [ -x .venv/bin/python ] || gone="whose Python is gone"
  [ -z "$gone" ] || { say "removing .venv, $gone"; rm -rf .venv; }
fi

python=${PYTHON:-python3}
# An environment that is there keeps its Python, unless PYTHON asks for another.
if [ -z "${PYTHON:-}" ] && [ -x .venv/bin/python ]; then python=.venv/bin/python; fi
command -v "$python" >/dev/null || die "$python is missing; install Python 3.11, 3.12 or 3.13, or set PYTHON."
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
version=$(version_of "$python")
case $version in
  3.11 | 3.12 | 3.13) ;;
  *) die "$python is Python $version; install 3.11, 3.12 or 3.13 (conda: environment.yml) and set PYTHON to it." ;;
esac
# The wheels that this script compiles and looks for are those of $version.
if [ -x .venv/bin/python ] && [ "$(version_of .venv/bin/python)" != "$version" ]; then
  say "removing .venv, whose Python is another than $version"
  rm -rf .venv
fi

stamp=.venv/.lock
wanted=$(cat requirements.lock pyproject.toml tools/setup.sh | sha256sum | cut -d' ' -f1)
if [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then exit 0; fi

command -v "${CXX:-g++}" >/dev/null || die "${CXX:-g++} is missing; install a C++ compiler (apt install g++)."
"$python" -c 'import venv, ensurepip' 2>/dev/null || die "$python has no venv; apt install python$version-venv."
pinned() { grep -E "^$1==" requirements.lock || die "requirements.lock does not pin $1; restore it."; }

rm -f $stamp  # until all of it is installed
started=$SECONDS
say "creating .venv (log: logs/setup.log)"
mkdir -p logs
log=$PWD/logs/setup.log
: > "$log"
trap 'say "failed; the end of $log:"; tail -n 15 "$log"' ERR
[ -x .venv/bin/python ] || "$python" -m venv .venv >> "$log" 2>&1
pip=(.venv/bin/python -m pip --disable-pip-version-check)
"${pip[@]}" install -q "$(pinned pip)" "$(pinned setuptools)" "$(pinned wheel)" "$(pinned ninja)" >> "$log" 2>&1
say "installing torch"
# With its dependencies: which CUDA libraries it needs is the wheel's own business.
"${pip[@]}" install -q "$(pinned torch)" -c requirements.lock >> "$log" 2>&1

mmcv=$(pinned onedl-mmcv) torch=$(pinned torch)
wheels=${SEESAW_WHEELS:-${XDG_CACHE_HOME:-$HOME/.cache}/seesaw/wheels}
# mmcv compiles CUDA operators where a GPU is seen, for the GPUs that are, or where FORCE_CUDA=1 says
# so, for all for which torch has code itself. Each is another wheel, as is one for another torch.
cuda=$(.venv/bin/python -W ignore - << 'END'
import os, re, torch
seen = torch.cuda.is_available()
if torch.version.cuda and (seen or os.environ.get("FORCE_CUDA") == "1"):
    every = re.findall(r"sm_(\d+)(\d)\b", " ".join(torch.cuda.get_arch_list()))
    here = [torch.cuda.get_device_capability(n) for n in range(torch.cuda.device_count())]
    archs = ";".join(f"{a}.{b}" for a, b in sorted(set(here))) or ";".join(map(".".join, every)) + "+PTX"
    print(torch.version.cuda, os.environ.get("TORCH_CUDA_ARCH_LIST") or archs)
END
)
wheels=$wheels/torch-${torch#*==}${cuda:+/cuda-${cuda//[ ;]/_}}  # pip takes what follows a ; for a marker
if ! ls "$wheels"/onedl_mmcv-"${mmcv#*==}"-"cp${version/./}"-*_"$(uname -m)".whl >/dev/null 2>&1; then
  say "compiling $mmcv with its operators, once (kept in $wheels)"
  if [ -n "$cuda" ]; then export TORCH_CUDA_ARCH_LIST=${cuda#* }; fi
  build=$(mktemp -d)
  # A process group of its own: Ctrl-C does not reach it, so that it ends with this script.
  set -m
  # No debug symbols, plain -O2: half the time, the same operators.
  MMCV_WITH_OPS=1 MAX_JOBS=${MAX_JOBS:-$(nproc)} CFLAGS="-g0 -O2 -w" CXXFLAGS="-g0 -O2 -w" \
    "${pip[@]}" wheel -v --no-deps --no-build-isolation -w "$build" "$mmcv" > "$log.mmcv" 2>&1 &
  job=$!
  set +m
  trap 'kill -- -$job 2> /dev/null || true; rm -rf "$build"' EXIT
  while kill -0 $job 2>/dev/null; do
    sleep 5
    done_=$(grep -oE '^ *\[[0-9]+/[0-9]+\]' "$log.mmcv" | tail -n 1 || true)
    printf '\rsetup: compiled %s, %d min %02d s ' "${done_:-nothing yet}" $(((SECONDS-started)/60)) $(((SECONDS-started)%60))
  done
  echo
  wait $job || { trap - ERR; tail -n 15 "$log.mmcv"; die "$mmcv did not compile; see $log.mmcv."; }
  mkdir -p "$wheels"
  # Renamed last: a parallel set-up never sees half a wheel.
  for wheel in "$build"/*.whl; do
    cp "$wheel" "$wheels/.part.$$"
    mv "$wheels/.part.$$" "$wheels/$(basename "$wheel")"
  done
  trap - EXIT
  rm -r "$build"
fi
# pip would keep the same version that was compiled for another torch.
"${pip[@]}" install -q --no-deps --force-reinstall "$wheels"/onedl_mmcv-"${mmcv#*==}"-"cp${version/./}"-*_"$(uname -m)".whl >> "$log" 2>&1
say "installing the other locked packages"
# Four have no wheel: pip would build them with the newest setuptools, whatever it can still build.
"${pip[@]}" install -q --no-deps --build-constraint requirements.lock -r requirements.lock >> "$log" 2>&1
"${pip[@]}" install -q --no-deps --no-build-isolation -e . >> "$log" 2>&1
echo "$wanted" > $stamp
say "done in $(((SECONDS-started)/60)) min $(((SECONDS-started)%60)) s, .venv is $(du -sm .venv | cut -f1) MB"
