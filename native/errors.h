// What can go wrong in the kernel, on its way to JavaScript. Numbers and names only; sentences are made in TypeScript.
#pragma once

#include <napi.h>

#include <cerrno>
#include <cstdint>
#include <new>
#include <string>
#include <system_error>

namespace sluice {

// A failed system call. Thrown anywhere, also on other threads; becomes an Error in `to_error`.
struct Failure {
    int code;                    // errno, or a libbpf code of 4000 and up
    std::string operation;       // the call, such as "bpf_map_create"
    std::string text = {};       // what libbpf printed meanwhile
    std::string log = {};        // the verifier's log
    std::string program = {};    // the program the log is about
    std::int64_t written = -1;   // entries a batch wrote before it failed, -1: not a batch
    const char *state = nullptr; // "closed" or "busy" where the handle refused, not the kernel
};

[[noreturn]] inline void fail(const char *operation, int code) {
    throw Failure{code, operation};
}

// Takes the result of a call that returns -1 with errno set, or a negative code (both kinds exist in libbpf 1.x, which
// always sets errno as well).
inline int check(int result, const char *operation) {
    if (result < 0)
        fail(operation, errno);
    return result;
}

Napi::Error to_error(Napi::Env env, const Failure &failure);

// Turns whatever C++ code throws into a Failure, so that nothing but Napi::Error crosses into node.
template <class Work> auto translated(Work &&work) -> decltype(work()) {
    try {
        return work();
    } catch (const std::bad_alloc &) {
        fail("allocate", ENOMEM);
    } catch (const std::length_error &) {
        fail("allocate", ENOMEM);
    } catch (const std::system_error &error) {
        fail("thread", error.code().value());
    }
}

// Runs the body of a function called from JavaScript.
template <class Work> Napi::Value guarded(Napi::Env env, Work &&work) {
    try {
        return translated(work);
    } catch (const Failure &failure) {
        throw to_error(env, failure);
    }
}

// Collects what libbpf prints on this thread while it lives. The callback itself is process-wide and installed once.
class PrintSink {
  public:
    PrintSink();
    ~PrintSink();
    PrintSink(const PrintSink &) = delete;
    PrintSink &operator=(const PrintSink &) = delete;
    std::string text;

  private:
    PrintSink *outer_;
};

} // namespace sluice
