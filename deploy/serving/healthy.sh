#!/usr/bin/env bash
# Health of TensorFlow Serving, in whose image there is bash and nothing that speaks HTTP.
# Usage: healthy.sh http://HOST:PORT MODELS     exit 0: each model with a pushed version is served, 1: it is not
# A model without a version is not ill: TensorFlow Serving waits for the first one and listens only then.
set -euo pipefail
address=${1#http://}
models=$2

for folder in "$models"/*/; do
  compgen -G "$folder*/saved_model.pb" >/dev/null || continue
  name=$(basename "$folder")
  exec 3<>"/dev/tcp/${address%:*}/${address#*:}"
  printf 'GET /v1/models/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$name" "$address" >&3
  answer=$(timeout 5 cat <&3)
  exec 3>&-
  if ! grep -q '"AVAILABLE"' <<<"$answer"; then
    printf '%s is not served: %s\n' "$name" "$answer" >&2
    exit 1
  fi
done
