#include "cli/option_names.h"

#include <string>
#include <string_view>

#include "cli/strings.h"

namespace akin::cli {
namespace {

struct Row {
  std::string_view field, option;
  bool lines_may_say_it = false;  // A line of input may have a value of its own.
};

// Those that the library alone can find wrong; the rest is checked as options.
constexpr Row kRows[] = {
    {"dimensions", "--dimensions"},         {"max_tokens", "--max-tokens"},
    {"prompt_name", "--prompt-name", true}, {"truncate_dim", "--truncate-dim", true},
    {"window_overlap", "--window-overlap"}, {"window_tokens", "--window"}};

// Where the field of `row` stands in `message`: at its beginning, or behind the place of a text
// where a line cannot have said it.
size_t PlaceOf(const Row& row, std::string_view message) {
  const std::string words = StrCat(row.field, " is ");
  if (message.starts_with(words)) return 0;
  const size_t behind = row.lines_may_say_it ? message.npos : message.find(": " + words);
  return behind == message.npos ? behind : behind + 2;
}

}  // namespace

Error WithOptionNames(const Error& error) {
  if (error.code() != ErrorCode::kInvalidInput) return error;
  for (const Row& row : kRows) {
    std::string message = error.message();
    const size_t at = PlaceOf(row, message);
    if (at != message.npos)
      return error.Reworded(message.replace(at, row.field.size(), row.option));
  }
  return error;
}

}  // namespace akin::cli
