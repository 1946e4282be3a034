// JSON text -> a read-only tree. simdjson finds the structure; this layer adds limits, exact number
// text and error messages that name the file and the key.
//
// The whole text is validated on Parse: UTF-8, one value only, no NaN, nesting within the limit.
// Numbers keep their text, so that a reader with rules of its own (Unigram scores) can apply them,
// and so that a number too large for any type (model_max_length 1e30 written out) is an error only
// for those who ask for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::formats {

enum class JsonType : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

struct JsonLimits {
  size_t max_bytes = size_t{1} << 20;
  int max_depth = 128;
};

class JsonDocument;

// A borrowed value; valid as long as its document, which may be moved.
class JsonValue {
 public:
  JsonType type() const;
  bool is_null() const { return type() == JsonType::kNull; }
  bool is_string() const { return type() == JsonType::kString; }
  bool is_array() const { return type() == JsonType::kArray; }
  bool is_object() const { return type() == JsonType::kObject; }

  // Typed reading. The error is InvalidModel and says where, what was found and what was expected:
  // `config.json: "hidden_size" is "32", expected an integer`.
  Result<bool> AsBool() const;
  Result<int64_t> AsInt() const;  // Integers only: 32.5, 1e30 and "32" are errors.
  Result<int64_t> AsIntIn(int64_t min, int64_t max) const;
  Result<double> AsDouble() const;  // Finite, correctly rounded.
  Result<std::string_view> AsString() const;
  // The text of a number as it stands in the file; empty for other types.
  std::string_view number_text() const;

  // Children. Value ranges for `for (JsonValue v : value.elements())`; empty when the type is
  // another one.
  class Iterator;
  class Range;
  Range elements() const;  // Of an array, or the values of an object in file order: see key().
  size_t size() const;     // Number of elements or members.
  std::string_view key()
      const;  // The name under which this value stands in its object; empty otherwise.

  // A member of an object by name. Of duplicates the last one counts, as in Python's json.
  std::optional<JsonValue> Find(std::string_view key) const;
  // Error: InvalidModel, `config.json: "hidden_size" is missing`.
  Result<JsonValue> Get(std::string_view key) const;
  // The elements of an array / object; InvalidModel when this is something else.
  Result<Range> AsArray() const;
  Result<Range> AsObject() const;

  // Where this value stands, for messages: `tokenizer.json: "model.vocab"`, or the file name alone
  // for the root.
  std::string Where() const;
  // Short rendering of the value for messages, at most some 40 bytes: `"32"`, `an object`.
  std::string Found() const;

 private:
  friend class JsonDocument;
  friend class Iterator;
  struct Tree;  // Owned by the document.
  JsonValue(const Tree* tree, uint32_t node) : tree_(tree), node_(node) {}
  // `config.json: "hidden_size" is "32", expected <expected>`.
  Error WrongType(std::string_view expected) const;
  const Tree* tree_;
  uint32_t node_;
};

class JsonValue::Iterator {
 public:
  JsonValue operator*() const { return {tree_, node_}; }
  Iterator& operator++();
  bool operator!=(const Iterator& other) const { return node_ != other.node_; }

 private:
  friend class JsonValue;
  Iterator(const Tree* tree, uint32_t node) : tree_(tree), node_(node) {}
  const Tree* tree_;
  uint32_t node_;
};

class JsonValue::Range {
 public:
  Range(Iterator first, Iterator last) : first_(first), last_(last) {}
  Iterator begin() const { return first_; }
  Iterator end() const { return last_; }

 private:
  Iterator first_, last_;
};

class JsonDocument {
 public:
  // Parses `text`; `name` stands in front of messages ("1_Pooling/config.json"). Error:
  // InvalidModel.
  static Result<JsonDocument> Parse(std::string_view text, std::string name,
                                    const JsonLimits& limits = {});

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  JsonValue root() const;

 private:
  explicit JsonDocument(std::unique_ptr<JsonValue::Tree> tree);
  std::unique_ptr<JsonValue::Tree>
      tree_;  // On the heap, so that values survive a move of the document.
};

}  // namespace akin::formats
