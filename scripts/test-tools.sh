#!/bin/bash
# Programs that tests run and that nobody wants installed for it: an SSH server would begin to listen, ufw would take
# its place in /etc. Their Debian packages are unpacked into build/test-tools, and run from there.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(openssh-server openssh-client libwrap0 ufw)
# what ufw asks whether it is loaded
packages+=(iptables libxtables12 libip4tc2 libip6tc2 libmnl0 libnetfilter-conntrack3 libnfnetlink0 libnftnl11)
# what scrapes the daemon, and promtool
packages+=(prometheus)
folder=build/test-tools

if [ -x "$folder/usr/sbin/sshd" ] && [ -x "$folder/usr/bin/ssh" ] && [ -e "$folder/usr/sbin/ufw" ] &&
    [ -x "$folder/usr/sbin/ip6tables" ] && [ -x "$folder/usr/bin/promtool" ]; then
    echo 'test-tools: sshd, ssh, ufw, iptables and prometheus are there'
    exit
fi
if ! command -v apt-get >/dev/null; then
    echo "test-tools: there is no apt-get here; put sshd, ssh, ufw, iptables and prometheus below $folder by hand, as in their packages" >&2
    exit 1
fi
echo "test-tools: unpacking ${packages[*]} into $folder; nothing is installed"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
fetch() { (cd "$temporary" && apt-get download -q -o Acquire::Retries=3 "${packages[@]}"); }
if ! fetch; then
    if [ "$(id -u)" = 0 ]; then apt-get update -q; else sudo apt-get update -q; fi
    fetch
fi
mkdir -p "$folder"
for package in "$temporary"/*.deb; do dpkg-deb -x "$package" "$folder"; done
# its package leaves these names to alternatives
for name in iptables ip6tables; do ln -sf xtables-nft-multi "$folder/usr/sbin/$name"; done
