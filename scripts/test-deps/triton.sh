#!/usr/bin/env bash
# A real Triton for the tests of its runtime: the server that PyPI's nvidia-pytriton bundles, with its Python backend, on
# the CPU. Pinned, in a virtual environment under .cache/test-deps; nothing is installed on the machine. Can be repeated.
set -euo pipefail
cd "$(dirname "$0")/../.."

release=0.7.0
numpy=1.26.4 # from 2 on every output of text fails
home=.cache/test-deps/triton
server=lib/python3.11/site-packages/pytriton/tritonserver

if [[ -e $home/release ]] && [[ $(<"$home/release") == "$release" ]]; then
  echo "triton: nvidia-pytriton $release"
  exit 0
fi
python=$(command -v python3.11 || true)
if [[ -z $python ]] || ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
  echo 'triton: not installed (needs python3.11 with venv; the backend is built for 3.11); its tests will be skipped'
  exit 0
fi
if [[ $(uname -sm) != 'Linux x86_64' ]]; then
  echo "triton: not installed (the wheel is for Linux x86_64, this is $(uname -sm)); its tests will be skipped"
  exit 0
fi
mkdir -p "$(dirname "$home")"
half=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$half"' EXIT
if ! { "$python" -m venv "$half" &&
  "$half/bin/python" -m pip install -q --disable-pip-version-check --no-deps "nvidia-pytriton==$release" "numpy==$numpy"; } >"$half/log" 2>&1; then
  echo "triton: not installed ($(tail -n 1 "$half/log")); its tests will be skipped"
  exit 0
fi
# The wheel keeps one stub of the backend for each Python apart; the server looks for it beside the backend.
cp "$half/$server/python_backend_stubs/3.11/triton_python_backend_stub" "$half/$server/backends/python/"
"$half/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("LIBDIR"))' >"$half/libdir"
echo "$release" >"$half/release"
chmod 755 "$half"
rm -rf "$home"
mv "$half" "$home"
trap - EXIT
echo "triton: nvidia-pytriton $release"
