// BPF maps.
#pragma once

#include <cstdint>
#include <vector>

#include "fd.h"
#include "handle.h"

namespace sluice {

struct MapResource {
    Fd fd;
    std::uint32_t type;
    std::uint32_t key_size;
    std::uint32_t value_size;
    std::uint32_t max_entries;
    std::uint32_t flags;

    // Bytes of a value as user space sees it: for per-CPU maps every possible CPU, each padded to 8 bytes.
    std::size_t user_value_size() const;
};

// Takes a descriptor of a map and asks the kernel what it is.
std::shared_ptr<MapResource> adopt_map(Fd fd);

class MapHandle : public Handle<MapHandle, MapResource> {
  public:
    static constexpr HandleKind kind = kMap;
    static constexpr napi_type_tag tag = tag_of(kMap);
    static constexpr const char *name = "BpfMap";
    using Handle::Handle;
    static std::vector<Descriptor> methods();

  private:
    Napi::Value info(const Arguments &arguments);
    Napi::Value lookup(const Arguments &arguments);
    Napi::Value update(const Arguments &arguments);
    Napi::Value update_program(const Arguments &arguments);
    Napi::Value remove(const Arguments &arguments);
    Napi::Value entries(const Arguments &arguments);
    Napi::Value update_batch(const Arguments &arguments);
    Napi::Value mmap(const Arguments &arguments);
    Napi::Value ring(const Arguments &arguments);
    Napi::Value freeze(const Arguments &arguments);
    Napi::Value pin(const Arguments &arguments);
};

// createMap(type, name, keySize, valueSize, maxEntries, flags)
Napi::Value create_map(const Arguments &arguments);

} // namespace sluice
