#include "object.h"

#include <algorithm>
#include <cstring>

#include "map.h"
#include "program.h"
#include "task.h"

namespace sluice {

namespace {

constexpr std::uint32_t kLogStatistics = 4;
constexpr std::uint32_t kLogTrace = 1;
constexpr std::size_t kStatisticsSize = 64 * 1024;
constexpr std::size_t kTraceSize = 16 * 1024 * 1024;

} // namespace

ObjectResource::ObjectResource(std::vector<std::uint8_t> bytes, std::string name)
    : bytes_(std::move(bytes)), name_(std::move(name)) {
    open();
}

ObjectResource::~ObjectResource() {
    shut();
}

void ObjectResource::open() {
    prepare_for_constants();
    DECLARE_LIBBPF_OPTS(bpf_object_open_opts, options);
    options.object_name = name_.c_str();
    const PrintSink sink;
    object_ = bpf_object__open_mem(bytes_.data(), bytes_.size(), &options);
    if (object_ == nullptr)
        throw Failure{errno, "bpf_object__open_mem", sink.text};
    struct bpf_map *map = nullptr;
    while ((map = bpf_object__next_map(object_, map)) != nullptr)
        maps_[bpf_map__name(map)] = map;
    constants_ = constant_maps(object_);
}

void ObjectResource::shut() {
    const PrintSink quiet;
    maps_.clear();
    constants_ = {};
    bpf_object__close(object_);
    object_ = nullptr;
}

struct bpf_map *ObjectResource::map(const std::string &name) const {
    const auto found = maps_.find(name);
    // By name libbpf also finds ".rodata", which is prefixed with the name of the object.
    struct bpf_map *map = found != maps_.end() ? found->second : bpf_object__find_map_by_name(object_, name.c_str());
    if (map == nullptr)
        fail("bpf_object__find_map_by_name", ENOENT);
    return map;
}

struct bpf_program *ObjectResource::program(const std::string &name) const {
    struct bpf_program *program = bpf_object__find_program_by_name(object_, name.c_str());
    if (program == nullptr)
        fail("bpf_object__find_program_by_name", ENOENT);
    return program;
}

void ObjectResource::apply(Setting setting) {
    // After a load, successful or not, libbpf refuses or ignores settings.
    if (spent_)
        fail("bpf_object__load", EALREADY);
    const PrintSink quiet;
    setting(*this);
    settings_.push_back(std::move(setting));
}

int ObjectResource::attempt(std::uint32_t level, std::size_t log_size, std::string &text) {
    struct Buffer {
        bpf_program *program;
        std::unique_ptr<char[]> text;
    };
    std::vector<Buffer> buffers;
    bpf_program *program = nullptr;
    while ((program = bpf_object__next_program(object_, program)) != nullptr) {
        if (!bpf_program__autoload(program))
            continue;
        buffers.push_back({program, std::unique_ptr<char[]>(new char[log_size])});
        char *buffer = buffers.back().text.get();
        buffer[0] = '\0';
        bpf_program__set_log_buf(program, buffer, log_size);
        bpf_program__set_log_level(program, level);
    }
    PrintSink sink;
    const WritingConstants writing(constants_);
    const int code = bpf_object__load(object_) < 0 ? errno : 0;
    text = sink.text;
    logs_.clear();
    for (const Buffer &buffer : buffers) {
        bpf_program__set_log_buf(buffer.program, nullptr, 0);
        const std::size_t length = strnlen(buffer.text.get(), log_size);
        if (length > 0)
            logs_.push_back({bpf_program__name(buffer.program), std::string(buffer.text.get(), length)});
    }
    return code;
}

void ObjectResource::load() {
    if (spent_)
        fail("bpf_object__load", EALREADY);
    spent_ = true;
    std::string text;
    const int code = attempt(kLogStatistics, kStatisticsSize, text);
    if (code == 0) {
        loaded_ = true;
        return;
    }
    if (logs_.empty())
        throw Failure{code, "bpf_object__load", text};
    // Programs load in order: the last one that has a log is the one refused. Load it alone, for its whole trace. The
    // error is that of the first attempt, since a log that overflows changes the second.
    const Log refused = logs_.back();
    shut();
    open();
    for (const Setting &setting : settings_)
        setting(*this);
    bpf_program *program = nullptr;
    while ((program = bpf_object__next_program(object_, program)) != nullptr)
        bpf_program__set_autoload(program, refused.program == bpf_program__name(program));
    std::string unused;
    attempt(kLogTrace, kTraceSize, unused);
    const std::string log = logs_.empty() ? refused.text : logs_.back().text;
    logs_.clear();
    throw Failure{code, "bpf_object__load", text, log, refused.program};
}

std::vector<ObjectHandle::Descriptor> ObjectHandle::methods() {
    return {method<&ObjectHandle::set_rodata>("setRodata"),
            method<&ObjectHandle::set_map>("setMap"),
            method<&ObjectHandle::set_programs>("setPrograms"),
            method<&ObjectHandle::load>("load"),
            method<&ObjectHandle::map>("map"),
            method<&ObjectHandle::program>("program"),
            method<&ObjectHandle::logs>("logs")};
}

std::shared_ptr<ObjectResource> ObjectHandle::idle() const {
    auto object = resource();
    if (object->busy)
        throw Failure{EBUSY, name, {}, {}, {}, -1, "busy"};
    return object;
}

Napi::Value ObjectHandle::set_rodata(const Arguments &arguments) {
    const auto object = idle();
    const std::size_t offset = arguments.word(0, "offset");
    const Bytes bytes = arguments.bytes(1, "bytes");
    std::size_t size = 0;
    bpf_map__initial_value(object->map(".rodata"), &size);
    arguments.require(offset + bytes.length <= size, "offset and bytes", "reach past the end of the read-only data");
    object->apply([offset, copy = bytes.copy()](ObjectResource &target) {
        std::size_t length = 0;
        // libbpf hands the data out as const; writing it before the load is what its skeletons do.
        void *data = const_cast<void *>(bpf_map__initial_value(target.map(".rodata"), &length));
        if (data == nullptr || offset + copy.size() > length)
            fail("bpf_map__initial_value", EINVAL);
        if (!copy.empty())
            std::memcpy(static_cast<std::uint8_t *>(data) + offset, copy.data(), copy.size());
    });
    return arguments.env().Undefined();
}

// setMap(name, valueSize | null, maxEntries | null, reuse | null, create)
Napi::Value ObjectHandle::set_map(const Arguments &arguments) {
    const auto object = idle();
    const std::string name = arguments.text(0, "name");
    const bool sized = !arguments.absent(1), counted = !arguments.absent(2);
    const std::uint32_t value_size = sized ? arguments.word(1, "valueSize") : 0;
    const std::uint32_t max_entries = counted ? arguments.word(2, "maxEntries") : 0;
    std::shared_ptr<MapResource> reuse;
    if (!arguments.absent(3))
        reuse = arguments.handle<MapHandle>(3, "reuse").resource();
    const bool create = arguments.flag(4, "create");
    object->apply([=](ObjectResource &target) {
        struct bpf_map *map = target.map(name);
        if (sized)
            check(bpf_map__set_value_size(map, value_size), "bpf_map__set_value_size");
        if (counted)
            check(bpf_map__set_max_entries(map, max_entries), "bpf_map__set_max_entries");
        if (reuse)
            check(bpf_map__reuse_fd(map, reuse->fd.number()), "bpf_map__reuse_fd");
        check(bpf_map__set_autocreate(map, create), "bpf_map__set_autocreate");
    });
    return arguments.env().Undefined();
}

Napi::Value ObjectHandle::set_programs(const Arguments &arguments) {
    // First: reading an array may run code of the caller's, which may load the object.
    const std::vector<std::string> names = arguments.texts(0, "names");
    const auto object = idle();
    object->apply([names](ObjectResource &target) {
        for (const std::string &name : names)
            target.program(name);
        bpf_program *program = nullptr;
        while ((program = bpf_object__next_program(target.get(), program)) != nullptr)
            bpf_program__set_autoload(program,
                                      std::find(names.begin(), names.end(), bpf_program__name(program)) != names.end());
    });
    return arguments.env().Undefined();
}

Napi::Value ObjectHandle::load(const Arguments &arguments) {
    const auto object = idle();
    const Napi::Value promise = Task<bool>::start(
        arguments.env(),
        [object] {
            object->load();
            return true;
        },
        [](Napi::Env env, bool &) { return env.Undefined(); }, [object] { object->busy = false; });
    object->busy = true;
    return promise;
}

Napi::Value ObjectHandle::map(const Arguments &arguments) {
    const auto object = idle();
    const std::string name = arguments.text(0, "name");
    if (!object->loaded())
        fail("bpf_map__fd", EINVAL);
    const int number = bpf_map__fd(object->map(name));
    if (number < 0)
        fail("bpf_map__fd", ENOENT);
    return MapHandle::wrap(arguments.env(), adopt_map(Fd::duplicate(number)));
}

Napi::Value ObjectHandle::program(const Arguments &arguments) {
    const auto object = idle();
    const std::string name = arguments.text(0, "name");
    if (!object->loaded())
        fail("bpf_program__fd", EINVAL);
    const int number = bpf_program__fd(object->program(name));
    if (number < 0)
        fail("bpf_program__fd", ENOENT);
    return ProgramHandle::wrap(arguments.env(), std::make_shared<Fd>(Fd::duplicate(number)));
}

Napi::Value ObjectHandle::logs(const Arguments &arguments) {
    const auto object = idle();
    Napi::Object out = Napi::Object::New(arguments.env());
    for (const ObjectResource::Log &log : object->logs())
        out.Set(log.program, log.text);
    return out;
}

Napi::Value open_object(const Arguments &arguments) {
    const Bytes bytes = arguments.bytes(0, "bytes");
    const std::string name = arguments.text(1, "name");
    return ObjectHandle::wrap(arguments.env(), std::make_shared<ObjectResource>(bytes.copy(), name));
}

} // namespace sluice
