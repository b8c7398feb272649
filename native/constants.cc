#include "constants.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <cstring>
#include <mutex>
#include <string>

#include "errors.h"

namespace sluice {

namespace {

constexpr char kValueTag[] = "slc_value";
// ja +0: the verifier takes it away.
constexpr bpf_insn kNothing = {BPF_JMP | BPF_JA, 0, 0, 0, 0};

bool loads_address(const bpf_insn &instruction, int kind, int map) {
    return instruction.code == (BPF_LD | BPF_IMM | BPF_DW) && instruction.src_reg == kind && instruction.imm == map;
}

// Bytes of a load from memory; 0: it is none.
std::size_t bytes_loaded(const bpf_insn &instruction) {
    switch (instruction.code) {
    case BPF_LDX | BPF_MEM | BPF_B:
        return 1;
    case BPF_LDX | BPF_MEM | BPF_H:
        return 2;
    case BPF_LDX | BPF_MEM | BPF_W:
        return 4;
    case BPF_LDX | BPF_MEM | BPF_DW:
        return 8;
    default:
        return 0;
    }
}

bool is_wide(const bpf_insn &instruction) {
    return instruction.code == (BPF_LD | BPF_IMM | BPF_DW);
}

// Whether somebody jumps to each instruction.
std::vector<bool> targets_of(const std::vector<bpf_insn> &instructions) {
    std::vector<bool> targets(instructions.size());
    const auto mark = [&](std::size_t at, std::int64_t offset) {
        const std::int64_t target = static_cast<std::int64_t>(at) + 1 + offset;
        if (target >= 0 && target < static_cast<std::int64_t>(targets.size()))
            targets[static_cast<std::size_t>(target)] = true;
    };
    for (std::size_t at = 0; at < instructions.size(); at++) {
        const bpf_insn &one = instructions[at];
        const int kind = BPF_CLASS(one.code), operation = BPF_OP(one.code);
        if (is_wide(one)) {
            // of a function's address the second half is no instruction either
            if (one.src_reg == BPF_PSEUDO_FUNC)
                mark(at, one.imm);
            at++;
        } else if (kind == BPF_JMP || kind == BPF_JMP32) {
            if (operation == BPF_CALL && one.src_reg == BPF_PSEUDO_CALL)
                mark(at, one.imm);
            else if (operation == BPF_JA && kind == BPF_JMP32)
                mark(at, one.imm);
            else if (operation != BPF_CALL && operation != BPF_EXIT)
                mark(at, one.off);
        }
    }
    return targets;
}

// The number that a load from read-only data finds.
std::uint64_t number_at(const Constants &constants, std::size_t offset, std::size_t bytes) {
    std::uint64_t number = 0;
    std::memcpy(&number, constants.data + offset, bytes); // both are little endian
    return number;
}

bpf_insn move_word(std::uint8_t target, std::uint32_t number) {
    return {BPF_ALU | BPF_MOV | BPF_K, target, 0, 0, static_cast<std::int32_t>(number)};
}

// The three slots of an address and the load behind it, where they leave nothing but the number.
void write_number(bpf_insn *slots, std::uint8_t target, std::uint64_t number) {
    if (number > UINT32_MAX) {
        slots[0] = {BPF_LD | BPF_IMM | BPF_DW, target, 0, 0, static_cast<std::int32_t>(number)};
        slots[1] = {0, 0, 0, 0, static_cast<std::int32_t>(number >> 32)};
    } else {
        slots[0] = move_word(target, static_cast<std::uint32_t>(number));
        slots[1] = kNothing;
    }
    slots[2] = kNothing;
}

thread_local const ConstantMaps *writing_from = nullptr;

// Only now do the maps have numbers.
Constants constants_of(const ConstantMaps &maps) {
    Constants constants;
    if (maps.rodata != nullptr) {
        constants.rodata = bpf_map__fd(maps.rodata);
        constants.data = static_cast<const std::uint8_t *>(bpf_map__initial_value(maps.rodata, &constants.size));
    }
    for (const struct bpf_map *map : maps.values) {
        if (bpf_map__fd(map) >= 0)
            constants.values.insert(bpf_map__fd(map));
    }
    return constants;
}

// What libbpf calls for a program whose maps have their numbers, before the kernel sees it. `cookie`: flags.
int prepare(struct bpf_program *program, struct bpf_prog_load_opts *options, long cookie) {
    options->prog_flags |= static_cast<std::uint32_t>(cookie);
    if (writing_from == nullptr)
        return 0;
    const bpf_insn *first = bpf_program__insns(program);
    std::vector<bpf_insn> instructions(first, first + bpf_program__insn_cnt(program));
    write_constants(instructions, constants_of(*writing_from));
    return bpf_program__set_insns(program, instructions.data(), instructions.size());
}

void register_handlers() {
    LIBBPF_OPTS(libbpf_prog_handler_opts, fragmented, .cookie = BPF_F_XDP_HAS_FRAGS, .prog_prepare_load_fn = prepare);
    LIBBPF_OPTS(libbpf_prog_handler_opts, plain, .prog_prepare_load_fn = prepare);
    // They take the place of libbpf's own for these sections, of which they do the rest as well.
    check(libbpf_register_prog_handler("xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP, &fragmented),
          "libbpf_register_prog_handler");
    check(libbpf_register_prog_handler("tc", BPF_PROG_TYPE_SCHED_CLS, static_cast<bpf_attach_type>(0), &plain),
          "libbpf_register_prog_handler");
}

} // namespace

void write_constants(std::vector<bpf_insn> &instructions, const Constants &constants) {
    const std::vector<bool> targets = targets_of(instructions);
    for (std::size_t at = 0; at + 1 < instructions.size(); at++) {
        bpf_insn *slots = &instructions[at];
        if (!is_wide(slots[0]))
            continue;
        for (const int map : constants.values) {
            if (loads_address(slots[0], BPF_PSEUDO_MAP_FD, map))
                slots[0].src_reg = BPF_PSEUDO_MAP_VALUE;
        }
        if (at + 2 < instructions.size() && !targets[at + 2] &&
            loads_address(slots[0], BPF_PSEUDO_MAP_VALUE, constants.rodata)) {
            const bpf_insn load = slots[2];
            const std::size_t bytes = bytes_loaded(load);
            const std::int64_t offset = static_cast<std::int64_t>(slots[1].imm) + load.off;
            if (bytes > 0 && load.src_reg == slots[0].dst_reg && offset >= 0 &&
                static_cast<std::size_t>(offset) + bytes <= constants.size) {
                const std::uint64_t number = number_at(constants, static_cast<std::size_t>(offset), bytes);
                if (load.dst_reg == load.src_reg)
                    write_number(slots, load.dst_reg, number);
                else if (number <= UINT32_MAX)
                    slots[2] = move_word(load.dst_reg, static_cast<std::uint32_t>(number));
            }
        }
        at++;
    }
}

void prepare_for_constants() {
    static std::once_flag once;
    std::call_once(once, register_handlers);
}

ConstantMaps constant_maps(struct bpf_object *object) {
    ConstantMaps maps;
    std::set<std::string> tagged;
    const struct btf *types = bpf_object__btf(object);
    const std::uint32_t count = types == nullptr ? 0 : btf__type_cnt(types);
    for (std::uint32_t id = 1; id < count; id++) {
        const struct btf_type *type = btf__type_by_id(types, id);
        if (!btf_is_decl_tag(type) || std::strcmp(btf__name_by_offset(types, type->name_off), kValueTag) != 0)
            continue;
        const struct btf_type *variable = btf__type_by_id(types, type->type);
        if (btf_is_var(variable))
            tagged.insert(btf__name_by_offset(types, variable->name_off));
    }
    struct bpf_map *map = nullptr;
    while ((map = bpf_object__next_map(object, map)) != nullptr) {
        const std::string name = bpf_map__name(map);
        if (bpf_map__is_internal(map) && name.find(".rodata") != std::string::npos)
            maps.rodata = map;
        if (tagged.count(name) > 0)
            maps.values.push_back(map);
    }
    return maps;
}

WritingConstants::WritingConstants(const ConstantMaps &maps) {
    writing_from = &maps;
}

WritingConstants::~WritingConstants() {
    writing_from = nullptr;
}

} // namespace sluice
