#!/usr/bin/env bash
# Compiles the datapath: bpf/sluice.bpf.c -> dist/bpf/sluice.bpf.o (BTF kept, DWARF stripped).
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-dist/bpf/sluice.bpf.o}
clang=$(command -v clang-19 || command -v clang) || { echo "build-bpf: clang is missing: apt-get install clang-19" >&2; exit 1; }
strip=$(command -v llvm-strip-19 || command -v llvm-strip) || { echo "build-bpf: llvm-strip is missing: apt-get install llvm-19" >&2; exit 1; }
mkdir -p "$(dirname "$out")"
"$clang" -O2 -g -target bpf -mcpu=v3 -Wall -Wextra -Wno-unused-parameter -Werror -Ibpf -I"/usr/include/$(uname -m)-linux-gnu" \
  -c bpf/sluice.bpf.c -o "$out.tmp"
"$strip" -g "$out.tmp"
mv "$out.tmp" "$out"
