// Time and memory of this process as the operating system counts them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace akin::cli {

// Since the process was started: before main, loading of the program included. As exact as the
// kernel's clock tick, usually 10 ms. None where the system does not say it.
std::optional<double> MillisecondsSinceProcessStart();

int64_t PeakMemoryBytes();

std::string UtcNow();  // "2026-11-23T16:44:19Z"

}  // namespace akin::cli
