// Arguments from JavaScript, checked before anything else happens. Nothing is coerced, so no JavaScript runs between
// the checks and the work. A wrong type is a TypeError, a value out of its range a RangeError.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sluice {

// A view of a Uint8Array; valid until control returns to JavaScript. Work on other threads takes `copy()`: a buffer can
// be detached or shrunk by its owner at any time.
struct Bytes {
    const std::uint8_t *data;
    std::size_t length;

    std::vector<std::uint8_t> copy() const {
        return {data, data + length};
    }
};

class Arguments {
  public:
    explicit Arguments(const Napi::CallbackInfo &info) : info_(info) {}

    Napi::Env env() const {
        return info_.Env();
    }

    // A whole number from `least` to `most`.
    std::uint64_t number(std::size_t index, const char *name, std::uint64_t least, std::uint64_t most) const;
    std::uint32_t word(std::size_t index, const char *name) const;
    // A bigint from 0 to 2^64 - 1.
    std::uint64_t word64(std::size_t index, const char *name) const;
    bool flag(std::size_t index, const char *name) const;
    // A string without NUL, of at most 4095 bytes; `empty` allows "".
    std::string text(std::size_t index, const char *name, bool empty = false) const;
    std::vector<std::string> texts(std::size_t index, const char *name) const;
    Bytes bytes(std::size_t index, const char *name) const;
    Bytes bytes_of(std::size_t index, const char *name, std::size_t length) const;
    std::vector<std::uint32_t> words(std::size_t index, const char *name) const;
    std::vector<std::int32_t> integers(std::size_t index, const char *name) const;
    // null or undefined: the argument was left out.
    bool absent(std::size_t index) const;

    // The handle of class `Handle` given as argument.
    template <class Handle> Handle &handle(std::size_t index, const char *name) const {
        const Napi::Value value = info_[index];
        if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&Handle::tag))
            refuse(name, Handle::name);
        return *Handle::Unwrap(value.As<Napi::Object>());
    }

    // Throws a RangeError where `holds` is false.
    void require(bool holds, const char *name, const char *what) const;

  private:
    [[noreturn]] void refuse(const char *name, const char *expected) const;
    const Napi::CallbackInfo &info_;
};

// A Uint8Array of its own with a copy of the bytes.
Napi::Value to_bytes(Napi::Env env, const void *data, std::size_t length);

} // namespace sluice
