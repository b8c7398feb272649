#include "abi.h"

#include <linux/types.h>

#include <cstddef>

#define SLC_HOST
#include "../bpf/sluice_abi.h"

namespace sluice {

Napi::Value abi_witness(const Arguments &arguments) {
    Napi::Object out = Napi::Object::New(arguments.env());
    const auto put = [&](const char *name, std::size_t value) {
        out.Set(name, Napi::Number::New(arguments.env(), static_cast<double>(value)));
    };
// The names of all structs and fields, listed from the header by scripts/build-native.js; their numbers are the
// compiler's.
#define SLC_STRUCT(type) put(#type, sizeof(struct type));
#define SLC_FIELD(type, field) put(#type "." #field, offsetof(struct type, field));
#include <abi_fields.inc>
#undef SLC_STRUCT
#undef SLC_FIELD
    return out;
}

} // namespace sluice
