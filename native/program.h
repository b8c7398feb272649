// Loaded BPF programs.
#pragma once

#include "fd.h"
#include "handle.h"

namespace sluice {

class ProgramHandle : public Handle<ProgramHandle, Fd> {
  public:
    static constexpr HandleKind kind = kProgram;
    static constexpr napi_type_tag tag = tag_of(kProgram);
    static constexpr const char *name = "BpfProgram";
    using Handle::Handle;
    static std::vector<Descriptor> methods();

  private:
    Napi::Value info(const Arguments &arguments);
    Napi::Value pin(const Arguments &arguments);
    // run.cc
    Napi::Value test_run(const Arguments &arguments);
    Napi::Value test_run_batch(const Arguments &arguments);
    Napi::Value inject_live(const Arguments &arguments);
};

// programInfo(id): null where it is gone
Napi::Value program_info(const Arguments &arguments);

} // namespace sluice
