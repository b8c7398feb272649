#include "errors.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace sluice {

namespace {

thread_local PrintSink *current_sink = nullptr;
constexpr std::size_t kMaxText = 64 * 1024;

int print_to_sink(enum libbpf_print_level level, const char *format, va_list arguments) {
    if (level == LIBBPF_DEBUG || current_sink == nullptr || current_sink->text.size() > kMaxText)
        return 0;
    char line[2048];
    const int length = std::vsnprintf(line, sizeof(line), format, arguments);
    try {
        if (length > 0)
            current_sink->text.append(line);
    } catch (const std::bad_alloc &) {
        return 0; // an exception must not pass through libbpf's C frames
    }
    return length;
}

} // namespace

PrintSink::PrintSink() : outer_(current_sink) {
    static std::once_flag installed;
    std::call_once(installed, [] { libbpf_set_print(print_to_sink); });
    current_sink = this;
}

PrintSink::~PrintSink() {
    current_sink = outer_;
}

Napi::Error to_error(Napi::Env env, const Failure &failure) {
    Napi::Error error = Napi::Error::New(env, failure.operation);
    Napi::Object object = error.Value();
    object.Set("errno", Napi::Number::New(env, failure.code));
    object.Set("operation", failure.operation);
    if (!failure.text.empty())
        object.Set("text", failure.text);
    if (!failure.log.empty())
        object.Set("log", failure.log);
    if (!failure.program.empty())
        object.Set("program", failure.program);
    if (failure.written >= 0)
        object.Set("written", Napi::Number::New(env, static_cast<double>(failure.written)));
    if (failure.state != nullptr)
        object.Set("state", failure.state);
    return error;
}

} // namespace sluice
