#!/usr/bin/env bash
# Compiles the datapath (BTF kept, DWARF stripped): bpf/sluice.bpf.c -> dist/bpf/sluice.bpf.o, the XDP hook, and
# bpf/egress.bpf.c -> dist/bpf/egress.bpf.o. `build-bpf.sh DIR` writes elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-dist/bpf}
clang=$(command -v clang-19 || command -v clang) || { echo "build-bpf: clang is missing: apt-get install clang-19" >&2; exit 1; }
strip=$(command -v llvm-strip-19 || command -v llvm-strip) || { echo "build-bpf: llvm-strip is missing: apt-get install llvm-19" >&2; exit 1; }
mkdir -p "$out"
for name in sluice egress; do
  "$clang" -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Werror -Ibpf -I"/usr/include/$(uname -m)-linux-gnu" \
    -c "bpf/$name.bpf.c" -o "$out/$name.bpf.o.tmp"
  "$strip" -g "$out/$name.bpf.o.tmp"
  mv "$out/$name.bpf.o.tmp" "$out/$name.bpf.o"
done
