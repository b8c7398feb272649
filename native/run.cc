// BPF_PROG_TEST_RUN: single frames, batches, and live frames.
#include <bpf/bpf.h>
#include <signal.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "netns.h"
#include "program.h"
#include "region.h"
#include "task.h"

namespace sluice {

namespace {

constexpr int kMaxInterrupts = 100;
constexpr std::size_t kOutputRoom = 4096; // a program may grow a frame into its head and tail room
constexpr std::size_t kLeastFrame = 14;

struct Run {
    std::uint32_t returned = 0;
    std::uint32_t duration = 0;
    std::optional<std::vector<std::uint8_t>> output;
};

struct Batch {
    std::vector<std::uint32_t> returned;
    std::vector<std::uint8_t> records;
};

// A signal for the process ends a run with EINTR; keep them off this thread meanwhile.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() {
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

  private:
    sigset_t before_;
};

// The kernel takes the end of the linear part and the device from a context; without either none is needed.
xdp_md context_of(std::int64_t linear, std::size_t length, std::uint32_t ifindex) {
    xdp_md context = {};
    context.data_end = static_cast<__u32>(linear < 0 ? length : linear);
    context.ingress_ifindex = ifindex;
    return context;
}

// Interrupted all the same (the kernel also notifies threads for work of its own): runs again, a bounded number of
// times.
void run_once(int fd, bpf_test_run_opts &options) {
    for (int interrupts = 0;; interrupts++) {
        const std::uint32_t room = options.data_size_out;
        if (bpf_prog_test_run_opts(fd, &options) == 0)
            return;
        if (errno != EINTR || interrupts >= kMaxInterrupts)
            fail("bpf_prog_test_run", errno);
        options.data_size_out = room;
    }
}

} // namespace

// testRun(frame, repeat, linear | null, ingressIfindex, netns, withOutput)
Napi::Value ProgramHandle::test_run(const Arguments &arguments) {
    const auto program = resource();
    const Bytes frame = arguments.bytes(0, "frame");
    arguments.require(frame.length >= kLeastFrame, "frame", "is shorter than 14 bytes");
    const int repeat = static_cast<int>(arguments.number(1, "repeat", 1, INT32_MAX));
    const std::int64_t linear =
        arguments.absent(2) ? -1 : static_cast<std::int64_t>(arguments.number(2, "linear", 0, frame.length));
    const std::uint32_t ifindex = arguments.word(3, "ingressIfindex");
    const std::string netns = arguments.text(4, "netns", true);
    const bool with_output = arguments.flag(5, "withOutput");
    return Task<Run>::start(
        arguments.env(),
        [=, frame = frame.copy()] {
            Run run;
            std::vector<std::uint8_t> output(with_output ? frame.size() + kOutputRoom : 0);
            xdp_md context = context_of(linear, frame.size(), ifindex);
            DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options);
            options.data_in = frame.data();
            options.data_size_in = static_cast<__u32>(frame.size());
            options.repeat = repeat;
            if (with_output) {
                options.data_out = output.data();
                options.data_size_out = static_cast<__u32>(output.size());
            }
            if (linear >= 0 || ifindex != 0) {
                options.ctx_in = &context;
                options.ctx_size_in = sizeof(context);
            }
            in_namespace(netns, [&] {
                const SignalsBlocked blocked;
                run_once(program->number(), options);
            });
            run.returned = options.retval;
            run.duration = options.duration;
            if (with_output) {
                output.resize(std::min<std::size_t>(options.data_size_out, output.size()));
                run.output = std::move(output);
            }
            return run;
        },
        [](Napi::Env env, Run &run) -> Napi::Value {
            Napi::Object out = Napi::Object::New(env);
            out.Set("returnValue", run.returned);
            out.Set("durationNs", run.duration);
            if (run.output)
                out.Set("output", to_bytes(env, run.output->data(), run.output->size()));
            return out;
        });
}

// testRunBatch(frames, lengths, linear | null, results | null, record, ingressIfindex, netns)
Napi::Value ProgramHandle::test_run_batch(const Arguments &arguments) {
    const auto program = resource();
    const Bytes frames = arguments.bytes(0, "frames");
    const std::vector<std::uint32_t> lengths = arguments.words(1, "lengths");
    std::vector<std::int32_t> linear;
    if (!arguments.absent(2))
        linear = arguments.integers(2, "linear");
    std::shared_ptr<Mapping> results;
    if (!arguments.absent(3))
        results = arguments.handle<RegionHandle>(3, "results").resource();
    const std::size_t record = arguments.word(4, "record");
    const std::uint32_t ifindex = arguments.word(5, "ingressIfindex");
    const std::string netns = arguments.text(6, "netns", true);

    std::uint64_t total = 0;
    for (const std::uint32_t length : lengths) {
        arguments.require(length >= kLeastFrame, "lengths", "holds a frame shorter than 14 bytes");
        total += length;
    }
    arguments.require(total == frames.length, "lengths", "do not add up to the length of frames");
    arguments.require(linear.empty() || linear.size() == lengths.size(), "linear", "is not as long as lengths");
    for (std::size_t i = 0; i < linear.size(); i++)
        arguments.require(linear[i] <= static_cast<std::int64_t>(lengths[i]), "linear", "is longer than its frame");
    arguments.require(record <= (results ? results->size : 0), "record", "is longer than results");

    return Task<Batch>::start(
        arguments.env(),
        [=, frames = frames.copy()] {
            Batch batch;
            batch.returned.resize(lengths.size());
            batch.records.resize(lengths.size() * record);
            in_namespace(netns, [&] {
                const SignalsBlocked blocked;
                const std::uint8_t *frame = frames.data();
                for (std::size_t i = 0; i < lengths.size(); i++) {
                    const std::int64_t split = linear.empty() ? -1 : linear[i];
                    xdp_md context = context_of(split, lengths[i], ifindex);
                    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options);
                    options.data_in = frame;
                    options.data_size_in = lengths[i];
                    options.repeat = 1;
                    if (split >= 0 || ifindex != 0) {
                        options.ctx_in = &context;
                        options.ctx_size_in = sizeof(context);
                    }
                    run_once(program->number(), options);
                    batch.returned[i] = options.retval;
                    if (record > 0)
                        std::memcpy(batch.records.data() + i * record, results->at(0), record);
                    frame += lengths[i];
                }
            });
            return batch;
        },
        [](Napi::Env env, Batch &batch) -> Napi::Value {
            Napi::Uint32Array returned = Napi::Uint32Array::New(env, batch.returned.size());
            if (!batch.returned.empty())
                std::memcpy(returned.Data(), batch.returned.data(), batch.returned.size() * sizeof(std::uint32_t));
            Napi::Object out = Napi::Object::New(env);
            out.Set("returnValues", returned);
            out.Set("records", to_bytes(env, batch.records.data(), batch.records.size()));
            return out;
        });
}

// injectLive(frame, count, batch, ingressIfindex, netns)
Napi::Value ProgramHandle::inject_live(const Arguments &arguments) {
    const auto program = resource();
    const Bytes frame = arguments.bytes(0, "frame");
    arguments.require(frame.length >= kLeastFrame, "frame", "is shorter than 14 bytes");
    const int count = static_cast<int>(arguments.number(1, "count", 1, INT32_MAX));
    const std::uint32_t batch = static_cast<std::uint32_t>(arguments.number(2, "batch", 1, 256));
    const std::uint32_t ifindex = static_cast<std::uint32_t>(arguments.number(3, "ingressIfindex", 1, INT32_MAX));
    const std::string netns = arguments.text(4, "netns", true);
    return Task<int>::start(
        arguments.env(),
        [=, frame = frame.copy()] {
            xdp_md context = context_of(-1, frame.size(), ifindex);
            DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options);
            options.data_in = frame.data();
            options.data_size_in = static_cast<__u32>(frame.size());
            options.ctx_in = &context;
            options.ctx_size_in = sizeof(context);
            options.repeat = count;
            options.batch_size = batch;
            options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
            in_namespace(netns, [&] {
                const SignalsBlocked blocked;
                // Not repeated when interrupted: nobody knows how many frames were sent.
                check(bpf_prog_test_run_opts(program->number(), &options), "bpf_prog_test_run");
            });
            return count;
        },
        [](Napi::Env env, int &sent) { return Napi::Number::New(env, sent); });
}

} // namespace sluice
