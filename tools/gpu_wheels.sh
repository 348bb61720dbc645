#!/usr/bin/env bash
# Collects what tools/gpu_first_light.sh needs on a node without a network: wheels of the lock's
# versions of what a node with PyTorch usually lacks, and mmcv's source, which that node compiles.
#
#   tools/gpu_wheels.sh [FOLDER] [PYTHON_VERSION]      (default: .whl 3.12, the node's Python)
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-.whl} version=${2:-3.12}
python=${PYTHON:-python3}
mkdir -p "$folder"
pinned() { grep -iE "^$1==" requirements.lock || { echo "requirements.lock does not pin $1" >&2; exit 2; }; }
platforms=()
for glibc in 2_28 2_27 2_24 2_17; do platforms+=(--platform "manylinux_${glibc}_x86_64"); done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux1_x86_64)
pip=("$python" -m pip --disable-pip-version-check)

for name in addict yapf termcolor terminaltables shapely pycocotools orjson pydantic pydantic_core \
  annotated-types typing-inspection platformdirs hotcoco imagecorruptions-imaug imaug lvis \
  onedl-mmengine six setuptools; do
  "${pip[@]}" download -q --no-deps --only-binary=:all: --python-version "$version" \
    --implementation cp "${platforms[@]}" -d "$folder" "$(pinned "$name")"
done
# These two have no wheel, but nothing to compile.
for name in onedl-mmdetection instaboostfast; do
  "${pip[@]}" wheel -q --no-deps -w "$folder" "$(pinned "$name")"
done
"${pip[@]}" download -q --no-deps --no-binary :all: -d "$folder" "$(pinned onedl-mmcv)"
du -sh "$folder"
