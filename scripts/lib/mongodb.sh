#!/usr/bin/env bash
# A server that speaks MongoDB's wire protocol, for the store's contract suite.
#
# In this order: MONGODB_URL if it is set (nothing to do); `mongod` on the PATH; FerretDB 1.24 on its
# embedded SQLite backend, built once from its Go module into the cache folder outside the checkout.
# What happens is told on stderr; the last line of stdout is the path of the server's binary (stdout
# stays empty with MONGODB_URL). Nothing is fetched when the binary is there already.
#
# Exit codes: 0 there is a server, 1 the build failed, 3 skipped: no Go, and none can be installed.
set -euo pipefail

version=1.24.2
# Go's own checksum of this version of the module, as in a go.sum file.
checksum='h1:trrUU0LbmusMbyubhPS1IELncvrIwKrsRT2LW1UUWCw='
module=github.com/FerretDB/FerretDB
go_needed=24               # minor version that FerretDB's go.mod asks for: Go 1.24
toolchain=go1.24.13        # fetched for the build only, where Debian's Go is older than that

cache=${MEDIASOUP_WORKER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/meridian}
home=$cache/ferretdb-$version
binary=$home/ferretdb

say() { printf 'mongodb: %s\n' "$*" >&2; }

if [ -n "${MONGODB_URL:-}" ]; then
  say 'MONGODB_URL is set: that server is used'
  exit 0
fi
if command -v mongod >/dev/null; then
  say "using the mongod that is installed ($(mongod --version | head -n 1))"
  command -v mongod
  exit 0
fi
if [ -x "$binary" ]; then
  say "FerretDB $version is in the cache"
  printf '%s\n' "$binary"
  exit 0
fi

minor_of() { "$1" env GOVERSION 2>/dev/null | sed -nE 's/^go1\.([0-9]+).*/\1/p'; }

# Path of the newest Go among the usual places; nothing where there is none.
find_go() {
  local best='' best_minor=-1 candidate minor
  for candidate in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-1.*/bin/go /usr/lib/go/bin/go; do
    [ -x "$candidate" ] || continue
    minor=$(minor_of "$candidate")
    if [ -n "$minor" ] && [ "$minor" -gt "$best_minor" ]; then best=$candidate best_minor=$minor; fi
  done
  printf '%s' "$best"
}

install_go() {
  command -v apt-get >/dev/null || return 1
  local root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || return 1
    root=(sudo)
  fi
  say "installing Debian's golang-go: FerretDB is built from its Go module"
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends golang-go ca-certificates >&2 && return 0
  "${root[@]}" apt-get update >&2 &&
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends golang-go ca-certificates >&2
}

skip() {
  say "SKIPPED: $*"
  say "to run the store's suite against MongoDB: set MONGODB_URL, install mongod, or install Go 1.$go_needed or newer"
  exit 3
}

go=$(find_go)
if [ -z "$go" ]; then
  install_go || skip 'there is no Go here, and it cannot be installed without apt-get and root'
  go=$(find_go)
  [ -n "$go" ] || skip 'golang-go was installed, but there is still no go command'
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/ferretdb-build.XXXXXX")
trap 'rm -rf "$work"' EXIT
# Module and build caches of their own, writable so that they can be removed: only the binary stays.
export GOMODCACHE=$work/modules GOCACHE=$work/build-cache GOFLAGS='-modcacherw -buildvcs=false' GOTOOLCHAIN=local CGO_ENABLED=0
cd "$work"

# One field of the JSON that `go mod download -json` prints.
field() { sed -nE "s/^[[:space:]]*\"$1\": \"(.*)\",?\$/\\1/p"; }

# Newer versions of Go look a deprecation note up in the module's list of versions, which is of no
# use for a pinned version; `go mod download` asks for this version alone.
download() {
  local answer
  if ! answer=$("$go" mod download -json "$1"); then
    say "the Go module $1 could not be had: $(printf '%s\n' "$answer" | field Error)"
    return 1
  fi
  printf '%s\n' "$answer"
}

if [ "$(minor_of "$go")" -lt "$go_needed" ]; then
  say "$("$go" env GOVERSION) is older than Go 1.$go_needed: fetching $toolchain from the Go module proxy for this build"
  fetched=$(download "golang.org/toolchain@v0.0.1-$toolchain.$("$go" env GOOS)-$("$go" env GOARCH)" | field Dir)
  [ -n "$fetched" ] || exit 1
  # Module archives keep no permission bits.
  chmod -R u+x "$fetched/bin" "$fetched/pkg/tool"
  unset GOROOT
  go=$fetched/bin/go
fi

say "building FerretDB $version with $("$go" env GOVERSION) into $home (about a minute, once)"
answer=$(download "$module@v$version") || exit 1
if [ "$(printf '%s\n' "$answer" | field Sum)" != "$checksum" ]; then
  say "the module $module@v$version does not have the expected checksum $checksum: not built"
  exit 1
fi
cp -r "$(printf '%s\n' "$answer" | field Dir)" source
chmod -R u+w source
# FerretDB refuses to start without this file, which its own release build generates.
printf 'v%s\n' "$version" >source/build/version/version.txt
(cd source && "$go" build -mod=readonly -trimpath -ldflags '-s -w' -tags ferretdb_no_postgresql -o "$work/ferretdb" ./cmd/ferretdb) >&2
./ferretdb --version >version.txt
grep -q "^version: v$version\$" version.txt || { say 'the built server does not start'; exit 1; }

mkdir -p "$home"
cp source/LICENSE "$home/LICENSE"
mv -f ferretdb "$binary"
say "FerretDB $version is ready"
printf '%s\n' "$binary"
