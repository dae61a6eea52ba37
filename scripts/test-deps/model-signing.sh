#!/usr/bin/env bash
# The tool of OpenSSF Model Signing, which signs what the tests verify: a virtual environment of pinned PyPI packages
# below `.cache/test-deps`. Can be repeated; a half installation never counts.
set -euo pipefail
cd "$(dirname "$0")/../.."

release=1.1.1
home="$(pwd)/.cache/test-deps"
there="$home/model-signing-$release"

if [[ -e $there/.complete ]]; then
  echo "model-signing $release"
  exit 0
fi
if ! command -v python3 >/dev/null; then
  echo "model-signing $release: not installed (needs python3); its tests will be skipped"
  exit 0
fi
mkdir -p "$home"
# Made where it stays: the programs of a virtual environment name its path. The mark is its last file.
rm -rf "$there"
# pyOpenSSL: the release imports it and does not declare it.
if python3 -m venv "$there" >/dev/null 2>&1 &&
  "$there/bin/python" -m pip install --quiet --disable-pip-version-check "model-signing==$release" pyOpenSSL==26.4.0 >/dev/null 2>&1 &&
  "$there/bin/python" -m model_signing --version >/dev/null 2>&1; then
  touch "$there/.complete"
  echo "model-signing $release"
else
  rm -rf "$there"
  echo "model-signing $release: not installed (python3 -m venv or pip failed); its tests will be skipped"
fi
