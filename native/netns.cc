#include "netns.h"

#include <fcntl.h>
#include <sched.h>

#include <exception>
#include <thread>

#include "errors.h"
#include "fd.h"

namespace sluice {

void in_namespace(const std::string &path, const std::function<void()> &work) {
    if (path.empty()) {
        work();
        return;
    }
    std::exception_ptr thrown;
    std::thread([&] {
        try {
            const Fd netns = Fd::from(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK), "open netns");
            check(::setns(netns.number(), CLONE_NEWNET), "setns");
            work();
        } catch (...) {
            thrown = std::current_exception();
        }
    }).join();
    if (thrown)
        std::rethrow_exception(thrown);
}

} // namespace sluice
