# Sourced by the scripts of Python parts. A virtual environment below .cache/test-deps, made elsewhere and moved into its
# place when it is whole: a half install never counts. Each part is run as `bin/python -m …`, as scripts name the place
# where they were made.

# python_part NAME PROOF PACKAGE...   PROOF is Python that prints the installed version and fails where it cannot be run.
python_part() {
  local name=$1 proof=$2
  shift 2
  local root cache place work
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  cache=$root/.cache/test-deps
  place=$cache/$name
  if [[ -x $place/bin/python && $(cat "$place/installed" 2>/dev/null) == "$*" ]]; then
    echo "$name: $(cat "$place/version")"
    return 0
  fi
  if ! command -v python3 >/dev/null; then
    echo "$name: not installed (needs python3 with venv); its tests will be skipped"
    return 0
  fi
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/.$name-XXXXXX")
  # shellcheck disable=SC2064 # this work directory, not another call's
  trap "rm -rf '$work'" RETURN
  if ! { python3 -m venv "$work/venv" && "$work/venv/bin/python" -m pip install -q --disable-pip-version-check uv==0.13.9 \
    && "$work/venv/bin/uv" pip install -q --python "$work/venv/bin/python" "$@" \
    && "$work/venv/bin/python" -c "$proof" >"$work/venv/version"; } >"$work/log" 2>&1; then
    echo "$name: not installed ($(tail -n 1 "$work/log")); its tests will be skipped"
    return 0
  fi
  echo "$*" >"$work/venv/installed"
  rm -rf "$place"
  mv "$work/venv" "$place"
  echo "$name: $(cat "$place/version")"
}
