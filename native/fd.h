// A file descriptor with one owner. Handles and the work they started share it; the last one closes it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "errors.h"

namespace sluice {

class Fd {
  public:
    explicit Fd(int number = -1) : number_(number) {}
    Fd(Fd &&other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Fd &operator=(Fd &&other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    Fd(const Fd &) = delete;
    Fd &operator=(const Fd &) = delete;
    ~Fd() {
        if (number_ >= 0)
            ::close(number_);
    }
    int number() const {
        return number_;
    }

    // The descriptor `number`, or the failure it stands for.
    static Fd from(int number, const char *operation) {
        return Fd(check(number, operation));
    }
    static Fd duplicate(int number) {
        return from(::fcntl(number, F_DUPFD_CLOEXEC, 0), "fcntl");
    }

  private:
    int number_;
};

} // namespace sluice
