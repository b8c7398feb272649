// ELF objects with maps and programs, before and after loading.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "constants.h"
#include "handle.h"

namespace sluice {

// libbpf can load an object once. To get the verifier's whole trace after a failure it is opened again from the kept
// bytes, and the settings made so far are repeated.
class ObjectResource {
  public:
    using Setting = std::function<void(ObjectResource &)>;

    ObjectResource(std::vector<std::uint8_t> bytes, std::string name);
    ~ObjectResource();

    void apply(Setting setting);
    void load();
    bpf_object *get() const {
        return object_;
    }
    // A map by the name it has in the object: libbpf renames one that is replaced by an existing map.
    struct bpf_map *map(const std::string &name) const;
    struct bpf_program *program(const std::string &name) const;

    bool loaded() const {
        return loaded_;
    }
    // Set until the promise of `load` settles; read and written on the main thread only.
    bool busy = false;
    struct Log {
        std::string program;
        std::string text;
    };
    // The verifier's statistics of every loaded program.
    const std::vector<Log> &logs() const {
        return logs_;
    }

  private:
    void open();
    void shut();
    // One attempt with the given log; returns 0 or the errno.
    int attempt(std::uint32_t level, std::size_t log_size, std::string &text);

    std::vector<std::uint8_t> bytes_;
    std::string name_;
    std::vector<Setting> settings_;
    bpf_object *object_ = nullptr;
    std::map<std::string, struct bpf_map *> maps_;
    ConstantMaps constants_;
    bool loaded_ = false;
    bool spent_ = false;
    std::vector<Log> logs_;
};

class ObjectHandle : public Handle<ObjectHandle, ObjectResource> {
  public:
    static constexpr HandleKind kind = kObject;
    static constexpr napi_type_tag tag = tag_of(kObject);
    static constexpr const char *name = "BpfObject";
    using Handle::Handle;
    static std::vector<Descriptor> methods();

  private:
    // The object, refused while it is being loaded.
    std::shared_ptr<ObjectResource> idle() const;
    Napi::Value set_rodata(const Arguments &arguments);
    Napi::Value set_map(const Arguments &arguments);
    Napi::Value set_programs(const Arguments &arguments);
    Napi::Value load(const Arguments &arguments);
    Napi::Value map(const Arguments &arguments);
    Napi::Value program(const Arguments &arguments);
    Napi::Value logs(const Arguments &arguments);
};

// openObject(bytes, name)
Napi::Value open_object(const Arguments &arguments);

} // namespace sluice
