#!/bin/bash
# Programs that tests run and that nobody wants installed for it: an SSH server would begin to listen, ufw would take
# its place in /etc. Their Debian packages are unpacked into build/test-tools, and run from there.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(openssh-server openssh-client libwrap0 ufw)
folder=build/test-tools

if [ -x "$folder/usr/sbin/sshd" ] && [ -x "$folder/usr/bin/ssh" ] && [ -e "$folder/usr/sbin/ufw" ]; then
    echo 'test-tools: sshd, ssh and ufw are there'
    exit
fi
if ! command -v apt-get >/dev/null; then
    echo "test-tools: there is no apt-get here; put sshd, ssh and ufw below $folder by hand, as in their packages" >&2
    exit 1
fi
echo "test-tools: unpacking ${packages[*]} into $folder; nothing is installed"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
fetch() { (cd "$temporary" && apt-get download -q "${packages[@]}"); }
if ! fetch; then
    if [ "$(id -u)" = 0 ]; then apt-get update -q; else sudo apt-get update -q; fi
    fetch
fi
mkdir -p "$folder"
for package in "$temporary"/*.deb; do dpkg-deb -x "$package" "$folder"; done
