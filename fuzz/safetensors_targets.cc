#include "fuzz/safetensors_targets.h"

#include <algorithm>
#include <utility>

#include "formats/safetensors.h"
#include "fuzz/support.h"

namespace akin::fuzz {

void ReadSafetensors(std::span<const std::byte> file) {
  auto entries = formats::ParseSafetensors(file, "m.safetensors");
  if (!entries) {
    const ErrorCode code = entries.error().code();
    return Require(code == ErrorCode::kInvalidModel || code == ErrorCode::kUnsupportedModel);
  }
  // In the order of their places they are the end of the file, one behind the other.
  std::ranges::sort(*entries, {}, [](const auto& entry) {
    return std::pair(entry.bytes.data(), entry.bytes.size());
  });
  const std::byte* const end = file.data() + file.size();
  const std::byte* next = nullptr;
  for (const formats::SafetensorsEntry& entry : *entries) {
    Require(!entry.dtype.empty());
    for (const int64_t size : entry.shape) Require(size >= 0);
    Require(entry.bytes.data() >= file.data() && entry.bytes.data() + entry.bytes.size() <= end);
    Require(next == nullptr || entry.bytes.data() == next);
    next = entry.bytes.data() + entry.bytes.size();
    size_t sum = 0;
    for (const std::byte byte : entry.bytes) sum += static_cast<size_t>(byte);
    Require(sum <= 255 * entry.bytes.size());  // So that every byte is read.
  }
  Require(next == nullptr || next == end);
}

}  // namespace akin::fuzz
