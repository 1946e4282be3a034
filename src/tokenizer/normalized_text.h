// A piece of the caller's text while normalizers change it, and where its bytes came from.
//
// Alignments are kept per byte of the normalized text, as ranges of bytes of the original text, and
// only when offsets are asked for. The rules are the reference's: a replaced character takes its
// source's range, an inserted one the range of the character before it, removed ones belong to
// nobody. Until the first change the text is a view of the original and the alignment is implied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "akin/result.h"

#include "base/utf8.h"
#include "tokenizer/budget.h"

namespace akin::tokenizer {

// Bytes [begin, end) of a text.
struct ByteRange {
  uint32_t begin, end;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

// A growing array of bytes that leaves new ones uninitialized.
class ByteBuffer {
 public:
  char* data() { return data_.get(); }
  size_t capacity() const { return capacity_; }
  // Keeps the first `used` bytes.
  void Grow(size_t used, size_t wanted);
  void Release() { data_.reset(), capacity_ = 0; }

 private:
  std::unique_ptr<char[]> data_;
  size_t capacity_ = 0;
};

class NormalizedText {
 public:
  // Starts with `original`, which begins at byte `begin` of the caller's text and must stay valid,
  // as must `budget`: what is written stays within it.
  void Assign(std::string_view original, uint32_t begin, bool track_offsets, Budget& budget);
  // Starts with bytes `part`, at least one, of `whole`, which must stay as it is.
  void AssignPart(const NormalizedText& whole, ByteRange part, Budget& budget);

  std::string_view text() const { return text_; }
  bool track_offsets() const { return track_offsets_; }
  Budget& budget() const { return *budget_; }
  // The bytes of the caller's text behind bytes [range.begin, range.end) of text(), which are at
  // least one. Only when offsets are tracked.
  ByteRange Original(ByteRange range) const;
  // Whether what is at `byte` of text() comes from the very beginning of the caller's text. Known
  // without alignments too.
  bool IsFromStart(uint32_t byte) const { return begin_ == 0 && byte < front_; }

  // A stage that cannot go on leaves its error here, the first one counts, and the text as it is.
  void Fail(Error error) {
    if (status_) status_ = std::move(error);
  }
  const Status& status() const { return status_; }

  // Gives back the memory that a long text needed.
  void Trim();

 private:
  friend class Rewriter;
  ByteRange AlignmentOf(size_t byte) const;

  std::string_view text_;
  uint32_t begin_ = 0;
  bool track_offsets_ = false;
  Budget* budget_ = nullptr;
  bool is_original_ = true;  // text_ is still a view of the caller's text.
  size_t front_ = 0;         // Bytes of text_ that come from where the caller's text begins.
  Status status_;
  std::vector<ByteRange> alignments_, next_alignments_;  // One per byte of text_ once it changed.
  ByteBuffer buffer_, next_buffer_;
};

// One pass over a NormalizedText that writes its next state:
//
//   Rewriter out(text, "Stage");
//   while (!out.done()) { out.Take(1) or out.Copy(n), out.Put(c) ... }
//   out.Finish();
//
// What is taken and followed by Put is replaced by it; what is taken without a Put is removed; a
// second Put inserts. Beyond the text's budget what was written is dropped, and Finish leaves an
// error that names the stage.
class Rewriter {
 public:
  Rewriter(NormalizedText& text, std::string_view stage)
      : target_(text), source_(text.text()), stage_(stage) {
    target_.next_alignments_.clear();
    EnsureRoom(source_.size());
  }

  // What has not been taken yet.
  const char* cursor() const { return source_.data() + taken_; }
  size_t remaining() const { return source_.size() - taken_; }
  // How much was taken, and how much was written.
  size_t taken() const { return taken_; }
  size_t written() const { return size_; }
  bool done() const { return taken_ == source_.size(); }
  // Writing more is of no use.
  bool overflowed() const { return overflowed_; }

  // Moves past `bytes` bytes, whole characters, of the source.
  void Take(size_t bytes) { taken_ += bytes; }
  void TakeChar() { Take(Utf8Length(*cursor())); }

  // Writes `c` with the alignment of the last character taken; before any, it belongs to the empty
  // range at the beginning.
  void Put(char32_t c) {
    EnsureRoom(kMaxUtf8Bytes);
    const size_t length = EncodeUtf8(c, next());
    size_ += length;
    if (taken_ <= target_.front_) front_ = size_;
    if (target_.track_offsets_) Align(length);
  }

  // Writes all characters of `text` so.
  void Put(std::string_view text);

  // Takes `bytes` bytes and writes them unchanged.
  void Copy(size_t bytes);
  void CopyChar() { Copy(Utf8Length(*cursor())); }
  // Copy in two steps, for a caller who maps byte to byte on the way: Reserve, write, Commit.
  char* Reserve(size_t bytes) {
    EnsureRoom(bytes);
    return next();
  }
  void Commit(size_t bytes);

  // Makes what was written the text. If it is too long, the text stays and fails.
  void Finish();

 private:
  char* next() { return target_.next_buffer_.data() + size_; }
  void EnsureRoom(size_t bytes) {
    if (target_.next_buffer_.capacity() - size_ < bytes) MakeRoom(bytes);
  }
  void MakeRoom(size_t bytes);
  void Align(size_t length);

  NormalizedText& target_;
  std::string_view source_;
  std::string_view stage_;
  bool overflowed_ = false;
  size_t taken_ = 0;
  size_t size_ = 0;
  size_t front_ = 0;  // Of what is written, see NormalizedText.
};

}  // namespace akin::tokenizer
