#!/usr/bin/env bash
# Health of TensorFlow Serving, in whose image there is bash and nothing that speaks HTTP.
# Usage: healthy.sh http://HOST:PORT FILE|MODEL     exit 0: each model of the config file, or the one that is named, is
# served; 1: one is not
# The file lists models with a pushed version alone. With none it is an empty list, and there is nothing to ask.
set -euo pipefail
address=${1#http://}
case $2 in
  */*) names=$(sed -n 's/^ *name: "\(.*\)"$/\1/p' "$2") ;;
  *) names=$2 ;;
esac

for name in $names; do
  exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
  printf 'GET /v1/models/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$name" "$address" >&3
  answer=$(timeout 5 cat <&3)
  exec 3>&-
  if ! grep -q '"AVAILABLE"' <<<"$answer"; then
    printf '%s is not served: %s\n' "$name" "$answer" >&2
    exit 1
  fi
done
