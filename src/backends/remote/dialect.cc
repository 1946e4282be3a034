#include "backends/remote/dialect.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "base/strings.h"
#include "base/utf8.h"
#include "formats/base64.h"
#include "formats/json.h"
#include "formats/json_text.h"

namespace akin::backends::remote {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

constexpr size_t kMaxAnswerBytes = size_t{1} << 30;  // The transfer has a closer limit.
constexpr size_t kMaxReasonBytes = 300;

// One vector: a list of numbers, or base64 of little-endian f32, as every CPU that Akin runs on
// has it.
Status ReadVector(const JsonValue& value, std::vector<float>& values) {
  if (value.is_string()) {
    AKIN_TRY_ASSIGN(const std::string_view text, value.AsString());
    const std::optional<std::string> bytes = formats::DecodeBase64(text);
    if (!bytes || bytes->size() % sizeof(float) != 0)
      return Internal(value.Where(), " is a text that is not base64 of floats");
    const size_t begin = values.size();
    values.resize(begin + bytes->size() / sizeof(float));
    std::memcpy(values.data() + begin, bytes->data(), bytes->size());
    return {};
  }
  AKIN_TRY_ASSIGN(const JsonValue::Range numbers, value.AsArray());
  for (const JsonValue number : numbers) {
    double x = std::numeric_limits<double>::quiet_NaN();  // null: what some write for it.
    if (!number.is_null()) {
      AKIN_TRY_ASSIGN(x, number.AsDouble());
    }
    values.push_back(static_cast<float>(x));
  }
  return {};
}

// The vector of text i, with its checks, to its place in `rows` [num_texts, width].
class RowTaker {
 public:
  RowTaker(size_t num_texts, size_t& width, std::vector<float>& rows)
      : taken_(num_texts), width_(width), rows_(rows), begin_(rows.size()) {}

  Status Take(const JsonValue& value, size_t text) {
    if (text >= taken_.size() || taken_[text]) {
      return Internal(value.Where(), " is of text ", text,
                      text < taken_.size() ? ", which has one" : "", "; the request had ",
                      taken_.size());
    }
    vector_.clear();
    AKIN_TRY(ReadVector(value, vector_));
    if (width_ == 0) width_ = vector_.size();
    if (vector_.size() != width_ || width_ == 0) {
      return Internal(value.Where(), " has ", vector_.size(), " values, expected ", width_);
    }
    for (const float x : vector_) {
      if (!std::isfinite(x)) return Internal(value.Where(), " is not finite (NaN or infinity)");
    }
    rows_.resize(begin_ + taken_.size() * width_);
    std::memcpy(rows_.data() + begin_ + text * width_, vector_.data(), width_ * sizeof(float));
    taken_[text] = true;
    return {};
  }

 private:
  std::vector<bool> taken_;
  size_t& width_;
  std::vector<float>& rows_;
  const size_t begin_;
  std::vector<float> vector_;
};

Status CheckCount(const JsonValue& list, size_t num_texts) {
  if (list.size() == num_texts) return {};
  return Internal(list.Where(), " has ", list.size(), " vectors, the request had ", num_texts,
                  " texts");
}

// {"data":[{"index":0,"embedding":[...]}]}
Status ReadOpenAi(const JsonValue& root, size_t num_texts, RowTaker& rows) {
  AKIN_TRY_ASSIGN(const JsonValue data, root.Get("data"));
  AKIN_TRY_ASSIGN(const JsonValue::Range items, data.AsArray());
  AKIN_TRY(CheckCount(data, num_texts));
  size_t place = 0;
  for (const JsonValue item : items) {
    size_t text = place++;
    if (const auto index = item.Find("index")) {
      AKIN_TRY_ASSIGN(const int64_t number, index->AsIntIn(0, INT32_MAX));
      text = static_cast<size_t>(number);
    }
    AKIN_TRY_ASSIGN(const JsonValue embedding, item.Get("embedding"));
    AKIN_TRY(rows.Take(embedding, text));
  }
  return {};
}

// [[...],[...]]
Status ReadTei(const JsonValue& root, size_t num_texts, RowTaker& rows) {
  AKIN_TRY_ASSIGN(const JsonValue::Range vectors, root.AsArray());
  AKIN_TRY(CheckCount(root, num_texts));
  size_t text = 0;
  for (const JsonValue vector : vectors) AKIN_TRY(rows.Take(vector, text++));
  return {};
}

// "error" or "message", as a text or one level down.
std::string ReasonIn(const JsonValue& object, int depth) {
  for (const std::string_view key : {"error", "message", "detail"}) {
    const auto value = object.is_object() ? object.Find(key) : std::nullopt;
    if (!value) continue;
    if (const auto text = value->AsString()) return std::string(*text);
    if (depth > 0) return ReasonIn(*value, depth - 1);
  }
  return "";
}

}  // namespace

std::string RoutePath(RemoteDialect dialect, std::string_view base) {
  if (dialect == RemoteDialect::kTei) return "/embed";
  return base.ends_with("/v1") ? "/embeddings" : "/v1/embeddings";
}

std::string WriteRequest(std::span<const std::string_view> texts, const RequestSettings& settings) {
  const bool tei = settings.dialect == RemoteDialect::kTei;
  std::string body(tei ? "{\"inputs\":[" : "{\"input\":[");
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) body += ',';
    formats::AppendJsonString(body, texts[i]);
  }
  if (tei) {
    body += "],\"truncate\":true,\"normalize\":";
    body += settings.normalize ? "true}" : "false}";
    return body;
  }
  body += "],\"encoding_format\":\"base64\",\"model\":";
  formats::AppendJsonString(body, settings.model);
  return body += '}';
}

Status ReadVectors(std::string_view body, RemoteDialect dialect, size_t num_texts, size_t& width,
                   std::vector<float>& values) {
  const Status read = [&]() -> Status {
    AKIN_TRY_ASSIGN(
        const JsonDocument document,
        JsonDocument::Parse(body, "answer", {.max_bytes = kMaxAnswerBytes, .max_depth = 32}));
    RowTaker rows(num_texts, width, values);
    return dialect == RemoteDialect::kTei ? ReadTei(document.root(), num_texts, rows)
                                          : ReadOpenAi(document.root(), num_texts, rows);
  }();
  if (!read) return Internal(read.error().message());
  return {};
}

std::string WithoutSecrets(std::string text, std::span<const std::string> secrets) {
  constexpr std::string_view kBlank = "***";
  for (const std::string& secret : secrets) {
    for (size_t at = 0; (at = text.find(secret, at)) != text.npos; at += kBlank.size())
      text.replace(at, secret.size(), kBlank);
  }
  return text;
}

std::string ReadReason(std::string_view body, std::span<const std::string> secrets) {
  const auto document = JsonDocument::Parse(body, "answer", {.max_depth = 32});
  // Before it is cut: half of a key is too much, too.
  std::string reason =
      WithoutSecrets(document ? ReasonIn(document->root(), 1) : std::string(), secrets);
  std::ranges::replace_if(
      reason, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; }, ' ');
  if (reason.size() > kMaxReasonBytes) {
    size_t end = kMaxReasonBytes;
    while (end > 0 && IsUtf8Continuation(reason[end])) --end;  // Not inside a character.
    reason.resize(end);
  }
  return reason;
}

}  // namespace akin::backends::remote
