#!/bin/bash
# From a clone to something that runs, in one line:
#   ./scripts/setup.sh            install what is missing, build
#   ./scripts/setup.sh demo …     the same, then `sluice demo …`
# Does only what is missing; asks for root (sudo) only to install Debian packages and to run the demo.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# what for: BPF object · addon (node-gyp) · demo and tests · format check
packages=(clang-19 llvm-19 libbpf-dev libelf-dev)
packages+=(g++ make pkg-config python3)
packages+=(bpftool iproute2 iputils-ping netcat-openbsd curl ethtool tcpdump nftables procps iperf3 systemd)
packages+=(clang-format-19)
# one command that each brings, for systems where packages have other names
commands=(clang-19 llvm-strip-19 g++ make pkg-config python3 bpftool ip ping nc curl ethtool tcpdump nft ps iperf3 systemd-analyze)

say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "\"$1\" needs root and there is no sudo" "run this as root: su -c './scripts/setup.sh${mode:+ $mode}'"
    fi
}

check_node() {
    local advice="install Node 20.19 or newer with npm: https://nodejs.org/en/download (Debian 12's own nodejs is 18)"
    command -v node >/dev/null || die "node was not found" "$advice"
    command -v npm >/dev/null || die "npm was not found" "$advice"
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
        die "node $(node --version) is too old" "$advice"
}

missing_packages() {
    local installed package
    # dpkg-query fails where it knows nothing of one of them, which is what a fresh machine is like
    installed=" $({ dpkg-query -W -f '${db:Status-Abbrev}|${Package}\n' "${packages[@]}" 2>/dev/null || true; } | sed -n 's/^ii *|//p' | tr '\n' ' ') "
    for package in "${packages[@]}"; do
        [[ "$installed" == *" $package "* ]] || echo "$package"
    done
}

check_packages() {
    local name=unknown
    [ -r /etc/os-release ] && name=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-}")
    [ "$name" = 'debian 12' ] || say "this is \"$name\"; only Debian 12 was tried"
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        local command absent=()
        for command in "${commands[@]}"; do command -v "$command" >/dev/null || absent+=("$command"); done
        pkg-config --exists libbpf 2>/dev/null || absent+=('libbpf with its headers')
        [ ${#absent[@]} = 0 ] && return
        die "there is no apt-get here, so nothing can be installed; missing: ${absent[*]}" \
            'install them by hand (clang and llvm 19, libbpf 1.1 or newer) and run this again'
    fi
    local missing
    mapfile -t missing < <(missing_packages)
    if [ ${#missing[@]} = 0 ]; then
        say "Debian packages: all ${#packages[@]} are there"
        return
    fi
    say "Debian packages: installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get update -q -o Acquire::Retries=3
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o Acquire::Retries=3 --no-install-recommends "${missing[@]}"
}

mode=${1:-}
case "$mode" in
'' | demo) ;;
*) die "unknown word \"$mode\"" 'usage: ./scripts/setup.sh [demo …]' ;;
esac

say 'Debian packages, npm packages, build; what is there already is left alone'
check_node
check_packages
node scripts/build.js
if [ "$mode" = demo ]; then
    shift
    say 'starting the demo: npx sluice demo'
    [ "$(id -u)" = 0 ] || say 'it makes network namespaces and loads a program into the kernel, hence sudo'
    as_root "$(command -v node)" dist/cli/main.js demo "$@"
else
    say 'ready: npx sluice --help'
fi
