#include "args.h"

#include <cmath>
#include <cstring>

namespace sluice {

namespace {

constexpr std::size_t kMaxText = 4095;
constexpr std::uint32_t kMaxTexts = 4096;

// The view may be longer than its shrunk buffer claims; an out-of-bounds view has length 0.
template <class Element> std::vector<Element> elements(const Napi::TypedArray &array) {
    std::vector<Element> out(array.ElementLength());
    const auto view = array.As<Napi::TypedArrayOf<Element>>();
    if (!out.empty())
        std::memcpy(out.data(), view.Data(), out.size() * sizeof(Element));
    return out;
}

} // namespace

void Arguments::refuse(const char *name, const char *expected) const {
    throw Napi::TypeError::New(env(), std::string(name) + " must be " + expected);
}

void Arguments::require(bool holds, const char *name, const char *what) const {
    if (!holds)
        throw Napi::RangeError::New(env(), std::string(name) + " " + what);
}

std::uint64_t Arguments::number(std::size_t index, const char *name, std::uint64_t least, std::uint64_t most) const {
    if (!info_[index].IsNumber())
        refuse(name, "a number");
    const double value = info_[index].As<Napi::Number>().DoubleValue();
    const bool whole = std::isfinite(value) && std::floor(value) == value && value >= 0 && value <= 9007199254740991.0;
    require(whole && value >= static_cast<double>(least) && value <= static_cast<double>(most), name,
            "is out of range");
    return static_cast<std::uint64_t>(value);
}

std::uint32_t Arguments::word(std::size_t index, const char *name) const {
    return static_cast<std::uint32_t>(number(index, name, 0, UINT32_MAX));
}

std::uint64_t Arguments::word64(std::size_t index, const char *name) const {
    if (!info_[index].IsBigInt())
        refuse(name, "a bigint");
    bool lossless = false;
    const std::uint64_t value = info_[index].As<Napi::BigInt>().Uint64Value(&lossless);
    require(lossless, name, "does not fit in 64 bits");
    return value;
}

bool Arguments::flag(std::size_t index, const char *name) const {
    if (!info_[index].IsBoolean())
        refuse(name, "a boolean");
    return info_[index].As<Napi::Boolean>().Value();
}

std::string Arguments::text(std::size_t index, const char *name, bool empty) const {
    if (!info_[index].IsString())
        refuse(name, "a string");
    const std::string value = info_[index].As<Napi::String>().Utf8Value();
    require(empty || !value.empty(), name, "is empty");
    require(value.size() <= kMaxText, name, "is too long");
    require(value.find('\0') == std::string::npos, name, "holds a NUL byte");
    return value;
}

std::vector<std::string> Arguments::texts(std::size_t index, const char *name) const {
    if (!info_[index].IsArray())
        refuse(name, "an array of strings");
    const auto array = info_[index].As<Napi::Array>();
    require(array.Length() <= kMaxTexts, name, "is too long");
    std::vector<std::string> out;
    for (std::uint32_t i = 0; i < array.Length(); i++) {
        const Napi::Value item = array.Get(i);
        if (!item.IsString())
            refuse(name, "an array of strings");
        out.push_back(item.As<Napi::String>().Utf8Value());
    }
    return out;
}

Bytes Arguments::bytes(std::size_t index, const char *name) const {
    const Napi::Value value = info_[index];
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
        refuse(name, "a Uint8Array");
    const auto array = value.As<Napi::Uint8Array>();
    return {array.Data(), array.ElementLength()};
}

Bytes Arguments::bytes_of(std::size_t index, const char *name, std::size_t length) const {
    const Bytes out = bytes(index, name);
    require(out.length == length, name, "has the wrong length");
    return out;
}

std::vector<std::uint32_t> Arguments::words(std::size_t index, const char *name) const {
    const Napi::Value value = info_[index];
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array)
        refuse(name, "a Uint32Array");
    return elements<std::uint32_t>(value.As<Napi::TypedArray>());
}

std::vector<std::int32_t> Arguments::integers(std::size_t index, const char *name) const {
    const Napi::Value value = info_[index];
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array)
        refuse(name, "an Int32Array");
    return elements<std::int32_t>(value.As<Napi::TypedArray>());
}

bool Arguments::absent(std::size_t index) const {
    return info_[index].IsUndefined() || info_[index].IsNull();
}

Napi::Value to_bytes(Napi::Env env, const void *data, std::size_t length) {
    Napi::Uint8Array array = Napi::Uint8Array::New(env, length);
    if (length > 0)
        std::memcpy(array.Data(), data, length);
    return array;
}

} // namespace sluice
