// The reading end of a BPF ring buffer. What was read stays in the ring until it is released, so that a reader that is
// killed in between loses nothing: whoever reads next gets it again.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "fd.h"
#include "handle.h"
#include "map.h"

namespace sluice {

// The mapped ring. Positions count bytes since the ring was made; they never wrap in practice (64 bits).
struct Ring {
    Fd fd;
    Fd wake; // eventfd: the reader on the other thread is to come back
    std::size_t size;
    std::uint64_t *consumer;      // one writable page
    const std::uint8_t *producer; // a page with the position, then the data twice
    std::atomic<bool> reading{false};
    std::uint64_t handed = 0; // end of what was read last, 0 = nothing is to be released

    Ring(Fd map, std::size_t bytes);
    ~Ring();
    Ring(const Ring &) = delete;
    Ring &operator=(const Ring &) = delete;

    std::uint64_t read_position() const;
    std::uint64_t write_position() const;
    const std::uint8_t *data() const;
};

class RingHandle : public Handle<RingHandle, Ring> {
  public:
    static constexpr HandleKind kind = kRing;
    static constexpr napi_type_tag tag = tag_of(kRing);
    static constexpr const char *name = "EventRing";
    using Handle::Handle;
    static std::vector<Descriptor> methods();
    // A read in flight ends at once, empty.
    static void closing(Ring &ring);

  private:
    Napi::Value next(const Arguments &arguments);
    Napi::Value release(const Arguments &arguments);
    Napi::Value waiting(const Arguments &arguments);
};

// A reader of the map, which must be a ring buffer.
Napi::Value open_ring(Napi::Env env, const MapResource &map);

} // namespace sluice
