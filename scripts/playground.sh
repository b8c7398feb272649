#!/bin/bash
# A small network on this machine to try sluice in, with nobody's lifeline at stake:
#   ./scripts/playground.sh                 a shell on its filtered host "edge"; `exit` removes everything
#   ./scripts/playground.sh -- COMMAND …    one command there, then everything is removed
set -euo pipefail
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
script="$(dirname "$(readlink -f "$0")")/playground.js"
node=$(command -v node) || {
    echo 'playground: node was not found: run ./scripts/setup.sh first' >&2
    exit 1
}
[ "$(id -u)" = 0 ] && exec "$node" "$script" "$@"
echo 'playground: it makes network namespaces, hence sudo' >&2
exec sudo "$node" "$script" "$@"
