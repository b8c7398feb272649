// Work on node's thread pool, with a promise for its result. The work owns what it needs; nothing of JavaScript is
// touched off the main thread.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "errors.h"

namespace sluice {

template <class Result> class Task {
  public:
    using Work = std::function<Result()>;
    using Give = std::function<Napi::Value(Napi::Env, Result &)>;

    using Settled = std::function<void()>;

    // Starts `work` on the pool; `give` makes the value of the promise, on the main thread. `settled` is called there
    // just before, however the work ended.
    static Napi::Value start(Napi::Env env, Work work, Give give, Settled settled = [] {}) {
        auto task = std::unique_ptr<Task>(new Task(std::move(work), std::move(give), std::move(settled)));
        napi_value promise = nullptr;
        napi_value name = Napi::String::New(env, "sluice");
        if (napi_create_async_work(env, nullptr, name, execute, complete, task.get(), &task->handle_) != napi_ok)
            throw Napi::Error::New(env);
        if (napi_create_promise(env, &task->deferred_, &promise) != napi_ok ||
            napi_queue_async_work(env, task->handle_) != napi_ok) {
            napi_delete_async_work(env, task->handle_);
            throw Napi::Error::New(env);
        }
        static_cast<void>(task.release()); // `complete` frees it
        return {env, promise};
    }

  private:
    Task(Work work, Give give, Settled settled)
        : work_(std::move(work)), give_(std::move(give)), settled_(std::move(settled)) {}

    static void execute(napi_env, void *data) {
        Task *task = static_cast<Task *>(data);
        try {
            task->result_.emplace(translated(task->work_));
        } catch (Failure &failure) {
            task->failure_ = std::move(failure);
        }
        task->work_ = nullptr; // lets go of resources here: closing the last descriptor of a link can take a while
    }

    static void complete(napi_env raw, napi_status, void *data) {
        std::unique_ptr<Task> task(static_cast<Task *>(data));
        Napi::Env env(raw);
        Napi::HandleScope scope(env);
        napi_delete_async_work(raw, task->handle_);
        task->settled_();
        // A worker thread that is being terminated still completes its work but runs no JavaScript: nobody to tell.
        napi_value probe = nullptr;
        void *unused = nullptr;
        if (napi_create_arraybuffer(raw, 0, &unused, &probe) != napi_ok)
            return;
        try {
            if (task->result_) {
                napi_resolve_deferred(raw, task->deferred_,
                                      guarded(env, [&] { return task->give_(env, *task->result_); }));
            } else if (task->failure_) {
                napi_reject_deferred(raw, task->deferred_, to_error(env, *task->failure_).Value());
            } else {
                napi_reject_deferred(raw, task->deferred_, to_error(env, Failure{ECANCELED, "cancelled"}).Value());
            }
        } catch (const Napi::Error &error) {
            napi_reject_deferred(raw, task->deferred_, error.Value());
        }
    }

    Work work_;
    Give give_;
    Settled settled_;
    std::optional<Result> result_;
    std::optional<Failure> failure_;
    napi_async_work handle_ = nullptr;
    napi_deferred deferred_ = nullptr;
};

} // namespace sluice
