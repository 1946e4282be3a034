#include "tokenizer/regex/program.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace akin::tokenizer::regex {
namespace {

constexpr size_t kMaxInstructions = 20000;  // a{1000}{1000} is refused.

class Compiler {
 public:
  Compiler(Tree tree, std::string_view where) : tree_(std::move(tree)), where_(where) {}

  Result<Program> Run() {
    AKIN_TRY(Emit(tree_.root));
    Add({.op = Op::kMatch});
    program_.sets = std::move(tree_.sets);
    return std::move(program_);
  }

 private:
  template <typename... Pieces>
  Error Unsupported(const Pieces&... construct) const {
    return UnsupportedModel(where_, " uses ", construct..., ", which is not supported");
  }

  uint32_t here() const { return static_cast<uint32_t>(program_.instructions.size()); }
  Instruction& at(uint32_t index) { return program_.instructions[index]; }

  // Appends an instruction, whose `next` is the one behind it.
  uint32_t Add(Instruction instruction) {
    instruction.next = here() + 1;
    const bool branches = instruction.op == Op::kSplit || instruction.op == Op::kStar;
    if (branches && groups_ == 0) instruction.state = program_.num_states++;
    program_.instructions.push_back(instruction);
    return here() - 1;
  }
  // A split that prefers what follows it, or, when lazy, `other`, which is set later.
  void SetSplit(uint32_t split, uint32_t other, bool lazy) {
    at(split).other = other;
    if (lazy) std::swap(at(split).next, at(split).other);
  }

  Status Emit(uint32_t index);
  Status EmitAlternation(const Node& node);
  Status EmitRepeat(const Node& node);
  Status EmitUnlimited(uint32_t child, Greed greed);
  Status EmitOptional(uint32_t child, uint32_t times, bool lazy);
  Status EmitLook(const Node& node);

  bool MayBeEmpty(uint32_t index) const;
  std::optional<uint32_t> FixedLength(uint32_t index) const;

  Tree tree_;
  std::string_view where_;
  Program program_;
  int groups_ = 0;  // Atomic and look-around groups around what is emitted.
};

Status Compiler::Emit(uint32_t index) {
  if (here() > kMaxInstructions) return Unsupported("too many repeated parts");
  const Node node = tree_.nodes[index];
  switch (node.kind) {
    case Kind::kEmpty: return {};
    case Kind::kSet: return Add({.op = Op::kSet, .set = node.set}), Status();
    case Kind::kAssertion: return Add({.op = Op::kAssert, .assertion = node.assertion}), Status();
    case Kind::kSequence:
      for (const uint32_t child : node.children) AKIN_TRY(Emit(child));
      return {};
    case Kind::kAlternation: return EmitAlternation(node);
    case Kind::kRepeat: return EmitRepeat(node);
    case Kind::kLook: return EmitLook(node);
    case Kind::kAtomic: break;
  }
  Add({.op = Op::kAtomicBegin});
  ++groups_;
  AKIN_TRY(Emit(node.children[0]));
  --groups_;
  Add({.op = Op::kAtomicEnd});
  return {};
}

Status Compiler::EmitAlternation(const Node& node) {
  std::vector<uint32_t> jumps;
  for (size_t i = 0; i + 1 < node.children.size(); ++i) {
    const uint32_t split = Add({.op = Op::kSplit});
    AKIN_TRY(Emit(node.children[i]));
    jumps.push_back(Add({.op = Op::kJump}));
    at(split).other = here();
  }
  AKIN_TRY(Emit(node.children.back()));
  for (const uint32_t jump : jumps) at(jump).next = here();
  return {};
}

Status Compiler::EmitRepeat(const Node& node) {
  const uint32_t child = node.children[0];
  const bool is_set = tree_.nodes[child].kind == Kind::kSet;
  const bool atomic = node.greed == Greed::kPossessive && !(is_set && node.max == Node::kUnlimited);
  if (atomic) Add({.op = Op::kAtomicBegin}), ++groups_;
  for (uint32_t i = 0; i < node.min; ++i) {
    const uint32_t before = here();
    AKIN_TRY(Emit(child));
    if (here() == before) break;  // It is empty, and so are all others.
  }
  if (node.max == Node::kUnlimited) {
    AKIN_TRY(EmitUnlimited(child, atomic ? Greed::kGreedy : node.greed));
  } else {
    AKIN_TRY(EmitOptional(child, node.max - node.min, node.greed == Greed::kLazy));
  }
  if (atomic) Add({.op = Op::kAtomicEnd}), --groups_;
  return {};
}

// child*
Status Compiler::EmitUnlimited(uint32_t child, Greed greed) {
  if (tree_.nodes[child].kind == Kind::kSet) {
    return Add({.op = Op::kStar, .greed = greed, .set = tree_.nodes[child].set}), Status();
  }
  if (MayBeEmpty(child)) return Unsupported("a repeated part that may be empty");
  const uint32_t split = Add({.op = Op::kSplit});
  AKIN_TRY(Emit(child));
  at(Add({.op = Op::kJump})).next = split;
  SetSplit(split, here(), greed == Greed::kLazy);
  return {};
}

// (child(child(..)?)?)?
Status Compiler::EmitOptional(uint32_t child, uint32_t times, bool lazy) {
  std::vector<uint32_t> splits;
  for (uint32_t i = 0; i < times; ++i) {
    splits.push_back(Add({.op = Op::kSplit}));
    AKIN_TRY(Emit(child));
  }
  for (const uint32_t split : splits) SetSplit(split, here(), lazy);
  return {};
}

Status Compiler::EmitLook(const Node& node) {
  const uint32_t begin = Add({.op = Op::kLookBegin, .negative = node.negative});
  ++groups_;
  if (node.behind) {
    const std::optional<uint32_t> length = FixedLength(node.children[0]);
    if (!length) return Unsupported("a look-behind of several lengths");
    Add({.op = Op::kBack, .count = *length});
  }
  AKIN_TRY(Emit(node.children[0]));
  --groups_;
  Add({.op = Op::kLookEnd, .negative = node.negative});
  at(begin).other = here();
  return {};
}

bool Compiler::MayBeEmpty(uint32_t index) const {
  const Node& node = tree_.nodes[index];
  const auto child_may = [this](uint32_t child) { return MayBeEmpty(child); };
  switch (node.kind) {
    case Kind::kSet: return false;
    case Kind::kSequence: return std::ranges::all_of(node.children, child_may);
    case Kind::kAlternation: return std::ranges::any_of(node.children, child_may);
    case Kind::kRepeat: return node.min == 0 || MayBeEmpty(node.children[0]);
    case Kind::kAtomic: return MayBeEmpty(node.children[0]);
    default: return true;
  }
}

// The number of characters that every match of a node has, if it is one number.
std::optional<uint32_t> Compiler::FixedLength(uint32_t index) const {
  const Node& node = tree_.nodes[index];
  if (node.kind == Kind::kSet) return 1;
  if (node.kind == Kind::kRepeat && node.min != node.max) return std::nullopt;
  if (node.kind == Kind::kLook || node.kind == Kind::kAssertion) return 0;
  std::optional<uint32_t> length;
  for (const uint32_t child : node.children) {
    const std::optional<uint32_t> of_child = FixedLength(child);
    const bool adds = node.kind == Kind::kSequence;
    if (!of_child || (!adds && length && *length != *of_child)) return std::nullopt;
    length = adds ? length.value_or(0) + *of_child : *of_child;
    if (*length > kMaxInstructions) return std::nullopt;
  }
  if (node.kind != Kind::kRepeat) return length.value_or(0);
  if (*length > kMaxInstructions || node.min > kMaxInstructions) return std::nullopt;
  return *length * node.min;
}

}  // namespace

Result<Program> Compile(std::string_view pattern, std::string_view where) {
  AKIN_TRY_ASSIGN(Tree tree, Parse(pattern, where));
  return Compiler(std::move(tree), where).Run();
}

}  // namespace akin::tokenizer::regex
