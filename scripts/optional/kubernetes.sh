#!/usr/bin/env bash
# A real API server for `npm run test:kubernetes`: the standalone CRD server of Kubernetes, built by Go, and etcd from Debian
# 12. Building takes many minutes the first time, so it is no part of scripts/test-deps. Pinned, can be repeated.
set -euo pipefail
cd "$(dirname "$0")/../.."
release=v0.37.2
chaos_mesh=v0.9.1-0.20260902003049-47411975a8cb
place=.cache/test-deps/kubernetes-$release

skipped() {
  echo "kubernetes $release: not installed ($1); npm run test:kubernetes will be skipped"
  exit 0
}

if ! command -v etcd >/dev/null; then
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || skipped 'etcd needs root on Debian 12'
  apt-get update -qq
  # Debian would start it for the whole machine; the tests want none but their own.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends etcd-server >/dev/null ||
    skipped 'etcd could not be installed'
fi
if [[ ! -x $place/apiextensions-apiserver ]]; then
  command -v go >/dev/null || skipped 'needs go'
  mkdir -p "$place"
  root=$(cd "$place" && pwd -P)
  GOBIN=$root go install "k8s.io/apiextensions-apiserver@$release" || skipped 'see above'
fi
# The definitions are read where Go keeps them, and not copied into this repository.
if [[ ! -e $place/chaos-mesh-crds ]]; then
  command -v go >/dev/null || skipped 'needs go'
  directory=$(go mod download -json "github.com/chaos-mesh/chaos-mesh@$chaos_mesh" | sed -nE 's/^.*"Dir": "([^"]+)".*$/\1/p')
  [[ -e $directory/manifests/crd.yaml ]] || skipped 'the definitions of Chaos Mesh were not found'
  echo "$directory/manifests/crd.yaml" >"$place/chaos-mesh-crds"
fi
echo "kubernetes $release: $place, $(etcd --version | head -n 1)"
