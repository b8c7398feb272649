// Locks on files and directories, held while the handle is open.
#pragma once

#include "fd.h"
#include "handle.h"

namespace sluice {

class LockHandle : public Handle<LockHandle, Fd> {
  public:
    static constexpr HandleKind kind = kLock;
    static constexpr napi_type_tag tag = tag_of(kLock);
    static constexpr const char *name = "FileLock";
    using Handle::Handle;
    static std::vector<Descriptor> methods() {
        return {};
    }
};

// tryLock(path): makes the file where there is nothing; null while another descriptor holds the lock
Napi::Value try_lock(const Arguments &arguments);

} // namespace sluice
