#include "lock.h"

#include <sys/file.h>
#include <sys/stat.h>

namespace sluice {

Napi::Value try_lock(const Arguments &arguments) {
    const std::string path = arguments.text(0, "path");
    int number = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    // A directory is locked as it is; it cannot be opened for writing.
    if (number < 0 && errno == EISDIR)
        number = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    auto file = std::make_shared<Fd>(Fd::from(number, "open"));
    if (::flock(file->number(), LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return arguments.env().Null();
        fail("flock", errno);
    }
    // Whoever held it may have removed it since it was opened here: others would lock the next one beside us.
    struct stat held = {}, named = {};
    check(::fstat(file->number(), &held), "fstat");
    if (::stat(path.c_str(), &named) < 0 || held.st_ino != named.st_ino || held.st_dev != named.st_dev)
        return arguments.env().Null();
    return LockHandle::wrap(arguments.env(), std::move(file));
}

} // namespace sluice
