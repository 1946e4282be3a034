#include "hub/hub_name.h"

#include <algorithm>

#include "akin/hub.h"

#include "base/strings.h"

namespace akin {
namespace hub {
namespace {

constexpr size_t kMaxRepositoryBytes = 96;  // The hub's own limit.
constexpr size_t kMaxPathBytes = 1024;
constexpr size_t kMaxPartBytes = 255;  // What file systems take.

bool IsLetterOrDigit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// One side of "org/name", by the hub's rules.
bool IsRepositoryPart(std::string_view part) {
  const auto allowed = [](char c) {
    return IsLetterOrDigit(c) || c == '-' || c == '_' || c == '.';
  };
  const auto edge = [](char c) { return c == '-' || c == '.'; };
  return !part.empty() && std::ranges::all_of(part, allowed) && !edge(part.front()) &&
         !edge(part.back());
}

bool IsRepository(std::string_view text) {
  const size_t slash = text.find('/');
  // "--" stands for the slash in the cache's folder names.
  return slash != text.npos && text.size() <= kMaxRepositoryBytes &&
         IsRepositoryPart(text.substr(0, slash)) && IsRepositoryPart(text.substr(slash + 1)) &&
         text.find("--") == text.npos && text.find("..") == text.npos;
}

bool IsSafePart(std::string_view part) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return !part.empty() && part.size() <= kMaxPartBytes && part != "." && part != ".." &&
         std::ranges::none_of(part, control);
}

}  // namespace

bool IsSafeRelativePath(std::string_view path) {
  if (path.size() > kMaxPathBytes) return false;
  while (true) {
    const size_t slash = path.find('/');
    if (!IsSafePart(path.substr(0, slash))) return false;
    if (slash == path.npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool IsHexadecimal(std::string_view text, size_t length) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == length && std::ranges::all_of(text, digit);
}

bool IsCommitHash(std::string_view text) { return IsHexadecimal(text, 40); }

Result<HubName> ParseHubName(std::string_view model) {
  const size_t at = model.find('@');
  HubName name{.repository = std::string(model.substr(0, at))};
  if (!IsRepository(name.repository)) {
    return InvalidInput("'", model,
                        "' is not the name of a model on the hub; expected ORG/NAME or "
                        "ORG/NAME@REVISION");
  }
  if (at != model.npos) name.revision = model.substr(at + 1);
  if (!IsSafeRelativePath(name.revision)) {
    return InvalidInput("'", model, "': '", name.revision,
                        "' is not a revision; expected a branch, a tag or a commit");
  }
  return name;
}

}  // namespace hub

bool IsHubName(std::string_view model) { return hub::ParseHubName(model).has_value(); }

}  // namespace akin
