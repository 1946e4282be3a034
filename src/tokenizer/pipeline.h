// A tokenizer.json, ready to run: the stages of the file in their order.
//
//   text -> added tokens -> normalizer -> added tokens -> pre-tokenizer -> model -> truncation
//        -> post-processor -> ids
//
// akin::Tokenizer is the public face; the engine uses this class, which appends the ids of one text
// after another to one vector, so that a ragged batch is built without copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"
#include "akin/tokenizer.h"

namespace akin::tokenizer {

// The memory of one encoding thread, kept from text to text. What a very long text needed is given
// back after it.
class Scratch {
 public:
  Scratch();
  Scratch(Scratch&&) noexcept;
  Scratch& operator=(Scratch&&) noexcept;
  ~Scratch();

 private:
  friend class Pipeline;
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

// Immutable after Load; Encode may be called from many threads, each with its own Scratch.
class Pipeline {
 public:
  // `json` is the text of a tokenizer.json, `name` stands for it in messages. With `lower_case`
  // texts are lower-cased before its own normalizer (sentence-transformers' do_lower_case).
  // Errors: InvalidModel, UnsupportedModel; the message names the key.
  static Result<std::unique_ptr<const Pipeline>> Load(std::string_view json, std::string name,
                                                      bool lower_case = false);
  ~Pipeline();

  // Appends the ids of `text` to `ids` and, unless it is null, their types to `type_ids`, which
  // holds as many entries. `truncated` becomes the number of tokens cut. Once `scratch` and the
  // vectors have grown, nothing is allocated. Errors, with nothing appended: InvalidInput (`text`
  // is not UTF-8: the message has the byte offset; max_tokens below what the special tokens need).
  Status Encode(std::string_view text, const EncodeOptions& options, Scratch& scratch,
                std::vector<int32_t>& ids, std::vector<int32_t>* type_ids,
                int32_t& truncated) const;

  // The same with all that the options ask for, but padding.
  Result<Encoding> Encode(std::string_view text, const EncodeOptions& options,
                          Scratch& scratch) const;
  Result<Encoding> EncodePair(std::string_view first, std::string_view second,
                              const EncodeOptions& options, Scratch& scratch) const;

  // Pads the encodings of one batch as the options or the file say. Error: InvalidInput.
  Status Pad(std::span<Encoding> batch, const EncodeOptions& options) const;

  // The text of tokens; ids that nobody has are passed over. Error: InvalidInput.
  Result<std::string> Decode(std::span<const int32_t> ids, bool skip_special_tokens) const;

  std::optional<int32_t> TokenToId(std::string_view token) const;
  std::optional<std::string_view> IdToToken(int32_t id) const;
  size_t vocab_size() const;  // Added tokens included.

  // What a model must be able to look up: no encoding holds a larger id or type id.
  int32_t max_id() const;
  int32_t max_type_id() const;
  // Tokens that the post-processor adds to every text, when asked to.
  int num_special_tokens() const;

 private:
  struct Stages;
  explicit Pipeline(std::unique_ptr<const Stages> stages);
  std::unique_ptr<const Stages> stages_;
};

// The public class over a pipeline that somebody else has loaded.
Tokenizer WrapPipeline(std::shared_ptr<const Pipeline> pipeline);

}  // namespace akin::tokenizer
