#!/usr/bin/env bash
# Sets everything up; safe to interrupt and to repeat: each step leaves its mark only when it is done.
# Usage: deploy/setup.sh [airflow|deploy|book|data|kafka]
#   airflow: the orchestrator's environment instead of the platform's; deploy: the one of the tools that check the
#   container files; book: what builds docs/ as well, in the platform's environment; data: the packages as well whose
#   files the use cases in data/ read; kafka: from Maven, what Spark reads a broker's topics with, and a broker to try
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

say() { printf '[setup] %s\n' "$*"; }
missing() { printf '[setup] missing: %s\n        remedy:  %s\n' "$1" "$2" >&2; failed=1; }

mark_is_current() { # mark, files it depends on
  local mark=$1; shift
  [ -f "$mark" ] || return 1
  for file in "$@"; do [ "$file" -ot "$mark" ] || return 1; done
}

check_machine() {
  local failed=0 java_version free_gib
  if [ "$(uname -sm)" != "Linux x86_64" ]; then
    missing "Linux on x86-64 (this is $(uname -sm))" "run it in a Linux x86-64 machine, virtual machine or container"
  fi
  if ! command -v "${JAVA_HOME:+$JAVA_HOME/bin/}java" >/dev/null; then
    missing "Java 17 or 21" "sudo apt-get install -y openjdk-17-jre-headless"
  else
    java_version=$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -nE '/version "/{s/.*version "([0-9]+).*/\1/p;q}')
    case "$java_version" in
      17 | 21) ;;
      *) missing "Java 17 or 21 (java here is ${java_version:-unknown})" "sudo apt-get install -y openjdk-17-jre-headless, then set JAVA_HOME to it" ;;
    esac
  fi
  command -v g++ >/dev/null || missing "g++ (one dependency is compiled)" "sudo apt-get install -y g++"
  free_gib=$(($(df -Pk . | awk 'NR==2 {print $4}') / 1024 / 1024))
  local needed=6
  [ -d .venv ] && needed=2
  [ "$free_gib" -ge "$needed" ] || missing "disk space: $free_gib GiB free, $needed needed" "free some space, or clone into a larger disk"
  [ "$failed" = 0 ] || exit 1
}

find_uv() {
  if command -v uv >/dev/null; then UV=uv
  elif [ -x .tools/uv/bin/uv ]; then UV=.tools/uv/bin/uv
  else
    command -v python3 >/dev/null || { missing "uv, and python3 to install it" "sudo apt-get install -y python3-venv"; exit 1; }
    say "installing uv into .tools/uv"
    rm -rf .tools/uv
    python3 -m venv .tools/uv 2>/dev/null || { missing "python3-venv (to install uv)" "sudo apt-get install -y python3-venv"; exit 1; }
    .tools/uv/bin/python -m pip install --quiet uv || { missing "uv (pip could not install it)" "check the network, or install uv yourself"; exit 1; }
    UV=.tools/uv/bin/uv
  fi
}

check_python() {
  local python include
  python=$("$UV" python find '==3.11.*' 2>/dev/null) || return 0 # uv fetches one, headers included
  include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [ -f "$include/Python.h" ] || { missing "Python headers for $python" "sudo apt-get install -y python3.11-dev"; exit 1; }
}

sync() { # environment folder, mark, uv options
  local environment=$1 mark=$1/$2; shift 2
  mark_is_current "$mark" uv.lock pyproject.toml && return
  say "making $environment from uv.lock (a minute or two the first time)"
  check_python
  UV_PROJECT_ENVIRONMENT=$environment "$UV" sync --locked --compile-bytecode "$@" ||
    { printf '[setup] uv could not make %s; the lines above say why. Repeat the command once that is mended.\n' "$environment" >&2; exit 1; }
  touch "$environment/.synced" "$mark"
}

build_delta_jar() {
  compgen -G '.tools/delta-*.jar' >/dev/null && return
  say "building the Delta jar"
  .venv/bin/python -m lakehouse.storage.delta_jar >/dev/null
}

archive_classes() { # Spark starts without as well
  local mark=.venv/.archived
  mark_is_current "$mark" uv.lock "$(readlink -f "$(command -v "${JAVA_HOME:+$JAVA_HOME/bin/}java")")" && return
  say "archiving Spark's classes, beside what follows (half a minute)"
  if .venv/bin/python -m lakehouse.storage.class_archive >/dev/null 2>.venv/class-archive.log; then touch "$mark"
  else say "Spark's classes could not be archived, so it starts some seconds slower; .venv/class-archive.log says why"; fi
}

compile_pipeline() {
  local mark=.venv/.compiled
  [ -n "$(find var/tfx -name graph.json 2>/dev/null)" ] &&
    mark_is_current "$mark" $(find tfx_pipeline lakeloop/contract data/*/contract.yaml -name '*.py' -o -name '*.yaml') && return
  say "compiling the pipeline"
  # The project's own use case: one that somebody is at work on is compiled when its platform starts.
  env -u LAKELOOP_HOME -u LAKELOOP_USE_CASES -u LAKELOOP_USE_CASE .venv/bin/lakeloop pipeline compile
  touch "$mark"
}

fetch_kafka() {
  local part folder=.tools/kafka
  mark_is_current "$folder/.fetched" deploy/kafka/*.xml && return
  command -v mvn >/dev/null || { missing "Maven (the jars come from its registry)" "sudo apt-get install -y maven"; exit 1; }
  for part in spark broker; do
    say "fetching the jars of deploy/kafka/$part.xml from Maven"
    rm -rf "$folder/$part"
    mvn -q -B -f "deploy/kafka/$part.xml" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$PWD/$folder/$part" ||
      { printf '[setup] Maven could not fetch them; the lines above say why. Everything but LAKELOOP_BROKER works without.\n' >&2; exit 1; }
  done
  for part in .venv/lib/python3.*/site-packages/pyspark/jars/*.jar; do # Spark has its own of these
    rm -f "$folder/spark/$(basename "$part" | sed -E 's/-[0-9][^-]*\.jar$//')"-[0-9]*.jar
  done
  touch "$folder/.fetched"
}

check_machine
find_uv
case "${1:-}" in
  airflow) sync .venv-airflow .synced --no-default-groups --group airflow ;;
  deploy) sync .venv-deploy .synced --only-group deploy ;;
  book) sync .venv .synced-book --inexact --group docs ;; # what the other of these two has brought stays
  kafka) fetch_kafka ;;
  data) sync .venv .synced-data --inexact --group data ;;
  *)
    sync .venv .synced
    build_delta_jar
    archive_classes &
    compile_pipeline
    wait
    ;;
esac
