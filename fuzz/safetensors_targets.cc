#include "fuzz/safetensors_targets.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "formats/safetensors.h"

namespace akin::fuzz {
namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

void ReadSafetensors(std::span<const std::byte> file) {
  auto entries = formats::ParseSafetensors(file, "m.safetensors");
  if (!entries) {
    const ErrorCode code = entries.error().code();
    return Check(code == ErrorCode::kInvalidModel || code == ErrorCode::kUnsupportedModel);
  }
  // In the order of their places they are the end of the file, one behind the other.
  std::ranges::sort(*entries, {}, [](const auto& entry) {
    return std::pair(entry.bytes.data(), entry.bytes.size());
  });
  const std::byte* const end = file.data() + file.size();
  const std::byte* next = nullptr;
  for (const formats::SafetensorsEntry& entry : *entries) {
    Check(!entry.dtype.empty());
    for (const int64_t size : entry.shape) Check(size >= 0);
    Check(entry.bytes.data() >= file.data() && entry.bytes.data() + entry.bytes.size() <= end);
    Check(next == nullptr || entry.bytes.data() == next);
    next = entry.bytes.data() + entry.bytes.size();
    size_t sum = 0;
    for (const std::byte byte : entry.bytes) sum += static_cast<size_t>(byte);
    Check(sum <= 255 * entry.bytes.size());  // So that every byte is read.
  }
  Check(next == nullptr || next == end);
}

}  // namespace akin::fuzz
