#include "ethtool.h"

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>

#include "fd.h"
#include "netns.h"
#include "task.h"

namespace sluice {

namespace {

// What was asked; left out where the driver does not say it.
struct Settings {
    std::string driver;
    std::optional<std::uint32_t> flags;
    std::optional<std::uint32_t> queues;
    std::optional<std::uint32_t> most;
};

// False where the driver knows no such question.
bool ask(int socket, const std::string &name, void *request, const char *operation) {
    ifreq device = {};
    std::memcpy(device.ifr_name, name.c_str(), name.size());
    device.ifr_data = static_cast<char *>(request);
    if (::ioctl(socket, SIOCETHTOOL, &device) == 0)
        return true;
    if (errno != EOPNOTSUPP)
        fail(operation, errno);
    return false;
}

} // namespace

// Driver, flags (ETH_FLAG_*: LRO, VLAN tags taken off) and queues that receive: how many do, and may.
Napi::Value device_settings(const Arguments &arguments) {
    const std::string name = arguments.text(0, "name", false);
    const std::string netns = arguments.text(1, "netns", true);
    arguments.require(!name.empty() && name.size() < IFNAMSIZ, "name", "is no name of an interface");
    return Task<Settings>::start(
        arguments.env(),
        [name, netns] {
            Settings found;
            in_namespace(netns, [&] {
                const Fd socket = Fd::from(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
                ethtool_drvinfo driver = {};
                driver.cmd = ETHTOOL_GDRVINFO;
                if (ask(socket.number(), name, &driver, "ETHTOOL_GDRVINFO"))
                    found.driver.assign(driver.driver, ::strnlen(driver.driver, sizeof(driver.driver)));
                ethtool_value flags = {};
                flags.cmd = ETHTOOL_GFLAGS;
                if (ask(socket.number(), name, &flags, "ETHTOOL_GFLAGS"))
                    found.flags = flags.data;
                ethtool_channels channels = {};
                channels.cmd = ETHTOOL_GCHANNELS;
                if (ask(socket.number(), name, &channels, "ETHTOOL_GCHANNELS")) {
                    found.queues = channels.rx_count + channels.combined_count;
                    found.most = channels.max_rx + channels.max_combined;
                }
            });
            return found;
        },
        [](Napi::Env env, Settings &found) -> Napi::Value {
            const auto number = [env](const std::optional<std::uint32_t> &value) -> Napi::Value {
                if (!value)
                    return env.Null();
                return Napi::Number::New(env, *value);
            };
            Napi::Object out = Napi::Object::New(env);
            out["driver"] = Napi::String::New(env, found.driver);
            out["flags"] = number(found.flags);
            out["queues"] = number(found.queues);
            out["mostQueues"] = number(found.most);
            return out;
        });
}

} // namespace sluice
