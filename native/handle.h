// Handles: JavaScript objects that own a resource. The resource is shared with work in flight, so closing a busy handle
// is safe: the resource goes when the work ends. Closing twice is fine, collecting closes, use after close fails.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "args.h"
#include "errors.h"

namespace sluice {

enum HandleKind { kObject, kMap, kRegion, kProgram, kLink, kLock, kRing, kHandleKinds };

// What one environment (the main thread, a worker) keeps of its own; nothing is shared between environments.
struct Environment {
    Napi::FunctionReference constructors[kHandleKinds];
    // The resource of the handle under construction. Constructors are reachable from JavaScript (`handle.constructor`);
    // without a pending resource they refuse.
    std::shared_ptr<void> pending;
    int pending_kind = -1;
};

constexpr napi_type_tag tag_of(HandleKind kind) {
    return {0x736c756963652d68ull, 0x616e646c652d3000ull + static_cast<std::uint64_t>(kind)};
}

template <class Self, class Resource> class Handle : public Napi::ObjectWrap<Self> {
  public:
    explicit Handle(const Napi::CallbackInfo &info) : Napi::ObjectWrap<Self>(info) {
        Environment *environment = info.Env().template GetInstanceData<Environment>();
        if (environment->pending_kind != Self::kind)
            throw Napi::TypeError::New(info.Env(), std::string(Self::name) + " cannot be constructed");
        environment->pending_kind = -1;
        resource_ = std::static_pointer_cast<Resource>(std::move(environment->pending));
        environment->pending.reset();
        info.This().template As<Napi::Object>().TypeTag(&Self::tag);
    }

    static Napi::Value wrap(Napi::Env env, std::shared_ptr<Resource> resource) {
        Environment *environment = env.GetInstanceData<Environment>();
        environment->pending = std::move(resource);
        environment->pending_kind = Self::kind;
        return environment->constructors[Self::kind].New({});
    }

    static void define(Napi::Env env) {
        auto methods = Self::methods();
        methods.push_back(method<&Handle::close>("close"));
        env.GetInstanceData<Environment>()->constructors[Self::kind] =
            Napi::Persistent(Self::DefineClass(env, Self::name, methods));
    }

    // The resource, for this call and whatever it starts.
    std::shared_ptr<Resource> resource() const {
        if (!resource_)
            throw Failure{EBADF, Self::name, {}, {}, {}, -1, "closed"};
        return resource_;
    }

    // Called before the handle lets go of the resource; a handle whose work can wait for long hides this one.
    static void closing(Resource &) {}

  protected:
    using Descriptor = Napi::ClassPropertyDescriptor<Self>;

    template <auto body> static Descriptor method(const char *name) {
        using Callback = Napi::Value (Self::*)(const Napi::CallbackInfo &);
        return Napi::ObjectWrap<Self>::InstanceMethod(name, static_cast<Callback>(&Handle::template call<body>));
    }

  private:
    template <auto body> Napi::Value call(const Napi::CallbackInfo &info) {
        return guarded(info.Env(), [&] { return (static_cast<Self *>(this)->*body)(Arguments(info)); });
    }

    Napi::Value close(const Arguments &arguments) {
        if (resource_)
            Self::closing(*resource_);
        resource_.reset();
        return arguments.env().Undefined();
    }

    std::shared_ptr<Resource> resource_;
};

} // namespace sluice
