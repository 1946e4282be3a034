// A static map from byte strings to numbers, walked byte by byte.
//
// A node is a place in one array (Aoe's double array): the child of node n for byte b is at
// base(n) ^ b, and it is n's child if it says that n is its parent. A step is one load and one
// comparison, and all of a vocabulary's common prefixes share their nodes.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace akin::tokenizer {

class DoubleArrayTrie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr Node kNoNode = ~Node{0};
  static constexpr int32_t kNoValue = -1;

  using Entry = std::pair<std::string_view, int32_t>;
  // In any order; of equal keys the last one counts. Values are not negative.
  explicit DoubleArrayTrie(std::vector<Entry> entries);

  Node Child(Node node, char byte) const {
    const uint32_t child = units_[node].base ^ static_cast<unsigned char>(byte);
    return units_[child].parent == node ? child : kNoNode;
  }
  // The value of the key that ends at `node`, or kNoValue.
  int32_t Value(Node node) const { return units_[node].value; }

  // The node reached from `node` by all of `bytes`, or kNoNode.
  Node Walk(Node node, std::string_view bytes) const {
    for (size_t i = 0; i < bytes.size() && node != kNoNode; ++i) node = Child(node, bytes[i]);
    return node;
  }
  // The longest key, not empty, that continues from `node` with a prefix of `text`.
  struct Match {
    size_t length;
    int32_t value;  // kNoValue: there is none.
  };
  Match LongestMatch(Node node, std::string_view text) const {
    Match longest = {0, kNoValue};
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, text[i]);
      if (node == kNoNode) break;
      if (Value(node) != kNoValue) longest = {i + 1, Value(node)};
    }
    return longest;
  }

  int32_t Find(std::string_view key) const {
    const Node node = Walk(kRoot, key);
    return node == kNoNode ? kNoValue : Value(node);
  }

 private:
  friend class DoubleArrayBuilder;
  struct Unit {
    uint32_t base = 0;  // Of a leaf: 0, whose block has no child of a leaf.
    uint32_t parent = kNoNode;
    int32_t value = kNoValue;
  };
  std::vector<Unit> units_;  // A multiple of 256, so that base ^ byte is always inside.
};

}  // namespace akin::tokenizer
