#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "base/strings.h"
#include "formats/json.h"

namespace akin::formats {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // The limit of the reference reader.
constexpr size_t kLengthBytes = 8;
constexpr size_t kMaxRank = 16;
constexpr size_t kMaxNameBytes = 1024;

struct DtypeSize {
  std::string_view dtype;
  uint64_t bits;
};
constexpr DtypeSize kDtypes[] = {{"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8},
                                 {"F8_E4M3", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},
                                 {"BF16", 16},   {"I32", 32}, {"U32", 32}, {"F32", 32},
                                 {"F64", 64},    {"I64", 64}, {"U64", 64}};

bool StartsWith(std::span<const std::byte> file, std::string_view text) {
  return file.size() >= text.size() && std::memcmp(file.data(), text.data(), text.size()) == 0;
}

// What people find in place of weights, told by its first bytes.
std::string_view OtherKindOfFile(std::span<const std::byte> file) {
  if (StartsWith(file, "version https://git-lfs")) {
    return "; it is a Git LFS pointer, not the weights: fetch them with `git lfs pull`";
  }
  if (StartsWith(file, "<")) return "; it looks like a web page, saved in place of the weights";
  if (StartsWith(file, "PK\x03\x04")) return "; it looks like a zip file or a PyTorch pickle";
  return "";
}

uint64_t ReadLength(std::span<const std::byte> file) {
  uint64_t length = 0;
  for (size_t i = kLengthBytes; i-- > 0;) length = length << 8 | std::to_integer<uint64_t>(file[i]);
  return length;
}

Result<std::string_view> HeaderText(std::span<const std::byte> file, const std::string& name) {
  if (file.size() < kLengthBytes) {
    return InvalidModel(name, ": has ", file.size(),
                        " bytes, a safetensors file begins with a length of ", kLengthBytes,
                        OtherKindOfFile(file));
  }
  const uint64_t length = ReadLength(file);
  if (length > kMaxHeaderBytes || length > file.size() - kLengthBytes) {
    return InvalidModel(name, ": header length ", length, " is more than the file holds (",
                        file.size() - kLengthBytes, " bytes) or than the limit of ",
                        kMaxHeaderBytes, OtherKindOfFile(file));
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  if (!text.starts_with('{')) {
    return InvalidModel(name, ": the header does not begin with '{'", OtherKindOfFile(file));
  }
  return text;
}

// shape and dtype -> bytes; nothing when the product has no 64-bit number.
std::optional<uint64_t> NumBytes(std::span<const int64_t> shape, uint64_t bits) {
  uint64_t elements = 1;
  for (const int64_t dim : shape) {
    if (__builtin_mul_overflow(elements, static_cast<uint64_t>(dim), &elements))
      return std::nullopt;
  }
  uint64_t total_bits = 0;
  if (__builtin_mul_overflow(elements, bits, &total_bits)) return std::nullopt;
  return total_bits / 8;
}

Result<std::vector<int64_t>> ReadShape(JsonValue tensor) {
  AKIN_TRY_ASSIGN(const JsonValue value, tensor.Get("shape"));
  AKIN_TRY_ASSIGN(const auto dims, value.AsArray());
  if (value.size() > kMaxRank) {
    return InvalidModel(value.Where(), " has ", value.size(), " dimensions, at most ", kMaxRank,
                        " are allowed");
  }
  std::vector<int64_t> shape;
  for (const JsonValue dim : dims) {
    AKIN_TRY_ASSIGN(const int64_t size, dim.AsIntIn(0, INT64_MAX));
    shape.push_back(size);
  }
  return shape;
}

struct Range {
  uint64_t begin, end;
};

Result<Range> ReadOffsets(JsonValue tensor, uint64_t data_bytes) {
  AKIN_TRY_ASSIGN(const JsonValue value, tensor.Get("data_offsets"));
  AKIN_TRY_ASSIGN(const auto elements, value.AsArray());
  if (value.size() != 2) {
    return InvalidModel(value.Where(), " has ", value.size(),
                        " elements, expected a begin and an end");
  }
  uint64_t offsets[2];
  size_t i = 0;
  for (const JsonValue element : elements) {
    AKIN_TRY_ASSIGN(const int64_t offset, element.AsIntIn(0, INT64_MAX));
    offsets[i++] = static_cast<uint64_t>(offset);
  }
  if (offsets[0] > offsets[1] || offsets[1] > data_bytes) {
    return InvalidModel(value.Where(), " is [", offsets[0], ", ", offsets[1], "], the data has ",
                        data_bytes, " bytes");
  }
  return Range{offsets[0], offsets[1]};
}

Result<SafetensorsEntry> ReadEntry(JsonValue tensor, std::span<const std::byte> data) {
  AKIN_TRY(tensor.AsObject());
  SafetensorsEntry entry;
  entry.name = std::string(tensor.key());
  if (entry.name.size() > kMaxNameBytes) {
    return InvalidModel(tensor.Where(), ": a tensor's name has ", entry.name.size(),
                        " bytes, at most ", kMaxNameBytes, " are allowed");
  }
  if (entry.name.find('\0') != std::string::npos) {
    return InvalidModel(tensor.Where(), ": a tensor's name holds a NUL character");
  }
  AKIN_TRY_ASSIGN(const JsonValue dtype, tensor.Get("dtype"));
  AKIN_TRY_ASSIGN(const std::string_view dtype_name, dtype.AsString());
  entry.dtype = std::string(dtype_name);
  const auto known = std::ranges::find(kDtypes, dtype_name, &DtypeSize::dtype);
  if (known == std::end(kDtypes))
    return UnsupportedModel(dtype.Where(), " is ", dtype.Found(), ", an unknown type");
  AKIN_TRY_ASSIGN(entry.shape, ReadShape(tensor));
  AKIN_TRY_ASSIGN(const Range range, ReadOffsets(tensor, data.size()));
  const std::optional<uint64_t> expected = NumBytes(entry.shape, known->bits);
  if (expected != range.end - range.begin) {
    return InvalidModel(tensor.Where(), ": data_offsets hold ", range.end - range.begin,
                        " bytes, shape and dtype ask for ",
                        expected ? StrCat(*expected) : "more than 2^64");
  }
  entry.bytes = data.subspan(range.begin, range.end - range.begin);
  return entry;
}

// Metadata maps strings to strings; nothing of it is used.
Status CheckMetadata(JsonValue metadata) {
  AKIN_TRY_ASSIGN(const auto members, metadata.AsObject());
  for (const JsonValue member : members) AKIN_TRY(member.AsString());
  return {};
}

// Sorted by place, each tensor begins where the one before it ends, and the last one ends with the
// file.
Status CheckCoverage(const std::vector<SafetensorsEntry>& entries, std::span<const std::byte> data,
                     const std::string& name) {
  std::vector<const SafetensorsEntry*> sorted;
  for (const SafetensorsEntry& entry : entries) sorted.push_back(&entry);
  std::ranges::sort(sorted, [](const auto* a, const auto* b) {
    return a->bytes.data() != b->bytes.data() ? a->bytes.data() < b->bytes.data()
                                              : a->bytes.size() < b->bytes.size();
  });
  const std::byte* next = data.data();
  for (const SafetensorsEntry* entry : sorted) {
    if (entry->bytes.data() != next) {
      return InvalidModel(name, ": tensor '", entry->name, "' begins at byte ",
                          entry->bytes.data() - data.data(),
                          " of the data, the one before it ends at ", next - data.data());
    }
    next += entry->bytes.size();
  }
  if (const auto rest = data.data() + data.size() - next; rest != 0) {
    return InvalidModel(name, ": ", rest, " bytes after the last tensor belong to none");
  }
  return {};
}

}  // namespace

Result<std::vector<SafetensorsEntry>> ParseSafetensors(std::span<const std::byte> file,
                                                       const std::string& name) {
  AKIN_TRY_ASSIGN(const std::string_view text, HeaderText(file, name));
  AKIN_TRY_ASSIGN(const JsonDocument document,
                  JsonDocument::Parse(text, name, {.max_bytes = kMaxHeaderBytes}));
  const std::span<const std::byte> data = file.subspan(kLengthBytes + text.size());
  AKIN_TRY_ASSIGN(const auto members, document.root().AsObject());

  std::vector<SafetensorsEntry> entries;
  std::unordered_set<std::string_view> names;
  for (const JsonValue member : members) {
    // One name twice is two models in one file: readers would disagree on which one counts.
    if (!names.insert(member.key()).second) {
      return InvalidModel(name, ": tensor '", member.key(), "' is there twice");
    }
    if (member.key() == "__metadata__") {
      AKIN_TRY(CheckMetadata(member));
      continue;
    }
    AKIN_TRY_ASSIGN(SafetensorsEntry entry, ReadEntry(member, data));
    entries.push_back(std::move(entry));
  }
  AKIN_TRY(CheckCoverage(entries, data, name));
  return entries;
}

}  // namespace akin::formats
