# shellcheck shell=bash
# What the set-up scripts share: where things are, how they speak, how they time a step.

MERIDIAN_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
# shellcheck disable=SC2034 # used by the other parts
MERIDIAN_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/meridian"
# Debian's servers stand where only root looks.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
# The word in brackets before every line: `up` or `test`.
MERIDIAN_VOICE="${MERIDIAN_VOICE:-setup}"

say() { printf '[%s] %s\n' "$MERIDIAN_VOICE" "$*"; }

# Prints what is wrong and what to do, then ends the script.
fail() {
  printf '[%s] cannot go on: %s\n' "$MERIDIAN_VOICE" "$*" >&2
  exit 1
}

# Seconds since the epoch, with a fraction (some locales write it with a comma).
now() { printf '%s' "${EPOCHREALTIME/,/.}"; }

# `since <now>`: seconds that passed, with one decimal.
since() { LC_ALL=C awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f s", to - from }'; }

# Runs a command quietly; its whole output is shown only when it fails.
# usage: quietly <what it does> <command...>
quietly() {
  local what="$1" log status=0
  shift
  log="$(mktemp)"
  "$@" >"$log" 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then
    sed 's/^/    /' "$log" >&2
    rm -f "$log"
    fail "$what failed (exit code $status); its output stands above."
  fi
  rm -f "$log"
}

# One checksum over the contents and names of files and folders; those that do not exist are left out.
checksum_of() {
  (
    cd "$MERIDIAN_ROOT" || exit 1
    local path
    for path in "$@"; do
      [ -e "$path" ] && find "$path" \( -name node_modules -o -name dist \) -prune -o -type f -print0
    done | LC_ALL=C sort -z | xargs -0 -r sha256sum | sha256sum | cut -d ' ' -f 1
  )
}
