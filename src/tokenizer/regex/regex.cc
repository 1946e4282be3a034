#include "tokenizer/regex/regex.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/budget.h"

namespace akin::tokenizer::regex {
namespace {

// After so many steps a search ends.
constexpr size_t kFreeSteps = Budget::kFreeSteps, kMaxStepsPerByte = Budget::kStepsPerByte;
// What waits to be tried: a pattern may leave an alternative or two at every character.
constexpr size_t kFreeFrames = 1 << 16, kMaxFramesPerByte = 8;
constexpr size_t kPlainStepsPerByte = 32;            // After them failures are remembered,
constexpr size_t kMaxMemoryBytes = size_t{1} << 26;  // in no more than this.

// With failures remembered, each instruction is run at most a few times at a position.
size_t StepsPerByte(const Program& program) {
  return std::min(kMaxStepsPerByte, 64 + 4 * program.instructions.size());
}

// Words of the property \p{Word}, for \b.
const CharSet& WordSet() {
  static const CharSet set(unicode::Property("word"));
  return set;
}

// What failed, as one bit a (position, state).
class Memory {
 public:
  bool active() const { return !bits_.empty(); }
  void Activate(size_t num_positions, size_t num_states) {
    num_states_ = num_states;
    bits_.assign((num_positions * num_states + 63) / 64, 0);
  }
  // Remembers; false if it was there.
  bool Insert(size_t position, size_t state) {
    const size_t bit = position * num_states_ + state;
    uint64_t& word = bits_[bit / 64];
    const uint64_t mask = uint64_t{1} << bit % 64;
    return (std::exchange(word, word | mask) & mask) == 0;
  }
  void Forget(size_t position) {
    size_t bit = position * num_states_;
    const size_t end = bit + num_states_;
    while (bit < end) {
      const size_t count = std::min(64 - bit % 64, end - bit);  // Of bits in this word.
      bits_[bit / 64] &= ~(~uint64_t{0} >> (64 - count) << bit % 64);
      bit += count;
    }
  }

 private:
  size_t num_states_ = 0;
  std::vector<uint64_t> bits_;
};

class Matcher {
 public:
  Matcher(const Program& program, std::string_view text, size_t max_steps)
      : program_(program),
        text_(text),
        max_steps_(std::min(max_steps, kFreeSteps + StepsPerByte(program) * text.size())),
        steps_left_(max_steps_),
        plain_steps_left_(kFreeSteps / 64 + kPlainStepsPerByte * text.size()) {}

  // Appends all matches, moved by `offset`; false when there were not enough steps.
  bool FindAll(uint32_t offset, std::vector<ByteRange>& matches) {
    std::optional<uint32_t> last_end;
    for (size_t begin = 0; begin <= text_.size();) {
      const std::optional<ByteRange> match = Find(begin);
      if (!match) return !exhausted_;
      if (match->begin == match->end && match->end == last_end) {
        if (begin == text_.size()) return true;
        begin += Utf8Length(text_[begin]);
        continue;
      }
      last_end = match->end;
      begin = match->end;
      matches.push_back({match->begin + offset, match->end + offset});
    }
    return true;
  }
  size_t steps() const { return max_steps_ - steps_left_; }

 private:
  enum class FrameKind : uint8_t { kAlternative, kStar, kLazyStar, kAtomic, kLook };
  // What to do when all that was tried after it has failed.
  struct Frame {
    FrameKind kind;
    uint32_t pc;
    uint32_t position;
    uint32_t first;  // kStar: where it began, the least that it can give back to.
  };

  // The first match that begins at `begin` or behind it.
  std::optional<ByteRange> Find(size_t begin) {
    for (size_t start = begin; !exhausted_; start += Utf8Length(text_[start])) {
      const std::optional<size_t> end = MatchAt(start);
      if (end) return ByteRange{static_cast<uint32_t>(start), static_cast<uint32_t>(*end)};
      if (start == text_.size()) break;
    }
    return std::nullopt;
  }
  std::optional<size_t> MatchAt(size_t start);
  bool Step();
  bool Backtrack();
  bool Star(const Instruction& star);
  bool AtomicEnd();
  bool LookEnd(bool negative);
  bool Holds(Assertion assertion) const;
  bool Back(uint32_t count);

  bool TakeOne(const CharSet& set) {
    if (position_ == text_.size() || !set.Contains(DecodeUtf8(&text_[position_]))) return false;
    position_ += static_cast<uint32_t>(Utf8Length(text_[position_]));
    return true;
  }
  // Whether a state has not failed here before, as far as that is remembered.
  bool IsNew(const Instruction& instruction) {
    if (!memory_.active() || instruction.state == Instruction::kNotRemembered) return true;
    return memory_.Insert(position_, instruction.state);
  }
  bool IsWordAt(size_t position) const {
    return position < text_.size() && WordSet().Contains(DecodeUtf8(&text_[position]));
  }
  // Counts a step; false when there are none left.
  bool Count() {
    if (plain_steps_left_ > 0 && --plain_steps_left_ == 0) StartRemembering();
    exhausted_ = exhausted_ || steps_left_ == 0 || stack_.size() > max_frames_;
    if (exhausted_) return false;
    --steps_left_;
    return true;
  }
  void StartRemembering() {
    if (program_.num_states == 0) return;
    if ((text_.size() + 1) / 8 * program_.num_states > kMaxMemoryBytes) return;
    memory_.Activate(text_.size() + 1, program_.num_states);
  }

  const Program& program_;
  std::string_view text_;
  uint32_t pc_ = 0, position_ = 0;
  std::vector<Frame> stack_;
  Memory memory_;
  const size_t max_steps_;
  size_t steps_left_, plain_steps_left_;
  const size_t max_frames_ = kFreeFrames + kMaxFramesPerByte * text_.size();
  bool exhausted_ = false;
};

// The end of the match that begins at `start`.
std::optional<size_t> Matcher::MatchAt(size_t start) {
  stack_.clear();
  pc_ = 0;
  position_ = static_cast<uint32_t>(start);
  while (Count()) {
    if (program_.instructions[pc_].op == Op::kMatch) {
      // States on the way to a match have not failed; of them the next search meets only those at
      // its end.
      if (memory_.active()) memory_.Forget(position_);
      return position_;
    }
    if (!Step() && !Backtrack()) return std::nullopt;
  }
  return std::nullopt;
}

// Runs one instruction; false when it fails.
bool Matcher::Step() {
  const Instruction& instruction = program_.instructions[pc_];
  const uint32_t pc = std::exchange(pc_, instruction.next);
  switch (instruction.op) {
    case Op::kMatch: return true;
    case Op::kSet: return TakeOne(program_.sets[instruction.set]);
    case Op::kStar: return Star(instruction);
    case Op::kAssert: return Holds(instruction.assertion);
    case Op::kJump: return true;
    case Op::kSplit:
      if (!IsNew(instruction)) return false;
      stack_.push_back({FrameKind::kAlternative, instruction.other, position_, 0});
      return true;
    case Op::kAtomicBegin: stack_.push_back({FrameKind::kAtomic, pc, position_, 0}); return true;
    case Op::kAtomicEnd: return AtomicEnd();
    case Op::kLookBegin: stack_.push_back({FrameKind::kLook, pc, position_, 0}); return true;
    case Op::kLookEnd: return LookEnd(instruction.negative);
    case Op::kBack: return Back(instruction.count);
  }
  return false;
}

// set*. Where it has been at a position before, what follows has failed from there on.
bool Matcher::Star(const Instruction& star) {
  const CharSet& set = program_.sets[star.set];
  const uint32_t pc = pc_ - 1, first = position_;
  if (!IsNew(star)) return false;
  if (star.greed == Greed::kLazy) {
    stack_.push_back({FrameKind::kLazyStar, pc, position_, first});
    return true;
  }
  uint32_t last = position_;
  while (Count() && TakeOne(set)) {
    if (!IsNew(star)) {
      if (star.greed == Greed::kPossessive) return false;
      break;
    }
    last = position_;
  }
  position_ = last;
  if (star.greed == Greed::kGreedy && last > first) {
    stack_.push_back({FrameKind::kStar, pc, position_, first});
  }
  return true;
}

// Takes up the last alternative that is left; false if there is none.
bool Matcher::Backtrack() {
  while (!stack_.empty()) {
    Frame& frame = stack_.back();
    const Instruction& instruction = program_.instructions[frame.pc];
    position_ = frame.position;
    switch (frame.kind) {
      case FrameKind::kAlternative:
        pc_ = frame.pc;
        stack_.pop_back();
        return true;
      case FrameKind::kStar:  // Gives one character back.
        do --position_;
        while (IsUtf8Continuation(text_[position_]));
        frame.position = position_;
        pc_ = instruction.next;
        if (position_ == frame.first) stack_.pop_back();
        return true;
      case FrameKind::kLazyStar:  // Takes one more.
        if (!TakeOne(program_.sets[instruction.set]) || !IsNew(instruction)) break;
        frame.position = position_;
        pc_ = instruction.next;
        return true;
      case FrameKind::kLook:  // What is inside does not match.
        if (!instruction.negative) break;
        pc_ = instruction.other;
        stack_.pop_back();
        return true;
      case FrameKind::kAtomic: break;
    }
    stack_.pop_back();
  }
  return false;
}

// Drops what is left to try inside of the group.
bool Matcher::AtomicEnd() {
  while (stack_.back().kind != FrameKind::kAtomic) stack_.pop_back();
  stack_.pop_back();
  return true;
}

// What is inside matches.
bool Matcher::LookEnd(bool negative) {
  while (stack_.back().kind != FrameKind::kLook) stack_.pop_back();
  position_ = stack_.back().position;
  stack_.pop_back();
  return !negative;
}

bool Matcher::Back(uint32_t count) {
  for (; count > 0; --count) {
    if (position_ == 0 || !Count()) return false;
    do --position_;
    while (IsUtf8Continuation(text_[position_]));
  }
  return true;
}

bool Matcher::Holds(Assertion assertion) const {
  const size_t size = text_.size();
  const auto is_newline = [&](size_t i) { return i < size && text_[i] == '\n'; };
  const auto is_boundary = [&] {
    const bool before = position_ > 0 && WordSet().Contains(LastUtf8(text_.substr(0, position_)));
    return before != IsWordAt(position_);
  };
  switch (assertion) {
    case Assertion::kLineBegin:
      return position_ == 0 || (position_ < size && is_newline(position_ - 1));
    case Assertion::kLineEnd: return position_ == size || is_newline(position_);
    case Assertion::kTextBegin: return position_ == 0;
    case Assertion::kTextEnd: return position_ == size;
    case Assertion::kTextEndOrNewline:
      return position_ == size || (position_ + 1 == size && is_newline(position_));
    case Assertion::kWordBoundary: return is_boundary();
    case Assertion::kNoWordBoundary: return !is_boundary();
  }
  return false;
}

}  // namespace

Result<Regex> Regex::Load(std::string_view pattern, std::string_view where) {
  AKIN_TRY_ASSIGN(Program program, Compile(pattern, where));
  return Regex(std::move(program));
}

Status Regex::FindAll(std::string_view text, uint32_t offset, size_t& steps_left,
                      std::vector<ByteRange>& matches) const {
  Matcher matcher(program_, text, steps_left);
  const bool found = matcher.FindAll(offset, matches);
  steps_left -= matcher.steps();
  if (found) return {};
  return InvalidInput("a regular expression of the tokenizer needs too many steps for a text of ",
                      text.size(), " bytes");
}

}  // namespace akin::tokenizer::regex
