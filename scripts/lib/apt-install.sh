#!/bin/sh
# Runs as root: installs Debian packages without starting the services that come with some of them
# (Redis, nginx), since Meridian runs private ones on ports of its own.
# usage: apt-install.sh <update | no-update> <package...>
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
if [ "$1" = update ]; then
  apt-get -q -o DPkg::Lock::Timeout=300 update
fi
shift
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
