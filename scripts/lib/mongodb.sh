#!/usr/bin/env bash
# A server that speaks MongoDB's wire protocol, for the store's contract suite.
#
# In this order: MONGODB_URL if it is set (nothing to do); `mongod` on the PATH; FerretDB 1.24 on its
# embedded SQLite backend, built once from its Go module into the cache folder outside the checkout.
# What happens is told on stderr; the last line of stdout is the path of the server's binary (stdout
# stays empty with MONGODB_URL). Nothing is fetched when the binary is there already.
#
# Exit codes: 0 there is a server; 1 the build failed; 3 skipped: no Go here, and none can be installed.
set -euo pipefail
MERIDIAN_VOICE="${MERIDIAN_VOICE:-mongodb}"
here="$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=scripts/lib/common.sh
. "$here/common.sh"
# shellcheck source=scripts/lib/apt.sh
. "$here/apt.sh"
exec 3>&1 1>&2

version=1.24.2
module=github.com/FerretDB/FerretDB
# Go's own checksum of this version of the module, as in a go.sum file.
checksum='h1:trrUU0LbmusMbyubhPS1IELncvrIwKrsRT2LW1UUWCw='
# The minor version that FerretDB's go.mod asks for: Go 1.24.
go_needed=24
# Fetched for the build only, where Debian's Go is older than that.
toolchain=go1.24.13

home="${MEDIASOUP_WORKER_CACHE:-$MERIDIAN_CACHE}/ferretdb-$version"
binary="$home/ferretdb"

ferretdb_runs() { [ -x "$1" ] && "$1" --version 2>/dev/null | grep -qx "version: v$version"; }

skip() {
  say "SKIPPED, $*"
  say "to run the store's suite against MongoDB: set MONGODB_URL, install mongod, or install Go 1.$go_needed or newer"
  exit 3
}

# usage: minor_of <go>; prints 26 for go1.26.8, nothing when it does not run.
minor_of() { "$1" env GOVERSION 2>/dev/null | sed -nE 's/^go1\.([0-9]+).*/\1/p'; }

# Path of the newest Go in the usual places; nothing where there is none.
find_go() {
  local best='' newest=-1 candidate minor
  for candidate in "$(command -v go || true)" /usr/local/go/bin/go /usr/lib/go-1.*/bin/go; do
    [ -x "$candidate" ] || continue
    minor="$(minor_of "$candidate")"
    if [ "${minor:--1}" -gt "$newest" ]; then
      best="$candidate"
      newest="$minor"
    fi
  done
  printf '%s' "$best"
}

# usage: field <name>; takes that field from the JSON that `go mod download -json` prints.
field() { sed -nE "s/^[[:space:]]*\"$1\": \"(.*)\",?\$/\\1/p"; }

# Asks for this one version of a module and nothing else: `go install module@version` would also
# read the module's list of versions, which is of no use where the version is pinned.
# usage: download <go> <module@version>; prints JSON
download() {
  local answer
  answer="$("$1" mod download -json "$2")" ||
    fail "the Go module $2 could not be had: $(printf '%s\n' "$answer" | field Error)"
  printf '%s\n' "$answer"
}

# Stands under the lock, and in a list of commands where `set -e` is off.
# usage: build <go>
build() {
  local go="$1" started fresh answer
  started="$(now)"
  fresh="$(mktemp -d "$home/new.XXXXXX")" || fail "nothing can be written to $home."
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$fresh'" EXIT
  # Caches of their own, so that only the binary stays behind. No C compiler is needed.
  export GOMODCACHE="$fresh/modules" GOCACHE="$fresh/build" GOFLAGS='-modcacherw -buildvcs=false'
  export GOTOOLCHAIN=local CGO_ENABLED=0
  cd "$fresh"
  if [ "$(minor_of "$go")" -lt "$go_needed" ]; then
    say "$("$go" env GOVERSION) is older than Go 1.$go_needed: taking $toolchain from the Go module proxy for this build"
    answer="$(download "$go" "golang.org/toolchain@v0.0.1-$toolchain.$("$go" env GOOS)-$("$go" env GOARCH)")" || exit 1
    go="$(printf '%s\n' "$answer" | field Dir)"
    # A module's archive keeps no permission bits.
    chmod -R u+x "$go/bin" "$go/pkg/tool"
    go="$go/bin/go"
    unset GOROOT
  fi
  say "FerretDB $version: building with $("$go" env GOVERSION) (about 2 minutes, once), because there is no mongod here"
  answer="$(download "$go" "$module@v$version")" || exit 1
  [ "$(printf '%s\n' "$answer" | field Sum)" = "$checksum" ] ||
    fail "the module $module@v$version does not have the expected checksum $checksum; it is not built."
  cp -r "$(printf '%s\n' "$answer" | field Dir)" source || fail "nothing can be written to $home."
  chmod -R u+w source
  # FerretDB does not start without this file, which its own release build generates.
  printf 'v%s\n' "$version" >source/build/version/version.txt
  quietly "building FerretDB" "$go" build -C source -mod=readonly -trimpath -ldflags '-s -w' \
    -tags ferretdb_no_postgresql -o "$fresh/ferretdb" ./cmd/ferretdb
  ferretdb_runs "$fresh/ferretdb" || fail "the FerretDB that was just built does not run."
  { cp source/LICENSE "$home/LICENSE" && mv -f "$fresh/ferretdb" "$binary"; } || fail "nothing can be written to $home."
  say "FerretDB $version: built, kept in $home ($(since "$started"))"
}

if [ -n "${MONGODB_URL:-}" ]; then
  say "MongoDB: the server of MONGODB_URL is used"
  exit 0
fi
if command -v mongod >/dev/null; then
  say "MongoDB: the installed mongod is used"
  command -v mongod >&3
  exit 0
fi
if ! ferretdb_runs "$binary"; then
  go="$(find_go)"
  if [ -z "$go" ]; then
    # In a subshell: being unable to install it ends only that.
    (install_packages "FerretDB, which stands in for MongoDB, is built from its Go module" golang-go ca-certificates) ||
      skip "there is no Go here and it could not be installed"
    go="$(find_go)"
    [ -n "$go" ] || skip "golang-go is installed, but there is no go command"
  fi
  mkdir -p "$home"
  (
    # One at a time: a second script waits here, then finds the first one's binary.
    if ! flock --nonblock 9; then
      say "FerretDB $version: another script is building it; waiting"
      flock 9
    fi
    ferretdb_runs "$binary" || build "$go"
  ) 9>"$home/lock" || exit 1
fi
printf '%s\n' "$binary" >&3
