// Links: what attaches a program to a hook of a device. While a link is pinned, closing its handle detaches nothing;
// the kernel detaches an unpinned link when its last descriptor closes.
#pragma once

#include "fd.h"
#include "handle.h"

namespace sluice {

class LinkHandle : public Handle<LinkHandle, Fd> {
  public:
    static constexpr HandleKind kind = kLink;
    static constexpr napi_type_tag tag = tag_of(kLink);
    static constexpr const char *name = "BpfLink";
    using Handle::Handle;
    static std::vector<Descriptor> methods();

  private:
    Napi::Value info(const Arguments &arguments);
    Napi::Value pin(const Arguments &arguments);
    Napi::Value update(const Arguments &arguments);
    Napi::Value detach(const Arguments &arguments);
};

// attachXdp(program, ifindex, flags, netns)
Napi::Value attach_xdp(const Arguments &arguments);
// attachEgress(program, ifindex, netns): tcx, from Linux 6.6 on; EINVAL before
Napi::Value attach_egress(const Arguments &arguments);

} // namespace sluice
