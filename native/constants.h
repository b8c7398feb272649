// What is known when a program is loaded, written into its instructions.
#pragma once

#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <cstdint>
#include <set>
#include <vector>

namespace sluice {

// What instructions may refer to by number, once libbpf has put in the numbers.
struct Constants {
    int rodata = -1; // the map of the read-only data, and what is in it
    const std::uint8_t *data = nullptr;
    std::size_t size = 0;
    std::set<int> values; // maps whose one value is meant where a program names them, see SLC_VALUE in bpf/maps.h
};

// Replaces each load of read-only data by the number that is there (the verifier knows it anyway, and leaves the load
// where it is), and each reference to one of `values` by the address of its value. The number of instructions stays.
void write_constants(std::vector<bpf_insn> &instructions, const Constants &constants);

// Before an object is opened whose programs are to get their constants written: what libbpf does with the programs of a
// section it looks up then.
void prepare_for_constants();

// The maps of an object that instructions get their constants from: its read-only data, and those whose declaration has
// the tag of SLC_VALUE. Asked for before any of them is replaced by an existing map, whose name it takes.
struct ConstantMaps {
    struct bpf_map *rodata = nullptr;
    std::vector<struct bpf_map *> values;
};
ConstantMaps constant_maps(struct bpf_object *object);

// While it lives, programs that this thread loads get their constants written.
class WritingConstants {
  public:
    explicit WritingConstants(const ConstantMaps &maps);
    ~WritingConstants();
    WritingConstants(const WritingConstants &) = delete;
    WritingConstants &operator=(const WritingConstants &) = delete;
};

} // namespace sluice
