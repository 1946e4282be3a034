// The tree is one array of nodes in file order (preorder): the children of node i begin at i + 1,
// and `next` jumps over a subtree. `[1, {"a": 2}]` is
//
//   0 array  next 4     1 number 1  next 2     2 object  next 4     3 number 2, key "a"  next 4
//
// The densest file, `[0,0,0,..`, has a value for every two bytes. That must not cost much more
// memory than the file: a node is 20 bytes, and exactly as many as there are get their place
// before the first one is written. With simdjson's tables a file costs at most 18 times its size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "formats/json.h"

namespace akin::formats {

// Parents are not kept: a path is needed for an error only, and found from the root.
struct JsonNode {
  uint32_t begin = 0;  // Strings: the content, unescaped. Numbers and literals: as they stand.
  uint32_t size = 0;   // Its bytes; the number of children of arrays and objects.
  uint32_t key_begin;  // The name in the parent object.
  uint32_t key_size : 29;
  uint32_t type_bits : 3;
  uint32_t next;  // The first node after this one and all below it.

  JsonType type() const { return static_cast<JsonType>(type_bits); }
  void set_type(JsonType type) { type_bits = static_cast<uint32_t>(type) & 7; }
  bool has_children() const { return type() >= JsonType::kArray; }
};
static_assert(sizeof(JsonNode) == 20);
inline constexpr size_t kMaxJsonBytes = (size_t{1} << 29) - 1;  // What 29 bits count.

struct JsonValue::Tree {
  std::string name;
  // The document with strings unescaped in place, and the padding that simdjson may read.
  std::unique_ptr<char[]> text;
  std::vector<JsonNode> nodes;

  // The text of a string, number or literal; of others there is none.
  std::string_view Text(const JsonNode& node) const {
    if (node.has_children()) return {};
    return {text.get() + node.begin, node.size};
  }
  std::string_view Key(const JsonNode& node) const {
    return {text.get() + node.key_begin, node.key_size};
  }
  // `a.b[3].c`; empty for the root.
  std::string Path(uint32_t node) const;
  std::string Where(const std::string& path) const {
    return path.empty() ? name : StrCat(name, ": \"", path, '"');
  }
};

}  // namespace akin::formats
