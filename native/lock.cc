#include "lock.h"

#include <sys/file.h>

namespace sluice {

Napi::Value try_lock(const Arguments &arguments) {
    const std::string path = arguments.text(0, "path");
    auto file = std::make_shared<Fd>(
        Fd::from(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600), "open"));
    if (::flock(file->number(), LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return arguments.env().Null();
        fail("flock", errno);
    }
    return LockHandle::wrap(arguments.env(), std::move(file));
}

} // namespace sluice
