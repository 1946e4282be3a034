#include "base/key_values.h"

#include "base/strings.h"

namespace akin {

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
      parts.back() += text[++i];
    } else if (text[i] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

Result<KeyValues> ParseKeyValues(std::string_view object, std::string_view form,
                                 std::span<const std::string> parts) {
  KeyValues pairs;
  for (const std::string& part : parts) {
    const size_t equals = part.find('=');
    if (equals == 0 || equals == part.npos)
      return InvalidInput(object, ": '", part, "' is no option, expected ", form);
    pairs.emplace_back(part.substr(0, equals), part.substr(equals + 1));
  }
  return pairs;
}

}  // namespace akin
