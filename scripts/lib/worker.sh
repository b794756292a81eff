# shellcheck shell=bash
# mediasoup's worker: the one in the cache, else the prebuilt one of its release, else built from the
# sources in its npm package (scripts/mediasoup-worker). Exports MEDIASOUP_WORKER_BIN.
# shellcheck source=scripts/lib/common.sh
# shellcheck source=scripts/lib/apt.sh

# A worker that is started without MEDIASOUP_VERSION ends with 41: so it runs on this machine.
worker_runs() {
  local status=0
  [ -x "$1" ] || return 1
  env -i "$1" >/dev/null 2>&1 || status=$?
  [ "$status" -eq 41 ]
}

# Compilers that fit: one per core, but each takes up to 1 GB.
worker_jobs() {
  local cores memory
  cores="$(nproc)"
  memory="$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo)"
  [ "$memory" -lt "$cores" ] && cores="$memory"
  [ "$cores" -lt 1 ] && cores=1
  printf '%s' "$cores"
}

need_worker() {
  if [ -n "${MEDIASOUP_WORKER_BIN:-}" ]; then
    worker_runs "$MEDIASOUP_WORKER_BIN" ||
      fail "MEDIASOUP_WORKER_BIN is set to $MEDIASOUP_WORKER_BIN, which does not run here. Correct it or unset it."
    export MEDIASOUP_WORKER_BIN
    return
  fi
  local package="$MERIDIAN_ROOT/packages/media/node_modules/mediasoup" version home
  version="$(node -p 'require(process.argv[1]).version' "$package/package.json")"
  home="${MEDIASOUP_WORKER_CACHE:-$MERIDIAN_CACHE}/mediasoup-worker-$version"
  if ! worker_runs "$home/mediasoup-worker"; then
    mkdir -p "$home"
    (
      # One at a time: a second script waits here, then finds the first one's worker.
      if ! flock --nonblock 9; then
        say "mediasoup worker $version: another script is getting it; waiting"
        flock 9
      fi
      worker_runs "$home/mediasoup-worker" || get_worker "$package" "$version" "$home"
    ) 9>"$home/lock" || exit 1
    worker_runs "$home/mediasoup-worker" || fail "$home/mediasoup-worker does not run."
  fi
  export MEDIASOUP_WORKER_BIN="$home/mediasoup-worker"
}

# usage: get_worker <mediasoup's package> <version> <folder>; stands under the lock.
get_worker() {
  local package="$1" version="$2" home="$3" started fresh why
  started="$(now)"
  fresh="$(mktemp -d "$home/new.XXXXXX")" || fail "nothing can be written to $home."
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$fresh'" EXIT
  if why="$(node "$MERIDIAN_ROOT/scripts/lib/fetch-worker.ts" "$package" "$fresh")" &&
    worker_runs "$fresh/mediasoup-worker"; then
    mv "$fresh/mediasoup-worker" "$home/mediasoup-worker" || fail "nothing can be written to $home."
    say "mediasoup worker $version: took the prebuilt one of mediasoup's release ($(since "$started"))"
    return
  fi
  why="${why:-the prebuilt one does not run on this machine}"
  need_packages "mediasoup's worker is built from source" \
    g++ make libssl-dev libuv1-dev libsrtp2-dev libflatbuffers-dev flatbuffers-compiler
  say "mediasoup worker $version: building from source (about 2 minutes on two cores), because $why"
  # A link without spaces in its path: make cannot have them.
  ln -s "$package/worker" "$fresh/worker"
  quietly "building mediasoup's worker" make -s -C "$fresh" -j"$(worker_jobs)" \
    -f "$MERIDIAN_ROOT/scripts/mediasoup-worker/Makefile" W=worker O=out
  worker_runs "$fresh/out/mediasoup-worker" || fail "the worker that was just built does not run."
  mv "$fresh/out/mediasoup-worker" "$home/mediasoup-worker" || fail "nothing can be written to $home."
  say "mediasoup worker $version: built, kept in $home ($(since "$started"))"
}
