# shellcheck shell=bash
# What checks docker-compose.yml: docker compose itself, else a small program around the library that
# docker compose is made of (scripts/compose-check, built once with Go). Exports COMPOSE_CHECK; left
# empty where there is neither, and the check is skipped then.
# shellcheck source=scripts/lib/common.sh

# Go's minor version that scripts/compose-check/go.mod asks for, and what is fetched for the build where
# the machine's Go is older.
COMPOSE_CHECK_GO=24
COMPOSE_CHECK_TOOLCHAIN=go1.24.13

need_compose_check() {
  local home started fresh
  export COMPOSE_CHECK=''
  if docker compose version >/dev/null 2>&1; then return; fi
  home="$MERIDIAN_CACHE/compose-check-$(checksum_of scripts/compose-check | cut -c 1-16)"
  if [ ! -x "$home/compose-check" ]; then
    command -v go >/dev/null || return 0
    started="$(now)"
    say 'compose-check: building with Go (about half a minute, once), because there is no docker compose here'
    mkdir -p "$MERIDIAN_CACHE"
    fresh="$(mktemp -d "$MERIDIAN_CACHE/compose-check.XXXXXX")"
    if build_compose_check "$fresh" >"$fresh/log" 2>&1; then
      # Two scripts at once: whoever is first wins.
      mv -T "$fresh/bin" "$home" 2>/dev/null || true
      say "compose-check: built ($(since "$started"))"
    else
      say "compose-check: could not be built: $(tail -n 1 "$fresh/log")"
    fi
    rm -rf "$fresh"
    [ -x "$home/compose-check" ] || return 0
  fi
  COMPOSE_CHECK="$home/compose-check"
}

# usage: build_compose_check <folder>; in a subshell, so that nothing of it stays in the environment.
build_compose_check() (
  # Caches of their own, so that only the program stays behind.
  export GOMODCACHE="$1/modules" GOCACHE="$1/build" GOFLAGS='-modcacherw -buildvcs=false' GOTOOLCHAIN=local CGO_ENABLED=0
  go=go
  if [ "$(go env GOVERSION | sed -nE 's/^go1\.([0-9]+).*/\1/p')" -lt "$COMPOSE_CHECK_GO" ]; then
    cd "$1" || exit 1
    go="$(go mod download -json "golang.org/toolchain@v0.0.1-$COMPOSE_CHECK_TOOLCHAIN.$(go env GOOS)-$(go env GOARCH)" |
      sed -nE 's/^[[:space:]]*"Dir": "(.*)",?$/\1/p')"
    # A module's archive keeps no permission bits.
    chmod -R u+x "$go/bin" "$go/pkg/tool" || exit 1
    go="$go/bin/go"
  fi
  cd "$MERIDIAN_ROOT/scripts/compose-check" || exit 1
  "$go" build -mod=readonly -trimpath -ldflags '-s -w' -o "$1/bin/compose-check" .
)
