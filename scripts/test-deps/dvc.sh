#!/usr/bin/env bash
# DVC and GTO, with which the tests make the repository that the adapter reads; from PyPI. The adapter needs neither.
set -euo pipefail
source "$(dirname "$0")/python-part.bash"
python_part dvc 'import importlib.metadata as m; print(m.version("dvc"), "gto", m.version("gto"))' dvc==3.67.1 gto==1.9.0
