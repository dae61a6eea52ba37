#!/bin/sh
# Installs the release beside this file into a directory: verifies the parts, unpacks them, verifies every file, and only then
# names the release as the current one. What fails leaves the directory as it was. Needs Node, tar, gzip; no network.
set -eu

fail() {
  echo "install: $1" >&2
  exit 1
}

[ $# -eq 1 ] || fail "usage: ./install.sh DIRECTORY   (such as /opt/lastgood)"
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)

sums() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

# Prints the names of the files of a list ($2, in directory $1) that are not as they were made.
changed() {
  (cd "$1" && sums -c "$2" 2>/dev/null | sed -n 's/: FAILED.*$//p')
}

whole() {
  (cd "$1" && sums -c "$2" >/dev/null 2>&1)
}

cd "$here"
[ -f SHA256SUMS ] || fail "SHA256SUMS is missing in $here: unpack the archive again"
whole "$here" SHA256SUMS ||
  fail "changed or missing: $(changed "$here" SHA256SUMS | tr '\n' ' ')- copy the archive again; nothing was installed"

node=${LASTGOOD_NODE:-node}
command -v "$node" >/dev/null 2>&1 || fail "Node is not on PATH: install Node 20.19 or newer, or name it by LASTGOOD_NODE"
"$node" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  fail "found Node $("$node" --version), expected 20.19 or newer"
platform=$("$node" -p 'process.platform + "-" + process.arch')
"$node" -e 'process.exit(require(process.argv[1]).platforms.includes(process.argv[2]) ? 0 : 1)' "$here/release.json" "$platform" ||
  fail "this machine is $platform, the bundle is for $("$node" -p 'require(process.argv[1]).platforms.join(", ")' "$here/release.json")"
id=$("$node" -p 'require(process.argv[1]).id' "$here/release.json")

mkdir -p "$1/releases" "$1/bin"
into=$(CDPATH='' cd -- "$1" && pwd -P)
release=$into/releases/$id
if [ -d "$release" ]; then
  whole "$release" FILES.sha256 ||
    fail "$release is there, and changed in: $(changed "$release" FILES.sha256 | tr '\n' ' ')- move it away and install again"
  echo "install: $id is there already, and as it was made"
else
  new=$into/releases/.new-$$
  trap 'rm -rf "$new"' EXIT
  mkdir "$new"
  for part in parts/*.tar.gz; do gzip -dc "$part" | tar -xf - -C "$new"; done
  cp FILES.sha256 release.json "$new/"
  whole "$new" FILES.sha256 || fail "changed while it was unpacked: $(changed "$new" FILES.sha256 | tr '\n' ' ')- is the disk full?"
  mv "$new" "$release"
fi

# Run before it is named: a release that cannot start here must not become the current one.
"$node" "$release/dist/cli/lastgood.js" --version
cat >"$into/bin/lastgood.new" <<'EOS'
#!/bin/sh
# Runs the release that `current` names. LASTGOOD_NODE: another Node than the one on PATH.
self=$(readlink -f -- "$0")
exec "${LASTGOOD_NODE:-node}" "$(dirname -- "$self")/../current/dist/cli/lastgood.js" "$@"
EOS
chmod 755 "$into/bin/lastgood.new"
"$node" -e '
  const { renameSync, rmSync, symlinkSync } = require("fs");
  const [into, id] = process.argv.slice(1);
  rmSync(into + "/current.new", { force: true });
  symlinkSync("releases/" + id, into + "/current.new");
  // Each in one step: whoever starts lastgood meanwhile gets the old release or the new one.
  renameSync(into + "/current.new", into + "/current");
  renameSync(into + "/bin/lastgood.new", into + "/bin/lastgood");
' "$into" "$id"
echo "install: $into/bin/lastgood is $id"
