#include "cli/tokenize_answer.h"

#include <string_view>
#include <vector>

#include "cli/json_writer.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

// Appends [a,b,c], each value by `append`.
template <typename T, typename Append>
void AppendArray(std::string& out, const std::vector<T>& values, Append append) {
  out += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    append(values[i]);
  }
  out += ']';
}

// Appends "key":[...] of numbers.
template <typename T>
void AppendNumbers(std::string& out, std::string_view key, const std::vector<T>& values) {
  out.append(",\"").append(key).append("\":");
  AppendArray(out, values, [&](T value) { AppendPiece(out, static_cast<int32_t>(value)); });
}

// Appends the members of an encoding, the first with a comma before it.
void AppendEncoding(std::string& out, const Encoding& encoding) {
  AppendNumbers(out, "ids", encoding.ids);
  AppendNumbers(out, "type_ids", encoding.type_ids);
  AppendNumbers(out, "attention_mask", encoding.attention_mask);
  out += ",\"tokens\":";
  AppendArray(out, encoding.tokens,
              [&](const std::string& token) { AppendJsonString(out, token); });
  out += ",\"offsets\":";
  AppendArray(out, encoding.offsets, [&](const auto& range) {
    out += '[';
    AppendPiece(out, range.first);
    out += ',';
    AppendPiece(out, range.second);
    out += ']';
  });
  AppendNumbers(out, "special_tokens_mask", encoding.special_tokens_mask);
  out += ",\"word_ids\":";
  AppendArray(out, encoding.word_ids, [&](const std::optional<int32_t>& word) {
    if (word) {
      AppendPiece(out, *word);
    } else {
      out += "null";
    }
  });
}

// Appends {...}: an encoding alone, without the overflow.
void AppendObject(std::string& out, const Encoding& encoding) {
  const size_t begin = out.size();
  AppendEncoding(out, encoding);
  out[begin] = '{';  // In place of the comma.
  out += '}';
}

void AppendOverflow(std::string& out, const Encoding& encoding) {
  if (encoding.overflowing.empty()) return;
  out += ",\"overflowing\":";
  AppendArray(out, encoding.overflowing, [&](const Encoding& part) { AppendObject(out, part); });
}

void AppendBatch(std::string& out, const std::vector<Encoding>& batch) {
  out += ",\"batch\":";
  AppendArray(out, batch, [&](const Encoding& encoding) {
    AppendObject(out, encoding);
    if (encoding.overflowing.empty()) return;
    out.pop_back();
    AppendOverflow(out, encoding);
    out += '}';
  });
}

Status AppendEncoded(const Tokenizer& tokenizer, const TokenizeRequest& request, std::string& out) {
  AKIN_TRY_ASSIGN(const Encoding encoding,
                  request.pair ? tokenizer.EncodePair(request.text, *request.pair, request.options)
                               : tokenizer.Encode(request.text, request.options));
  AppendEncoding(out, encoding);
  AppendOverflow(out, encoding);
  return {};
}

Status AppendResult(const Tokenizer& tokenizer, const TokenizeRequest& request, std::string& out) {
  if (request.op == TokenizeOp::kEncode) return AppendEncoded(tokenizer, request, out);
  if (request.op == TokenizeOp::kEncodeBatch) {
    const std::vector<std::string_view> texts(request.texts.begin(), request.texts.end());
    AKIN_TRY_ASSIGN(const auto batch, tokenizer.EncodeBatch(texts, request.options));
    AppendBatch(out, batch);
    return {};
  }
  AKIN_TRY_ASSIGN(const std::string text,
                  tokenizer.Decode(request.decode_ids, request.skip_special_tokens));
  out += ",\"decoded\":";
  AppendJsonString(out, text);
  return {};
}

}  // namespace

void AppendAnswer(const Tokenizer& tokenizer, const ParsedRequest& parsed, std::string& out) {
  out.append("{\"id\":").append(parsed.id);
  Status status;
  if (parsed.request) {
    status = AppendResult(tokenizer, *parsed.request, out);
  } else {
    status = parsed.request.error();
  }
  if (!status) {
    out += ",\"error\":";
    AppendJsonString(out, status.error().message());
  }
  out += '}';
}

}  // namespace akin::cli
