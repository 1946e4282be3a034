#include "cli/option_names.h"

#include <string>
#include <string_view>
#include <utility>

#include "cli/strings.h"

namespace akin::cli {
namespace {

constexpr std::pair<std::string_view, std::string_view> kOptions[] = {
    {"batch_tokens", "--batch-tokens"}, {"dimensions", "--dimensions"},
    {"max_tokens", "--max-tokens"},     {"num_threads", "--threads"},
    {"overflow", "--overflow"},         {"prompt", "--prompt"},
    {"prompt_name", "--prompt-name"},   {"top_k", "--top-k"},
    {"truncate_dim", "--truncate-dim"}, {"window_overlap", "--window-overlap"},
    {"window_tokens", "--window"}};

// The field that `text` begins with, as a word of its own, as an option; empty: none.
std::string_view OptionAtStart(std::string_view text, std::string_view& field) {
  field = text.substr(0, text.find(' '));
  for (const auto& [name, option] : kOptions) {
    if (name == field) return option;
  }
  return {};
}

}  // namespace

Error WithOptionNames(const Error& error) {
  if (error.code() != ErrorCode::kInvalidInput) return error;
  std::string_view rest = error.message(), field;
  const std::string_view option = OptionAtStart(rest, field);
  if (option.empty()) return error;
  rest.remove_prefix(field.size());
  std::string message(option);
  // "dimensions and truncate_dim are both given".
  constexpr std::string_view kAnd = " and ";
  if (rest.starts_with(kAnd)) {
    rest.remove_prefix(kAnd.size());
    message += kAnd;
    const std::string_view other = OptionAtStart(rest, field);
    if (!other.empty()) {
      rest.remove_prefix(field.size());
      message += other;
    }
  }
  return error.Reworded(StrCat(message, rest));
}

}  // namespace akin::cli
