#!/usr/bin/env bash
# An MLflow server for the tests of its registry adapter, with the parts for basic auth, from PyPI. Started by the tests.
set -euo pipefail
source "$(dirname "$0")/python-part.bash"
python_part mlflow 'import importlib.metadata as m; print(m.version("mlflow"))' 'mlflow[auth]==3.17.2'
