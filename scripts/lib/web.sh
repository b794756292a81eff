# shellcheck shell=bash
# The web app, built when its sources changed since the last build.
# shellcheck source=scripts/lib/common.sh

need_web() {
  local dist="$MERIDIAN_ROOT/packages/web/dist" wanted started
  wanted="$(checksum_of packages/web packages/client packages/protocol/src pnpm-lock.yaml)"
  if [ -f "$dist/index.html" ] && [ "$(cat "$dist/.built-from" 2>/dev/null)" = "$wanted" ]; then return; fi
  started="$(now)"
  say 'web app: building, because its sources changed'
  (cd "$MERIDIAN_ROOT" && quietly 'building the web app' pnpm --filter @meridian/web build) || exit 1
  printf '%s\n' "$wanted" >"$dist/.built-from"
  say "web app: built ($(since "$started"))"
}
