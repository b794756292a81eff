# shellcheck shell=bash
# What checks docker-compose.yml: docker compose itself, else a small program around the library that
# docker compose is made of (scripts/compose-check, built once with Go). Exports COMPOSE_CHECK; left
# empty where there is neither, and the check is skipped then.
# shellcheck source=scripts/lib/common.sh

need_compose_check() {
  local source="$MERIDIAN_ROOT/scripts/compose-check" home started fresh minor
  export COMPOSE_CHECK=''
  if docker compose version >/dev/null 2>&1; then return; fi
  home="$MERIDIAN_CACHE/compose-check-$(checksum_of scripts/compose-check | cut -c 1-16)"
  if [ ! -x "$home/compose-check" ]; then
    # Go 1.24 is what its go.mod asks for.
    minor="$(go env GOVERSION 2>/dev/null | sed -nE 's/^go1\.([0-9]+).*/\1/p')"
    [ "${minor:-0}" -ge 24 ] || return 0
    started="$(now)"
    say 'compose-check: building with Go (about half a minute, once), because there is no docker compose here'
    mkdir -p "$MERIDIAN_CACHE"
    fresh="$(mktemp -d "$MERIDIAN_CACHE/compose-check.XXXXXX")"
    if GOTOOLCHAIN=local GOFLAGS='-modcacherw -buildvcs=false' CGO_ENABLED=0 GOMODCACHE="$fresh/modules" \
      GOCACHE="$fresh/build" go build -C "$source" -mod=readonly -trimpath -ldflags '-s -w' \
      -o "$fresh/bin/compose-check" . >"$fresh/log" 2>&1; then
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
