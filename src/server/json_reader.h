// The JSON body of a request: bounded nesting, valid UTF-8, and errors that name the field. Of
// members with the same name the last one counts, as in Python's json; null counts as absent. A
// number may have any size where nobody reads it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::server {

inline constexpr size_t kMaxJsonDepth = 32;
// Lists of so many are always read: whoever reads them says what is too many.
inline constexpr size_t kFewItems = 64;

// A text, or the ids of one.
struct TextOrIds {
  std::string text;
  std::vector<int32_t> ids;
  bool is_ids = false;
};

// What `input` or `inputs` holds: one or several of them.
struct Inputs {
  std::vector<TextOrIds> items;
  bool is_list = false;
};

// All errors are InvalidInput.
class JsonRequest {
 public:
  // An object is expected at the top. `most_items`: of lists that are read, or kFewItems; a longer
  // one is counted and refused, before anything is made of its items (has_too_many).
  static Result<JsonRequest> Parse(std::string body, size_t most_items = SIZE_MAX);
  JsonRequest(JsonRequest&&) noexcept;
  JsonRequest& operator=(JsonRequest&&) noexcept;
  ~JsonRequest();

  // Whether an error was that of a list that is too long, here or in an object within.
  bool has_too_many() const;
  bool Has(std::string_view key) const;
  bool IsArray(std::string_view key) const;
  Result<std::optional<bool>> Bool(std::string_view key) const;
  Result<std::optional<int64_t>> Int(std::string_view key) const;
  Result<std::optional<std::string>> String(std::string_view key) const;
  // [] of strings; an error when the member is something else.
  Result<std::optional<std::vector<std::string>>> Strings(std::string_view key) const;
  // Of a list that is none of texts (kinds, names): that it has no more than kFewItems. A list too
  // long is no batch that is too large.
  Status CheckFew(std::string_view key) const;
  // A string or an array of strings; IsArray tells which.
  Result<std::optional<std::vector<std::string>>> StringOrStrings(std::string_view key) const;
  // Strings, or objects with a string `field`.
  Result<std::optional<std::vector<std::string>>> StringsOrObjects(std::string_view key,
                                                                   std::string_view field) const;
  // A string, an array of ids, or an array of strings and arrays of ids.
  Result<std::optional<Inputs>> TextsOrIds(std::string_view key) const;
  // One array of ids, or several; `is_list` tells which.
  Result<std::optional<std::vector<std::vector<int32_t>>>> Ids(std::string_view key,
                                                               bool& is_list) const;
  // A string, a pair, or an array of both, as /predict has it; `is_list` tells which.
  Result<std::optional<std::vector<std::vector<std::string>>>> TextsOrPairs(std::string_view key,
                                                                            bool& is_list) const;
  // The members of an object; nothing if there is none.
  Result<std::optional<JsonRequest>> Object(std::string_view key) const;
  // An array of objects.
  Result<std::optional<std::vector<JsonRequest>>> Objects(std::string_view key) const;
  // Of all lists in it, but those of numbers.
  size_t CountItems() const;
  // The object as JSON again.
  std::string Text() const;

 private:
  struct Document;
  explicit JsonRequest(std::shared_ptr<const Document> document);
  std::shared_ptr<const Document> document_;
};

}  // namespace akin::server
