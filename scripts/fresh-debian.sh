#!/bin/bash
# Tries README's first command where nothing is prepared: in a bare Debian 12 (debootstrap's smallest) below /tmp, on a
# clean clone of this checkout's last commit, as root and as an ordinary user with sudo. Everything is removed again.
#   sudo ./scripts/fresh-debian.sh                        both
#   sudo ./scripts/fresh-debian.sh root|user              one of them
#   sudo ./scripts/fresh-debian.sh root|user -- COMMAND   and one command in the clone afterwards, as the same user
# Needs debootstrap, git, a Debian mirror (DEBIAN_MIRROR) and the npm registry, 3 GB below TMPDIR. Node with npm is
# what README asks for beforehand: this machine's is copied to /usr/local there.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

say() { printf 'fresh-debian: %s\n' "$*"; }
die() {
    printf 'fresh-debian: %s\n' "$@" >&2
    exit 1
}

# Runs in namespaces of its own, as process 1 of the machine in $1: the file systems that every Debian has, then "$@".
# No bpf file system: sluice mounts it where it is missing.
boot() {
    local machine=$1 name
    shift
    mount --bind "$machine" "$machine"
    mount -t proc proc "$machine/proc"
    mount -t sysfs sysfs "$machine/sys"
    mount -t tmpfs -o mode=755 tmpfs "$machine/run"
    mount -t tmpfs -o mode=755 tmpfs "$machine/dev"
    mkdir "$machine/dev/pts" "$machine/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$machine/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$machine/dev/shm"
    for name in null zero full random urandom tty; do
        touch "$machine/dev/$name"
        mount --bind "/dev/$name" "$machine/dev/$name"
    done
    ln -s pts/ptmx "$machine/dev/ptmx"
    ln -s /proc/self/fd "$machine/dev/fd"
    hostname fresh-debian
    echo '127.0.0.1 localhost fresh-debian' >"$machine/etc/hosts"
    exec chroot "$machine" "$@"
}

# Runs "$@" there as root, with an environment that owes nothing to this one but what leads through a proxy.
inside() {
    local machine=$1 variable environment=()
    shift
    for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        [ -n "${!variable:-}" ] && environment+=("$variable=${!variable}")
    done
    [ -e "$machine/usr/local/share/extra-ca.crt" ] && environment+=(NODE_EXTRA_CA_CERTS=/usr/local/share/extra-ca.crt)
    unshare --mount --pid --fork --kill-child --uts --ipc "$0" --boot "$machine" \
        env -i "${environment[@]}" HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" </dev/null
}

# Copies the running node with npm and its headers, as its archive from nodejs.org would lie in /usr/local.
copy_node() {
    local prefix
    prefix=$(dirname "$(dirname "$(node -p process.execPath)")")
    [ -d "$prefix/lib/node_modules/npm" ] || die "there is no npm beside node in \"$prefix\""
    mkdir -p "$1/usr/local/lib/node_modules" "$1/usr/local/include"
    cp "$prefix/bin/node" "$1/usr/local/bin/"
    cp -r "$prefix/lib/node_modules/npm" "$1/usr/local/lib/node_modules/"
    [ -d "$prefix/include/node" ] && cp -r "$prefix/include/node" "$1/usr/local/include/"
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm"
    ln -s ../lib/node_modules/npm/bin/npx-cli.js "$1/usr/local/bin/npx"
    # of a proxy that looks into TLS, where this machine sits behind one
    [ -n "${NODE_EXTRA_CA_CERTS:-}" ] && cp "$NODE_EXTRA_CA_CERTS" "$1/usr/local/share/extra-ca.crt"
    return 0
}

# The bare system, made once; every trial gets a copy.
make_base() {
    say "a bare Debian 12 from $mirror …"
    debootstrap --variant=minbase bookworm "$work/base" "$mirror" >"$work/debootstrap.log" 2>&1 ||
        die "debootstrap failed:" "$(tail -n 5 "$work/debootstrap.log")"
    copy_node "$work/base"
}

# README's first command, twice, since it can be repeated; then what must be true of the clone and the machine.
trial() {
    local who=$1 machine="$work/$1" home clone as
    shift
    cp -a "$work/base" "$machine"
    home=/root as=(env HOME=/root)
    if [ "$who" = user ]; then
        home=/home/user as=(setpriv --reuid user --regid user --init-groups env HOME=/home/user USER=user)
        inside "$machine" sh -c 'useradd --create-home --shell /bin/bash user && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends sudo' \
            >"$work/sudo.log" 2>&1 || die "sudo cannot be installed:" "$(tail -n 5 "$work/sudo.log")"
        echo 'user ALL=(ALL) NOPASSWD: ALL' >"$machine/etc/sudoers.d/user"
    fi
    clone=$home/sluice
    git clone -q --no-hardlinks "$root" "$machine$clone"
    [ "$who" = root ] || inside "$machine" chown -R user:user "$clone"

    local run=("${as[@]}" sh -c "cd $clone && exec \"\$@\"" trial) attempt
    for attempt in first second; do
        say "as $who, the $attempt time: $first_command"
        inside "$machine" "${run[@]}" bash -c "$first_command" || die "as $who: \"$first_command\" failed"
    done
    if [ $# -gt 0 ]; then
        say "as $who: $*"
        inside "$machine" "${run[@]}" "$@" || die "as $who: \"$*\" failed"
    fi
    local foreign
    foreign=$(inside "$machine" find "$home" ! -user "$who" | sed -n 1,5p)
    [ -z "$foreign" ] || die "files that are not of $who:" "$foreign"
    local changed
    changed=$(git -c safe.directory="$machine$clone" -C "$machine$clone" status --porcelain | sed -n 1,5p)
    [ -z "$changed" ] || die "the clone is not clean any more:" "$changed"
    say "as $who: ok, $(du -sm "$machine" | cut -f1) MB"
    rm -rf --one-file-system "$machine"
}

if [ "${1:-}" = --boot ]; then
    shift
    boot "$@"
fi
[ "$(id -u)" = 0 ] || die 'it mounts file systems and makes namespaces: use sudo'
for command in debootstrap git node; do
    command -v "$command" >/dev/null || die "\"$command\" is missing: apt-get install --no-install-recommends debootstrap git"
done
trials=(root user)
case "${1:-}" in
root | user)
    trials=("$1")
    shift
    ;;
'') ;;
*) die "unknown word \"$1\"" 'usage: ./scripts/fresh-debian.sh [root|user [-- COMMAND …]]' ;;
esac
if [ $# -gt 0 ]; then
    [ "$1" = -- ] || die "unknown word \"$1\"" 'usage: ./scripts/fresh-debian.sh [root|user [-- COMMAND …]]'
    shift
fi
# word for word what a reader would copy
first_command=$(sed -n '/^```sh$/,/^```$/{/^```/d;p;}' "$root/README.md" | head -n 1)

work=$(mktemp -d "${TMPDIR:-/tmp}/fresh-debian-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
make_base
for who in "${trials[@]}"; do trial "$who" "$@"; done
say 'done'
