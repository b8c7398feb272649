// Doing something in another network namespace: on a short-lived thread that enters it; the process stays where it is.
#pragma once

#include <functional>
#include <string>

namespace sluice {

// Runs `work` in the namespace at `path` ("" for the one of the process) and passes on what it throws. Blocks.
void in_namespace(const std::string &path, const std::function<void()> &work);

} // namespace sluice
