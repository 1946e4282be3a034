// A request of `akin tokenize --jsonl`: one line of JSON. docs/tokenizer.md describes the protocol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"
#include "akin/tokenizer.h"

namespace akin::cli {

enum class TokenizeOp { kEncode, kEncodeBatch, kDecode };

struct TokenizeRequest {
  TokenizeOp op = TokenizeOp::kEncode;
  std::string text;
  std::optional<std::string> pair;
  std::vector<std::string> texts;
  EncodeOptions options;
  std::vector<int32_t> decode_ids;
  bool skip_special_tokens = true;
};

struct ParsedRequest {
  std::string id;  // As it stood in the line, a JSON scalar; null if it is missing or not legible.
  Result<TokenizeRequest> request;
};

class TokenizeRequestParser {
 public:
  TokenizeRequestParser();
  ~TokenizeRequestParser();

  // Reads `line`, behind which `readable` bytes may be read. The error is InvalidInput and names
  // the member: `"truncation.stride" is -1, expected ...`.
  ParsedRequest Parse(std::string_view line, size_t readable);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akin::cli
