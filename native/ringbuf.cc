#include "ringbuf.h"

#include <linux/bpf.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "task.h"

namespace sluice {

namespace {

constexpr std::uint64_t kMostMilliseconds = 60'000;
constexpr std::uint64_t kMostRecords = 1 << 20;

struct Batch {
    std::vector<std::uint8_t> records; // back to back
    std::vector<std::uint32_t> lengths;
    std::vector<std::uint64_t> positions;
    std::uint64_t end = 0; // 0: nothing came
};

std::size_t page_size() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t now_ms() {
    timespec time = {};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1000 + static_cast<std::uint64_t>(time.tv_nsec) / 1'000'000;
}

// Copies what is complete, from the first record that was not released on.
Batch collect(const Ring &ring, std::size_t most) {
    Batch batch;
    std::uint64_t position = ring.read_position();
    const std::uint64_t end = ring.write_position();
    while (position < end && batch.lengths.size() < most) {
        // The data is mapped twice in a row, so that no record is ever in two pieces.
        const std::uint8_t *record = ring.data() + (position & (ring.size - 1));
        const std::uint32_t header = __atomic_load_n(reinterpret_cast<const std::uint32_t *>(record), __ATOMIC_ACQUIRE);
        if ((header & BPF_RINGBUF_BUSY_BIT) != 0)
            break; // being written on another processor
        const std::uint32_t length = header & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
        if (length > ring.size)
            fail("read ring", EPROTO);
        if ((header & BPF_RINGBUF_DISCARD_BIT) == 0) {
            const std::uint8_t *payload = record + BPF_RINGBUF_HDR_SZ;
            batch.records.insert(batch.records.end(), payload, payload + length);
            batch.lengths.push_back(length);
            batch.positions.push_back(position);
        }
        position += (length + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
        batch.end = position;
    }
    return batch;
}

// Waits for records until the time is over or the handle is closed.
Batch wait_for_records(const Ring &ring, std::size_t most, std::uint64_t timeout) {
    const std::uint64_t deadline = now_ms() + timeout;
    for (;;) {
        Batch batch = collect(ring, most);
        const std::uint64_t now = now_ms();
        if (batch.end != 0 || now >= deadline)
            return batch;
        pollfd waits[] = {{ring.wake.number(), POLLIN, 0}, {ring.fd.number(), POLLIN, 0}};
        if (::poll(waits, 2, static_cast<int>(deadline - now)) < 0 && errno != EINTR)
            fail("poll", errno);
        if (waits[0].revents != 0)
            return batch;
        // The first record is still being written: its end wakes nobody who sees data already.
        if (waits[1].revents != 0 && collect(ring, 1).end == 0)
            ::usleep(200);
    }
}

} // namespace

Ring::Ring(Fd map, std::size_t bytes)
    : fd(std::move(map)), wake(Fd::from(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")), size(bytes) {
    const std::size_t page = page_size();
    void *first = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd.number(), 0);
    if (first == MAP_FAILED)
        fail("mmap", errno);
    void *second = ::mmap(nullptr, page + 2 * size, PROT_READ, MAP_SHARED, fd.number(), static_cast<off_t>(page));
    if (second == MAP_FAILED) {
        const int code = errno;
        ::munmap(first, page);
        fail("mmap", code);
    }
    consumer = static_cast<std::uint64_t *>(first);
    producer = static_cast<const std::uint8_t *>(second);
}

Ring::~Ring() {
    ::munmap(consumer, page_size());
    ::munmap(const_cast<std::uint8_t *>(producer), page_size() + 2 * size);
}

std::uint64_t Ring::read_position() const {
    return __atomic_load_n(consumer, __ATOMIC_ACQUIRE);
}

std::uint64_t Ring::write_position() const {
    return __atomic_load_n(reinterpret_cast<const std::uint64_t *>(producer), __ATOMIC_ACQUIRE);
}

const std::uint8_t *Ring::data() const {
    return producer + page_size();
}

std::vector<RingHandle::Descriptor> RingHandle::methods() {
    return {method<&RingHandle::next>("next"), method<&RingHandle::release>("release"),
            method<&RingHandle::waiting>("waiting")};
}

void RingHandle::closing(Ring &ring) {
    ::eventfd_write(ring.wake.number(), 1);
}

// next(timeoutMs, mostRecords): null where nothing came in time, or the handle was closed. One at a time.
Napi::Value RingHandle::next(const Arguments &arguments) {
    const auto ring = resource();
    const std::uint64_t timeout = arguments.number(0, "timeoutMs", 0, kMostMilliseconds);
    const std::size_t most = arguments.number(1, "mostRecords", 1, kMostRecords);
    if (ring->reading.exchange(true))
        throw Failure{EBUSY, name, {}, {}, {}, -1, "busy"};
    return Task<Batch>::start(
        arguments.env(), [ring, most, timeout] { return wait_for_records(*ring, most, timeout); },
        [ring](Napi::Env env, Batch &batch) -> Napi::Value {
            if (batch.end == 0)
                return env.Null();
            ring->handed = batch.end;
            Napi::Uint32Array lengths = Napi::Uint32Array::New(env, batch.lengths.size());
            std::copy(batch.lengths.begin(), batch.lengths.end(), lengths.Data());
            Napi::BigUint64Array positions = Napi::BigUint64Array::New(env, batch.positions.size());
            std::copy(batch.positions.begin(), batch.positions.end(), positions.Data());
            Napi::Object out = Napi::Object::New(env);
            out.Set("records", to_bytes(env, batch.records.data(), batch.records.size()));
            out.Set("lengths", lengths);
            out.Set("positions", positions);
            out.Set("end", Napi::BigInt::New(env, batch.end));
            return out;
        },
        [ring] { ring->reading = false; });
}

// release(end): what was read up to there leaves the ring. Only the end of the last read is taken.
Napi::Value RingHandle::release(const Arguments &arguments) {
    const auto ring = resource();
    const std::uint64_t end = arguments.word64(0, "end");
    if (ring->reading)
        throw Failure{EBUSY, name, {}, {}, {}, -1, "busy"};
    arguments.require(end != 0 && end == ring->handed, "end", "is not where the last read ended");
    ring->handed = 0;
    __atomic_store_n(ring->consumer, end, __ATOMIC_RELEASE);
    return arguments.env().Undefined();
}

// Bytes in the ring that were not released.
Napi::Value RingHandle::waiting(const Arguments &arguments) {
    const auto ring = resource();
    const std::uint64_t first = ring->read_position();
    return Napi::Number::New(arguments.env(), static_cast<double>(ring->write_position() - first));
}

Napi::Value open_ring(Napi::Env env, const MapResource &map) {
    if (map.type != BPF_MAP_TYPE_RINGBUF)
        fail("mmap", EINVAL);
    return RingHandle::wrap(env, std::make_shared<Ring>(Fd::duplicate(map.fd.number()), map.max_entries));
}

} // namespace sluice
