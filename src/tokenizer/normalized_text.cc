#include "tokenizer/normalized_text.h"

#include <algorithm>
#include <utility>

namespace akin::tokenizer {
namespace {

// More than any batch of ordinary texts needs; what is above goes back to the system.
constexpr size_t kKeptBytes = size_t{1} << 20;

}  // namespace

void ByteBuffer::Grow(size_t used, size_t wanted) {
  const size_t capacity = std::max({wanted, 2 * capacity_, size_t{256}});
  auto grown = std::make_unique_for_overwrite<char[]>(capacity);
  if (used > 0) std::memcpy(grown.get(), data_.get(), used);
  data_ = std::move(grown);
  capacity_ = capacity;
}

void NormalizedText::Assign(std::string_view original, uint32_t begin, bool track_offsets,
                            Budget& budget) {
  text_ = original;
  begin_ = begin;
  track_offsets_ = track_offsets;
  budget_ = &budget;
  is_original_ = true;
  front_ = original.empty() ? 0 : Utf8Length(original[0]);
  status_ = {};
}

void NormalizedText::AssignPart(const NormalizedText& whole, ByteRange part, Budget& budget) {
  const std::string_view text = whole.text_.substr(part.begin, part.end - part.begin);
  Assign(text, whole.begin_, whole.track_offsets_, budget);
  front_ = whole.front_ - std::min<size_t>(whole.front_, part.begin);
  front_ = std::min(front_, text.size());
  is_original_ = whole.is_original_;
  if (is_original_) {
    begin_ += part.begin;
    front_ = Utf8Length(text[0]);
  } else if (track_offsets_) {
    const auto first = whole.alignments_.begin();
    alignments_.assign(first + part.begin, first + part.end);
    begin_ = alignments_.front().begin;
  }
}

ByteRange NormalizedText::AlignmentOf(size_t byte) const {
  if (!is_original_) return alignments_[byte];
  size_t first = byte;
  while (IsUtf8Continuation(text_[first])) --first;
  const auto begin = static_cast<uint32_t>(begin_ + first);
  return {begin, begin + static_cast<uint32_t>(Utf8Length(text_[first]))};
}

ByteRange NormalizedText::Original(ByteRange range) const {
  return {AlignmentOf(range.begin).begin, AlignmentOf(range.end - 1).end};
}

void NormalizedText::Trim() {
  text_ = {};
  if (buffer_.capacity() > kKeptBytes) buffer_.Release();
  if (next_buffer_.capacity() > kKeptBytes) next_buffer_.Release();
  for (auto* alignments : {&alignments_, &next_alignments_}) {
    if (alignments->capacity() * sizeof(ByteRange) > kKeptBytes)
      std::vector<ByteRange>().swap(*alignments);
  }
}

void Rewriter::MakeRoom(size_t bytes) {
  if (size_ + bytes > target_.budget_->bytes_left()) {
    overflowed_ = true;
    size_ = 0;
    target_.next_alignments_.clear();
  }
  if (target_.next_buffer_.capacity() - size_ < bytes) {
    target_.next_buffer_.Grow(size_, size_ + bytes);
  }
}

void Rewriter::Put(std::string_view text) {
  if (text.empty()) return;
  EnsureRoom(text.size());
  std::memcpy(next(), text.data(), text.size());
  size_ += text.size();
  if (taken_ <= target_.front_) front_ = size_;
  if (target_.track_offsets_) Align(text.size());
}

void Rewriter::Align(size_t length) {
  const ByteRange source =
      taken_ == 0 ? ByteRange{target_.begin_, target_.begin_} : target_.AlignmentOf(taken_ - 1);
  target_.next_alignments_.insert(target_.next_alignments_.end(), length, source);
}

void Rewriter::Copy(size_t bytes) {
  EnsureRoom(bytes);
  if (bytes > 0) std::memcpy(next(), cursor(), bytes);
  Commit(bytes);
}

void Rewriter::Commit(size_t bytes) {
  if (target_.track_offsets_) {
    for (size_t i = 0; i < bytes; ++i) {
      target_.next_alignments_.push_back(target_.AlignmentOf(taken_ + i));
    }
  }
  if (taken_ < target_.front_) front_ = size_ + std::min(bytes, target_.front_ - taken_);
  taken_ += bytes;
  size_ += bytes;
}

void Rewriter::Finish() {
  if (overflowed_ || size_ > target_.budget_->bytes_left()) {
    return target_.Fail(target_.budget_->TooLong(stage_));
  }
  std::swap(target_.buffer_, target_.next_buffer_);
  std::swap(target_.alignments_, target_.next_alignments_);
  target_.text_ = {target_.buffer_.data(), size_};
  target_.is_original_ = false;
  target_.front_ = front_;
}

}  // namespace akin::tokenizer
