// Memory of a map, mapped into the process. JavaScript gets copies only.
#pragma once

#include <cstdint>
#include <vector>

#include "handle.h"

namespace sluice {

struct Mapping {
    void *address;
    std::size_t size;   // bytes of values
    std::size_t mapped; // bytes mapped, whole pages
    bool writable;

    ~Mapping();
    std::uint8_t *at(std::size_t offset) const {
        return static_cast<std::uint8_t *>(address) + offset;
    }
};

class RegionHandle : public Handle<RegionHandle, Mapping> {
  public:
    static constexpr HandleKind kind = kRegion;
    static constexpr napi_type_tag tag = tag_of(kRegion);
    static constexpr const char *name = "MappedRegion";
    using Handle::Handle;
    static std::vector<Descriptor> methods();

  private:
    Napi::Value size(const Arguments &arguments);
    Napi::Value read(const Arguments &arguments);
    Napi::Value write(const Arguments &arguments);
    Napi::Value load64(const Arguments &arguments);
    Napi::Value store64(const Arguments &arguments);
    Napi::Value compare_exchange64(const Arguments &arguments);
    Napi::Value hits(const Arguments &arguments);
};

} // namespace sluice
