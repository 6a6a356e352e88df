#!/usr/bin/env bash
# Installs Debian packages (needs root) without starting the services some of them bring: Lakeloop starts its own.
# Usage: deploy/system.sh PACKAGE…
set -euo pipefail
dpkg -s "$@" >/dev/null 2>&1 && exit 0

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then # Debian asks this file whether a package may start its service: 101 says no
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
brings_services=()
for service in prometheus prometheus-alertmanager postgresql; do
  dpkg -s "$service" >/dev/null 2>&1 || brings_services+=("$service")
done
apt-get update -q
apt-get install -qy --no-install-recommends "$@"
if command -v systemctl >/dev/null; then # nor at the next start of the machine, unless somebody wants them
  for service in "${brings_services[@]}"; do systemctl disable --quiet "$service" || true; done
fi
