#include "region.h"

#include <sys/mman.h>

#include <cstring>

#include "hits.h"

namespace sluice {

namespace {

// The 64-bit word at the offset given as argument 0.
std::uint64_t *word_at(const Arguments &arguments, const Mapping &mapping) {
    const std::uint64_t offset = arguments.number(0, "offset", 0, UINT32_MAX);
    arguments.require(offset % 8 == 0, "offset", "is not a multiple of 8");
    arguments.require(offset + 8 <= mapping.size, "offset", "is out of range");
    return reinterpret_cast<std::uint64_t *>(mapping.at(offset));
}

// Writing to a read-only mapping would be a SIGSEGV.
void require_writable(const Mapping &mapping) {
    if (!mapping.writable)
        fail("mmap", EACCES);
}

} // namespace

Mapping::~Mapping() {
    ::munmap(address, mapped);
}

std::vector<RegionHandle::Descriptor> RegionHandle::methods() {
    return {method<&RegionHandle::size>("size"),       method<&RegionHandle::read>("read"),
            method<&RegionHandle::write>("write"),     method<&RegionHandle::load64>("load64"),
            method<&RegionHandle::store64>("store64"), method<&RegionHandle::compare_exchange64>("compareExchange64"),
            method<&RegionHandle::hits>("hits")};
}

Napi::Value RegionHandle::size(const Arguments &arguments) {
    return Napi::Number::New(arguments.env(), static_cast<double>(resource()->size));
}

Napi::Value RegionHandle::read(const Arguments &arguments) {
    const auto mapping = resource();
    const std::uint64_t offset = arguments.number(0, "offset", 0, UINT32_MAX);
    const std::uint64_t length = arguments.number(1, "length", 0, UINT32_MAX);
    arguments.require(offset + length <= mapping->size, "offset and length", "reach past the end");
    return to_bytes(arguments.env(), mapping->at(offset), length);
}

Napi::Value RegionHandle::write(const Arguments &arguments) {
    const auto mapping = resource();
    const std::uint64_t offset = arguments.number(0, "offset", 0, UINT32_MAX);
    const Bytes bytes = arguments.bytes(1, "bytes");
    require_writable(*mapping);
    arguments.require(offset + bytes.length <= mapping->size, "offset and bytes", "reach past the end");
    if (bytes.length > 0)
        std::memcpy(mapping->at(offset), bytes.data, bytes.length);
    return arguments.env().Undefined();
}

Napi::Value RegionHandle::load64(const Arguments &arguments) {
    const auto mapping = resource();
    return Napi::BigInt::New(arguments.env(), __atomic_load_n(word_at(arguments, *mapping), __ATOMIC_SEQ_CST));
}

Napi::Value RegionHandle::store64(const Arguments &arguments) {
    const auto mapping = resource();
    std::uint64_t *word = word_at(arguments, *mapping);
    const std::uint64_t value = arguments.word64(1, "value");
    require_writable(*mapping);
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    return arguments.env().Undefined();
}

Napi::Value RegionHandle::compare_exchange64(const Arguments &arguments) {
    const auto mapping = resource();
    std::uint64_t *word = word_at(arguments, *mapping);
    std::uint64_t expected = arguments.word64(1, "expected");
    const std::uint64_t value = arguments.word64(2, "value");
    require_writable(*mapping);
    __atomic_compare_exchange_n(word, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return Napi::BigInt::New(arguments.env(), expected); // holds the value found
}

Napi::Value RegionHandle::hits(const Arguments &arguments) {
    const auto mapping = resource();
    const std::uint64_t row_bytes = arguments.number(0, "rowBytes", 1, UINT32_MAX);
    arguments.require(row_bytes % kHitBytes == 0, "rowBytes", "is no whole number of slots");
    arguments.require(mapping->size % row_bytes == 0, "rowBytes", "does not divide the region");
    arguments.require(mapping->size / row_bytes >= kSharedHitRows, "rowBytes", "leaves no row for a CPU");
    auto sums = Napi::BigUint64Array::New(arguments.env(), row_bytes / kHitBytes * kHitFigures);
    add_up_hits(*mapping, row_bytes, sums.Data());
    return sums;
}

} // namespace sluice
