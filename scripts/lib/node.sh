# shellcheck shell=bash
# Node 24, pnpm, and the workspace's dependencies.
# shellcheck source=scripts/lib/common.sh
# shellcheck source=scripts/lib/apt.sh

# The one version of pnpm the lockfile is written with; another 12 on PATH is fine too.
PNPM_VERSION=12.21.0

# Sets PATH so that `pnpm` is one that fits.
need_pnpm() {
  local found='' started home="$MERIDIAN_CACHE/pnpm-$PNPM_VERSION" fresh
  if command -v pnpm >/dev/null; then
    found="$(pnpm --version 2>/dev/null)" || found=broken
  fi
  if [ "${found%%.*}" = "${PNPM_VERSION%%.*}" ]; then return; fi
  if [ ! -x "$home/node_modules/.bin/pnpm" ]; then
    started="$(now)"
    need_command 'pnpm is installed with npm' npm npm
    say "pnpm $PNPM_VERSION: installing into $home, because ${found:+the one on PATH is $found}${found:-there is none on PATH}"
    mkdir -p "$MERIDIAN_CACHE"
    fresh="$(mktemp -d "$MERIDIAN_CACHE/pnpm.XXXXXX")"
    quietly 'installing pnpm' npm install --prefix "$fresh" --no-audit --no-fund --no-save "pnpm@$PNPM_VERSION"
    # An npm that blocks install scripts leaves a placeholder that only works through Node: put the real one there.
    if [ "$("$fresh/node_modules/.bin/pnpm" --version 2>/dev/null)" != "$PNPM_VERSION" ]; then
      (cd "$fresh/node_modules/pnpm" && quietly 'setting pnpm up' node install.js) || exit 1
    fi
    # Two scripts at once: whoever is first wins, the other removes its copy.
    mv -T "$fresh" "$home" 2>/dev/null || rm -rf "$fresh"
    "$home/node_modules/.bin/pnpm" --version >/dev/null || fail "the pnpm just installed in $home does not run."
    say "pnpm $PNPM_VERSION: installed ($(since "$started"))"
  fi
  PATH="$home/node_modules/.bin:$PATH"
}

# `node --version` without the v, or nothing.
node_version() { "$1" --version 2>/dev/null | sed 's/^v//'; }

# Installs the dependencies when the lockfile or a manifest changed since the last time, then puts
# the workspace's commands (and with them Node 24) first on PATH.
need_dependencies() {
  local stamp="$MERIDIAN_ROOT/node_modules/.meridian-stamp" wanted started version
  command -v node >/dev/null || need_packages 'the set-up itself needs some Node; the servers then run on Node 24 from npm' nodejs npm
  version="$(node_version node)"
  [ "${version%%.*}" -ge 18 ] || fail "Node $version is too old even for the set-up: install Node 18 or newer."
  need_pnpm
  wanted="$(checksum_of package.json pnpm-lock.yaml pnpm-workspace.yaml packages/*/package.json) node $version"
  if [ ! -d "$MERIDIAN_ROOT/node_modules/.pnpm" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    started="$(now)"
    say 'dependencies: pnpm install --frozen-lockfile, because the lockfile or a manifest is new'
    (
      cd "$MERIDIAN_ROOT" || exit 1
      # CI: no questions, should node_modules have to be made anew.
      CI=true quietly 'pnpm install' pnpm install --frozen-lockfile --reporter=append-only
    ) || exit 1
    printf '%s\n' "$wanted" >"$stamp"
    say "dependencies: installed ($(since "$started"))"
  fi
  PATH="$MERIDIAN_ROOT/node_modules/.bin:$PATH"
  hash -r
  version="$(node_version node)"
  [ "${version%%.*}" -ge 24 ] 2>/dev/null ||
    fail "Node 24 or newer is needed to run TypeScript sources and this one is ${version:-none}. On x64 and arm64 Linux it comes with the dependencies; here it does not: install Node 24 (https://nodejs.org) and run this again."
}
