#!/usr/bin/env bash
# Makes what the containers keep secret: with the platform's environment where it is there, else with uv and
# the few packages of the base, so that a machine with nothing but Docker and uv can bring the containers up.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -x .venv/bin/python ]; then
  exec .venv/bin/python -m console.platform.container_secrets
fi
uv=$(command -v uv || printf .tools/uv/bin/uv)
if ! command -v "$uv" >/dev/null; then
  printf 'uv is not there, which makes the environment for this\nremedy: run `make setup`, or install uv\n' >&2
  exit 1
fi
exec "$uv" run --isolated --locked --no-default-groups python -m console.platform.container_secrets
