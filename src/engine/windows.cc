#include "engine/windows.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"

namespace akin::engine {
namespace {

// A text's tokens, all of them, in their parts.
struct WholeText {
  Encoding encoding;
  size_t front = 0;             // Special tokens before the text,
  size_t prompt = 0;            // then tokens of the prompt,
  size_t body = 0;              // then the text's own; what follows are special tokens again.
  std::vector<size_t> byte_at;  // Of each code point of prompt and text, and the end.
  size_t prompt_bytes = 0;

  size_t first_body() const { return front + prompt; }
  size_t back() const { return encoding.ids.size() - front - prompt - body; }
  // Bytes of the text, without its prompt, up to code point `at`.
  size_t TextByte(int32_t at) const {
    const size_t byte = byte_at[std::min(static_cast<size_t>(at), byte_at.size() - 1)];
    return byte > prompt_bytes ? byte - prompt_bytes : 0;
  }
  Chunk ChunkOf(size_t text, size_t begin, size_t end) const {
    const auto& offsets = encoding.offsets;
    return {.text = text,
            .begin_byte = TextByte(offsets[first_body() + begin].first),
            .end_byte = TextByte(offsets[first_body() + end - 1].second),
            .begin_token = static_cast<int32_t>(begin),
            .end_token = static_cast<int32_t>(end)};
  }
};

std::vector<size_t> CodePointBytes(std::string_view text) {
  std::vector<size_t> starts;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) starts.push_back(i);
  }
  starts.push_back(text.size());
  return starts;
}

Result<WholeText> Tokenize(std::string_view text, const WindowArgs& args,
                           tokenizer::Scratch& scratch) {
  const std::string prompted = StrCat(args.prompt, text);
  EncodeOptions encode{.add_special_tokens = args.encode.add_special_tokens, .with_offsets = true};
  encode.truncation = Off{};
  WholeText whole;
  AKIN_TRY_ASSIGN(whole.encoding, args.tokenizer.Encode(prompted, encode, scratch));
  whole.byte_at = CodePointBytes(prompted);
  whole.prompt_bytes = args.prompt.size();
  const auto& special = whole.encoding.special_tokens_mask;
  const auto& offsets = whole.encoding.offsets;
  const size_t count = special.size();
  while (whole.front < count && special[whole.front] != 0) ++whole.front;
  size_t end = count;
  while (end > whole.front && special[end - 1] != 0) --end;
  const auto in_prompt = [&](size_t token) {
    return whole.byte_at[static_cast<size_t>(offsets[token].second)] <= whole.prompt_bytes;
  };
  if (whole.prompt_bytes > 0) {
    while (whole.front + whole.prompt < end && in_prompt(whole.front + whole.prompt))
      ++whole.prompt;
  }
  whole.body = end - whole.front - whole.prompt;
  return whole;
}

// Where windows begin, over `body` tokens, each with at most `room` of them.
struct Span {
  size_t begin, end;
};
std::vector<Span> Deal(size_t body, size_t room, size_t overlap) {
  std::vector<Span> spans;
  for (size_t begin = 0;; begin += room - overlap) {
    const size_t end = std::min(begin + room, body);
    spans.push_back({begin, end});
    if (end == body) return spans;
  }
}

class WindowMaker {
 public:
  WindowMaker(const WindowArgs& args, ReadTexts& result) : args_(args), result_(result) {}

  // Text `text` was not cut: one sequence, one row.
  void Keep(size_t text, const TokenizedTexts& read, size_t bytes) {
    result_.sequences.Append({.input_ids = read.input_ids(text),
                              .token_type_ids = read.token_type_ids(text),
                              .excluded = read.excluded()[text],
                              .text = read.text(text)});
    result_.text_of.push_back(static_cast<uint32_t>(text));
    result_.weights.push_back(static_cast<float>(read.lengths()[text]));
    // Tokens are counted without special ones, which only the tokenizer tells apart.
    const int32_t tokens = std::max(
        0, read.lengths()[text] -
               (args_.encode.add_special_tokens ? args_.tokenizer.num_special_tokens() : 0));
    result_.chunks.push_back({.text = text, .end_byte = bytes, .end_token = tokens});
  }

  Status Split(size_t text, std::string_view content) {
    AKIN_TRY_ASSIGN(const WholeText whole, Tokenize(content, args_, scratch_));
    if (!args_.options.chunk_ends.empty()) return SplitAsGiven(text, content.size(), whole);
    AKIN_TRY_ASSIGN(const size_t room,
                    Room(whole, args_.options.window_tokens.value_or(*args_.encode.max_tokens)));
    const size_t overlap = static_cast<size_t>(args_.options.window_overlap);
    if (args_.options.window_overlap < 0 || overlap >= room) {
      return InvalidInput("window_overlap is ", args_.options.window_overlap, ", expected 0 to ",
                          room - 1, ": a window has room for ", room, " tokens of the text");
    }
    if (args_.options.overflow == Overflow::kLate) return SplitLate(text, whole, room, overlap);
    for (const Span& span : Deal(whole.body, room, overlap)) {
      const Chunk chunk = whole.ChunkOf(text, span.begin, span.end);
      std::string window;
      if (args_.keeps_texts) {
        window = StrCat(args_.prompt,
                        content.substr(chunk.begin_byte, chunk.end_byte - chunk.begin_byte));
      }
      Append(text, whole, span, {}, window);
      result_.chunks.push_back(chunk);
    }
    return {};
  }

 private:
  // Tokens of the text in a window of `tokens`.
  Result<size_t> Room(const WholeText& whole, int tokens) const {
    const size_t taken = whole.first_body() + whole.back();
    if (tokens < 1 || tokens > args_.max_positions) {
      return InvalidInput("window_tokens is ", tokens, ", expected 1 to ", args_.max_positions,
                          ", the model's positions");
    }
    if (static_cast<size_t>(tokens) <= taken) {
      return InvalidInput("window_tokens is ", tokens, ", but special tokens and prompt take ",
                          taken, " of a window");
    }
    return static_cast<size_t>(tokens) - taken;
  }

  // The context holds `room` tokens of the text; longer texts take several of them.
  Status SplitLate(size_t text, const WholeText& whole, size_t room, size_t overlap) {
    AKIN_TRY_ASSIGN(const size_t context, Room(whole, args_.max_positions));
    for (const Span& part : Deal(whole.body, context, 0)) {
      std::vector<pooling::Segment> segments;
      for (const Span& span : Deal(part.end - part.begin, std::min(room, context), overlap)) {
        segments.push_back({.begin = whole.first_body() + span.begin,
                            .length = span.end - span.begin,
                            .first_position = whole.first_body() + span.begin});
        result_.chunks.push_back(
            whole.ChunkOf(text, part.begin + span.begin, part.begin + span.end));
      }
      Append(text, whole, part, std::move(segments), {});
    }
    return {};
  }

  // Each token belongs to the chunk that it begins in.
  Status SplitAsGiven(size_t text, size_t bytes, const WholeText& whole) {
    const std::vector<size_t>& ends = args_.options.chunk_ends;
    if (!std::ranges::is_sorted(ends) || ends.back() != bytes) {
      return InvalidInput("chunk_ends do not ascend to ", bytes, ", the size of the text");
    }
    AKIN_TRY_ASSIGN(const size_t context, Room(whole, args_.max_positions));
    if (whole.body > context) {
      const int64_t tokens = static_cast<int64_t>(whole.encoding.ids.size());
      return InvalidInput("the chunks have ", tokens, " tokens together, the model's context is ",
                          args_.max_positions)
          .With(TooManyTokens{tokens, args_.max_positions});
    }
    std::vector<pooling::Segment> segments;
    size_t begin = 0;
    for (size_t i = 0; i < ends.size(); ++i) {
      size_t end = begin;
      while (end < whole.body && whole.ChunkOf(text, end, end + 1).begin_byte < ends[i]) ++end;
      if (end == begin) return InvalidInput("chunk ", i, " has no tokens");
      segments.push_back({.begin = whole.first_body() + begin,
                          .length = end - begin,
                          .first_position = whole.first_body() + begin});
      result_.chunks.push_back(whole.ChunkOf(text, begin, end));
      begin = end;
    }
    Append(text, whole, {0, whole.body}, std::move(segments), {});
    return {};
  }

  void Append(size_t text, const WholeText& whole, const Span& span,
              std::vector<pooling::Segment> segments, std::string_view content) {
    ids_.clear();
    types_.clear();
    const auto add = [&](size_t begin, size_t end) {
      const auto from = static_cast<ptrdiff_t>(begin), to = static_cast<ptrdiff_t>(end);
      const Encoding& encoding = whole.encoding;
      ids_.insert(ids_.end(), encoding.ids.begin() + from, encoding.ids.begin() + to);
      types_.insert(types_.end(), encoding.type_ids.begin() + from, encoding.type_ids.begin() + to);
    };
    add(0, whole.first_body());
    add(whole.first_body() + span.begin, whole.first_body() + span.end);
    add(whole.encoding.ids.size() - whole.back(), whole.encoding.ids.size());
    const size_t excluded = args_.excludes_prompt && whole.prompt > 0 ? whole.first_body() : 0;
    result_.sequences.Append({.input_ids = ids_,
                              .token_type_ids = types_,
                              .excluded = static_cast<int32_t>(excluded),
                              .segments = std::move(segments),
                              .text = content});
    result_.text_of.push_back(static_cast<uint32_t>(text));
    result_.weights.push_back(static_cast<float>(span.end - span.begin));
  }

  const WindowArgs& args_;
  ReadTexts& result_;
  tokenizer::Scratch scratch_;
  std::vector<int32_t> ids_, types_;
};

}  // namespace

Result<ReadTexts> SplitIntoWindows(std::span<const std::string_view> texts, ReadTexts read,
                                   const WindowArgs& args) {
  const bool as_given = !args.options.chunk_ends.empty();
  if (as_given && texts.size() != 1) {
    return InvalidInput("chunk_ends are of one text, but there are ", texts.size());
  }
  ReadTexts result{.num_texts = texts.size()};
  WindowMaker maker(args, result);
  for (size_t i = 0; i < texts.size(); ++i) {
    const bool longer_than_window =
        args.options.window_tokens && read.sequences.lengths()[i] > *args.options.window_tokens;
    if (!as_given && read.sequences.truncated()[i] == 0 && !longer_than_window) {
      maker.Keep(i, read.sequences, texts[i].size());
      continue;
    }
    if (const Status split = maker.Split(i, texts[i]); !split) {
      return OfText(i, split.error());
    }
  }
  if (args.options.overflow == Overflow::kAverage) {
    result.chunks.clear();
  } else {
    result.weights.clear();
  }
  return result;
}

}  // namespace akin::engine
