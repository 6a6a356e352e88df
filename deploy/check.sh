#!/usr/bin/env bash
# Checks the container files without a container engine: compose reads them, hadolint and checkov check them.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=.venv-deploy/bin

$tools/docker-compose --file docker-compose.yml config --quiet
printf 'docker-compose.yml: valid, %s services\n' "$($tools/docker-compose --file docker-compose.yml config --services | wc -l)"
$tools/hadolint --failure-threshold style deploy/images/Dockerfile
printf 'deploy/images/Dockerfile: hadolint finds nothing\n'
$tools/checkov --config-file deploy/checkov.yaml
printf 'all container files: checkov finds nothing\n'
