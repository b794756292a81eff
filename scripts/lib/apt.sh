# shellcheck shell=bash
# Debian packages: only the missing ones, `apt-get update` only when something is missing.
# shellcheck source=scripts/lib/common.sh

# Are apt's lists of packages there, and from the last half hour?
apt_lists_fresh() {
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null &&
    [ -n "$(find /var/lib/apt/lists/partial -maxdepth 0 -mmin -30 2>/dev/null)" ]
}

# Is the package installed (unpacked and configured)?
apt_has() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# usage: need_packages <why> <package...>
need_packages() {
  local why="$1" package missing=()
  shift
  for package in "$@"; do
    apt_has "$package" || missing+=("$package")
  done
  if [ "${#missing[@]}" -gt 0 ]; then install_packages "$why" "${missing[@]}"; fi
}

# As need_packages, but asks for the command that a package brings: it may be there by other means.
# usage: need_command <why> <command> <package>
need_command() {
  command -v "$2" >/dev/null || install_packages "$1" "$3"
}

# usage: install_packages <why> <package...>
install_packages() {
  local why="$1" started update=no-update as_root=()
  shift
  command -v apt-get >/dev/null ||
    fail "$* is needed ($why), and there is no apt-get here. Install what corresponds to it on your system, then run this again."
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      fail "these Debian packages are missing: $* ($why). You are not root and there is no sudo; let an administrator run: apt-get install $*"
    as_root=(sudo --)
  fi
  started="$(now)"
  say "Debian packages $*: installing, because $why"
  apt_lists_fresh || update=update
  # Asked for before the output is hidden.
  if [ "${#as_root[@]}" -gt 0 ]; then sudo -v || fail "sudo was refused; let an administrator run: apt-get install $*"; fi
  quietly "installing $*" "${as_root[@]}" "$MERIDIAN_ROOT/scripts/lib/apt-install.sh" "$update" "$@"
  say "Debian packages $*: installed ($(since "$started"))"
}
