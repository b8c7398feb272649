#include "map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "program.h"
#include "region.h"
#include "ringbuf.h"
#include "task.h"

namespace sluice {

namespace {

constexpr int kNotSupported = 524; // the kernel's own ENOTSUPP, which user space has no name for

struct Entries {
    std::vector<std::uint8_t> keys;
    std::vector<std::uint8_t> values;
    std::size_t count = 0;
};

std::size_t rounded(std::size_t value, std::size_t to) {
    return (value + to - 1) / to * to;
}

bool is_per_cpu(std::uint32_t type) {
    return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
           type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

bool means_no_batches(int code) {
    return code == kNotSupported || code == EOPNOTSUPP || code == EINVAL;
}

// Whether the map is frozen is told by /proc only.
bool is_frozen(int fd) {
    const std::string path = "/proc/self/fdinfo/" + std::to_string(fd);
    std::FILE *file = std::fopen(path.c_str(), "re");
    if (file == nullptr)
        fail("open fdinfo", errno);
    char line[128];
    unsigned frozen = 0;
    while (std::fgets(line, sizeof(line), file) != nullptr)
        if (std::sscanf(line, "frozen: %u", &frozen) == 1)
            break;
    std::fclose(file);
    return frozen != 0;
}

// Key after key. A map that changes meanwhile may give a key twice or start over: bounded by its size.
Entries entries_one_by_one(const MapResource &map) {
    Entries out;
    const std::size_t value_size = map.user_value_size();
    std::vector<std::uint8_t> key(map.key_size), next(map.key_size), value(value_size);
    for (bool first = true; out.count < map.max_entries; first = false) {
        if (bpf_map_get_next_key(map.fd.number(), first ? nullptr : key.data(), next.data()) < 0) {
            if (errno == ENOENT)
                break;
            fail("bpf_map_get_next_key", errno);
        }
        key = next;
        if (bpf_map_lookup_elem(map.fd.number(), key.data(), value.data()) < 0) {
            if (errno == ENOENT)
                continue; // deleted meanwhile, or an empty slot
            fail("bpf_map_lookup_elem", errno);
        }
        out.keys.insert(out.keys.end(), key.begin(), key.end());
        out.values.insert(out.values.end(), value.begin(), value.end());
        out.count++;
    }
    return out;
}

Entries all_entries(const MapResource &map) {
    constexpr std::size_t kTargetBytes = 1 << 20;
    const std::size_t value_size = map.user_value_size();
    std::size_t step = std::clamp<std::size_t>(kTargetBytes / (map.key_size + value_size), 16, 16384);
    Entries out;
    std::vector<std::uint8_t> token(std::max<std::size_t>(map.key_size, 8)), next_token(token.size());
    bool first = true;
    for (;;) {
        out.keys.resize((out.count + step) * map.key_size);
        out.values.resize((out.count + step) * value_size);
        __u32 count = static_cast<__u32>(step);
        DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, options);
        const int result = bpf_map_lookup_batch(map.fd.number(), first ? nullptr : token.data(), next_token.data(),
                                                out.keys.data() + out.count * map.key_size,
                                                out.values.data() + out.count * value_size, &count, &options);
        const int code = result < 0 ? errno : 0;
        if (code == ENOSPC) { // a bucket of the hash holds more than `step`
            step *= 2;
            continue;
        }
        if (code != 0 && code != ENOENT) {
            if (first && means_no_batches(code))
                return entries_one_by_one(map);
            fail("bpf_map_lookup_batch", code);
        }
        out.count += count;
        if (code == ENOENT)
            break; // the end
        token.swap(next_token);
        first = false;
    }
    out.keys.resize(out.count * map.key_size);
    out.values.resize(out.count * value_size);
    return out;
}

void update_all(const MapResource &map, const std::vector<std::uint8_t> &keys, const std::vector<std::uint8_t> &values,
                std::size_t count) {
    const std::size_t value_size = map.user_value_size();
    __u32 written = static_cast<__u32>(count);
    DECLARE_LIBBPF_OPTS(bpf_map_batch_opts, options);
    if (bpf_map_update_batch(map.fd.number(), keys.data(), values.data(), &written, &options) == 0)
        return;
    const int code = errno;
    if (!means_no_batches(code)) {
        // The kernel reports the count where it got as far as the entries; else it left ours untouched.
        throw Failure{code, "bpf_map_update_batch", {}, {}, {}, written < count ? written : 0};
    }
    for (std::size_t i = 0; i < count; i++) {
        if (bpf_map_update_elem(map.fd.number(), keys.data() + i * map.key_size, values.data() + i * value_size,
                                BPF_ANY) < 0)
            throw Failure{errno, "bpf_map_update_elem", {}, {}, {}, static_cast<std::int64_t>(i)};
    }
}

} // namespace

std::size_t MapResource::user_value_size() const {
    if (!is_per_cpu(type))
        return value_size;
    return rounded(value_size, 8) * static_cast<std::size_t>(check(libbpf_num_possible_cpus(), "possible cpus"));
}

std::shared_ptr<MapResource> adopt_map(Fd fd) {
    bpf_map_info info = {};
    __u32 length = sizeof(info);
    check(bpf_obj_get_info_by_fd(fd.number(), &info, &length), "bpf_obj_get_info_by_fd");
    return std::make_shared<MapResource>(
        MapResource{std::move(fd), info.type, info.key_size, info.value_size, info.max_entries, info.map_flags});
}

std::vector<MapHandle::Descriptor> MapHandle::methods() {
    return {method<&MapHandle::info>("info"),
            method<&MapHandle::lookup>("lookup"),
            method<&MapHandle::update>("update"),
            method<&MapHandle::update_program>("updateProgram"),
            method<&MapHandle::remove>("delete"),
            method<&MapHandle::entries>("entries"),
            method<&MapHandle::update_batch>("updateBatch"),
            method<&MapHandle::mmap>("mmap"),
            method<&MapHandle::ring>("ring"),
            method<&MapHandle::freeze>("freeze"),
            method<&MapHandle::pin>("pin")};
}

Napi::Value MapHandle::info(const Arguments &arguments) {
    const auto map = resource();
    bpf_map_info info = {};
    __u32 length = sizeof(info);
    check(bpf_obj_get_info_by_fd(map->fd.number(), &info, &length), "bpf_obj_get_info_by_fd");
    Napi::Object out = Napi::Object::New(arguments.env());
    out.Set("id", info.id);
    out.Set("type", info.type);
    out.Set("keySize", info.key_size);
    out.Set("valueSize", info.value_size);
    out.Set("maxEntries", info.max_entries);
    out.Set("flags", info.map_flags);
    out.Set("name", std::string(info.name, strnlen(info.name, sizeof(info.name))));
    out.Set("frozen", is_frozen(map->fd.number()));
    return out;
}

Napi::Value MapHandle::lookup(const Arguments &arguments) {
    const auto map = resource();
    const Bytes key = arguments.bytes_of(0, "key", map->key_size);
    std::vector<std::uint8_t> value(map->user_value_size());
    if (bpf_map_lookup_elem(map->fd.number(), key.data, value.data()) < 0) {
        if (errno == ENOENT)
            return arguments.env().Null();
        fail("bpf_map_lookup_elem", errno);
    }
    return to_bytes(arguments.env(), value.data(), value.size());
}

Napi::Value MapHandle::update(const Arguments &arguments) {
    const auto map = resource();
    const Bytes key = arguments.bytes_of(0, "key", map->key_size);
    const Bytes value = arguments.bytes_of(1, "value", map->user_value_size());
    const std::uint64_t flags = arguments.number(2, "flags", BPF_ANY, BPF_EXIST);
    // Its values are descriptor numbers, which JavaScript does not know.
    if (map->type == BPF_MAP_TYPE_PROG_ARRAY)
        fail("bpf_map_update_elem", EINVAL);
    check(bpf_map_update_elem(map->fd.number(), key.data, value.data, flags), "bpf_map_update_elem");
    return arguments.env().Undefined();
}

Napi::Value MapHandle::update_program(const Arguments &arguments) {
    const auto map = resource();
    const Bytes key = arguments.bytes_of(0, "key", map->key_size);
    const auto program = arguments.handle<ProgramHandle>(1, "program").resource();
    if (map->type != BPF_MAP_TYPE_PROG_ARRAY)
        fail("bpf_map_update_elem", EINVAL);
    const int number = program->number();
    check(bpf_map_update_elem(map->fd.number(), key.data, &number, BPF_ANY), "bpf_map_update_elem");
    return arguments.env().Undefined();
}

Napi::Value MapHandle::remove(const Arguments &arguments) {
    const auto map = resource();
    const Bytes key = arguments.bytes_of(0, "key", map->key_size);
    if (bpf_map_delete_elem(map->fd.number(), key.data) < 0) {
        if (errno == ENOENT)
            return Napi::Boolean::New(arguments.env(), false);
        fail("bpf_map_delete_elem", errno);
    }
    return Napi::Boolean::New(arguments.env(), true);
}

Napi::Value MapHandle::entries(const Arguments &arguments) {
    const auto map = resource();
    return Task<Entries>::start(
        arguments.env(), [map] { return all_entries(*map); },
        [](Napi::Env env, Entries &entries) -> Napi::Value {
            Napi::Object out = Napi::Object::New(env);
            out.Set("count", Napi::Number::New(env, static_cast<double>(entries.count)));
            out.Set("keys", to_bytes(env, entries.keys.data(), entries.keys.size()));
            out.Set("values", to_bytes(env, entries.values.data(), entries.values.size()));
            return out;
        });
}

Napi::Value MapHandle::update_batch(const Arguments &arguments) {
    const auto map = resource();
    const std::size_t count = arguments.number(2, "count", 0, UINT32_MAX);
    const Bytes keys = arguments.bytes_of(0, "keys", count * map->key_size);
    const Bytes values = arguments.bytes_of(1, "values", count * map->user_value_size());
    if (map->type == BPF_MAP_TYPE_PROG_ARRAY)
        fail("bpf_map_update_batch", EINVAL);
    return Task<bool>::start(
        arguments.env(),
        [map, count, keys = keys.copy(), values = values.copy()] {
            if (count > 0)
                update_all(*map, keys, values, count);
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); });
}

Napi::Value MapHandle::mmap(const Arguments &arguments) {
    const auto map = resource();
    const bool writable = arguments.flag(0, "writable");
    const std::size_t size = rounded(map->value_size, 8) * map->max_entries;
    const std::size_t mapped = rounded(size, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
    void *address = ::mmap(nullptr, mapped, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, map->fd.number(), 0);
    if (address == MAP_FAILED)
        fail("mmap", errno);
    return RegionHandle::wrap(arguments.env(), std::shared_ptr<Mapping>(new Mapping{address, size, mapped, writable}));
}

Napi::Value MapHandle::ring(const Arguments &arguments) {
    return open_ring(arguments.env(), *resource());
}

Napi::Value MapHandle::freeze(const Arguments &arguments) {
    check(bpf_map_freeze(resource()->fd.number()), "bpf_map_freeze");
    return arguments.env().Undefined();
}

Napi::Value MapHandle::pin(const Arguments &arguments) {
    const auto map = resource();
    check(bpf_obj_pin(map->fd.number(), arguments.text(0, "path").c_str()), "bpf_obj_pin");
    return arguments.env().Undefined();
}

Napi::Value create_map(const Arguments &arguments) {
    const auto type = static_cast<bpf_map_type>(arguments.word(0, "type"));
    const std::string name = arguments.text(1, "name");
    const std::uint32_t key_size = arguments.word(2, "keySize");
    const std::uint32_t value_size = arguments.word(3, "valueSize");
    const std::uint32_t max_entries = arguments.word(4, "maxEntries");
    DECLARE_LIBBPF_OPTS(bpf_map_create_opts, options);
    options.map_flags = arguments.word(5, "flags");
    const PrintSink quiet;
    return MapHandle::wrap(arguments.env(), adopt_map(Fd::from(bpf_map_create(type, name.c_str(), key_size, value_size,
                                                                              max_entries, &options),
                                                               "bpf_map_create")));
}

} // namespace sluice
