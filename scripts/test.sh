#!/bin/bash
# `npm test`: sets up what is missing, then runs every check and every suite. Works from a bare clone.
# `npm test -- SUITE …`: those suites alone.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
./scripts/setup.sh
./scripts/test-tools.sh
if [ "$(id -u)" = 0 ]; then exec node scripts/run-tests.js "$@"; fi
command -v sudo >/dev/null || {
    echo "test: the suites native, kernel and e2e need root and there is no sudo: run su -c 'npm test'" >&2
    exit 1
}
echo 'test: the suites native, kernel and e2e load programs and make namespaces, hence sudo; all others run as you'
exec sudo -E env "PATH=$PATH" "$(command -v node)" scripts/run-tests.js --user "$(id -u):$(id -g):$HOME" "$@"
