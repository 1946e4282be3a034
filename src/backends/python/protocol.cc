#include "backends/python/protocol.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "formats/json.h"
#include "formats/json_text.h"

namespace akin::backends::python {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

constexpr int64_t kMostValues = int64_t{1} << 31;
constexpr int kMostPositions = 1 << 20;
constexpr int kMostWidth = 1 << 20;

// Every CPU that Akin runs on is little-endian.
void AppendWords(std::string& out, std::span<const int32_t> words) {
  out.append(reinterpret_cast<const char*>(words.data()), words.size_bytes());
}

// [1,2,3]
void AppendInts(std::string& out, std::span<const int32_t> values) {
  out += '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    AppendPiece(out, values[i]);
  }
  out += ']';
}

// [[1,2],[3]], the sequences' parts of `values`; types that are not there are zeros.
void AppendSequences(std::string& out, const RaggedBatch& batch, std::span<const int32_t> values) {
  out += '[';
  for (size_t s = 0; s < batch.num_sequences(); ++s) {
    if (s > 0) out += ',';
    AppendInts(out, values.subspan(batch.begin(s), batch.length(s)));
  }
  out += ']';
}

std::vector<int32_t> TypesOf(const RaggedBatch& batch) {
  if (batch.token_type_ids.empty()) return std::vector<int32_t>(batch.num_tokens());
  return {batch.token_type_ids.begin(), batch.token_type_ids.end()};
}

ErrorCode CodeOf(std::string_view name) {
  for (const ErrorCode code :
       {ErrorCode::kInvalidInput, ErrorCode::kModelNotFound, ErrorCode::kInvalidModel,
        ErrorCode::kUnsupportedModel, ErrorCode::kOverloaded, ErrorCode::kServiceUnavailable}) {
    if (ErrorCodeName(code) == name) return code;
  }
  return ErrorCode::kInternal;
}

Result<std::string> OptionalString(const JsonValue& object, std::string_view key) {
  const auto value = object.Find(key);
  if (!value) return std::string();
  AKIN_TRY_ASSIGN(const std::string_view text, value->AsString());
  return std::string(text);
}

Result<int64_t> OptionalInt(const JsonValue& object, std::string_view key, int64_t most) {
  const auto value = object.Find(key);
  if (!value) return int64_t{0};
  return value->AsIntIn(0, most);
}

template <typename Enum, size_t kSize>
Result<Enum> ReadName(const JsonValue& object, std::string_view key,
                      const std::pair<std::string_view, Enum> (&names)[kSize]) {
  AKIN_TRY_ASSIGN(const JsonValue value, object.Get(key));
  AKIN_TRY_ASSIGN(const std::string_view text, value.AsString());
  std::string known;
  for (const auto& [name, kind] : names) {
    if (name == text) return kind;
    known += StrCat(known.empty() ? "" : ", ", name);
  }
  return Internal(value.Where(), " is ", value.Found(), ", expected one of ", known);
}

constexpr std::pair<std::string_view, Frames> kFrames[] = {{"binary", Frames::kBinary},
                                                           {"json", Frames::kJson}};
constexpr std::pair<std::string_view, bool> kInputs[] = {{"ids", false}, {"texts", true}};
constexpr std::pair<std::string_view, RowKind> kRowKinds[] = {{"tokens", RowKind::kTokenStates},
                                                              {"pooled", RowKind::kPooled},
                                                              {"vectors", RowKind::kVectors},
                                                              {"logits", RowKind::kLogits}};

Result<Description> ReadDescription(const JsonValue& root) {
  Description description;
  AKIN_TRY_ASSIGN(const JsonValue protocol, root.Get("protocol"));
  AKIN_TRY_ASSIGN(const int64_t version, protocol.AsInt());
  if (version != kProtocolVersion) {
    return Internal(protocol.Where(), " is ", version, ", Akin speaks version ", kProtocolVersion);
  }
  AKIN_TRY_ASSIGN(description.frames, ReadName(root, "frames", kFrames));
  AKIN_TRY_ASSIGN(description.rows, ReadName(root, "rows", kRowKinds));
  if (root.Find("input")) {
    AKIN_TRY_ASSIGN(description.reads_texts, ReadName(root, "input", kInputs));
  }
  if (description.reads_texts && description.rows == RowKind::kTokenStates) {
    return Internal(root.Where(),
                    ": \"input\" is \"texts\" and \"rows\" is \"tokens\"; Akin does not ",
                    "know the tokens of a child that reads texts");
  }
  AKIN_TRY_ASSIGN(const JsonValue width, root.Get("width"));
  AKIN_TRY_ASSIGN(const int64_t width_value, width.AsIntIn(1, kMostWidth));
  AKIN_TRY_ASSIGN(const JsonValue max_tokens, root.Get("max_tokens"));
  AKIN_TRY_ASSIGN(const int64_t max_tokens_value, max_tokens.AsIntIn(1, kMostPositions));
  AKIN_TRY_ASSIGN(const int64_t vocab_size, OptionalInt(root, "vocab_size", 1 << 30));
  AKIN_TRY_ASSIGN(description.num_parameters, OptionalInt(root, "num_parameters", INT64_MAX));
  description.width = static_cast<int>(width_value);
  description.max_tokens = static_cast<int>(max_tokens_value);
  description.vocab_size = static_cast<int>(vocab_size);
  AKIN_TRY_ASSIGN(description.name, OptionalString(root, "name"));
  AKIN_TRY_ASSIGN(description.precision, OptionalString(root, "precision"));
  if (const auto invariant = root.Find("batch_invariant")) {
    AKIN_TRY_ASSIGN(description.batch_invariant, invariant->AsBool());
  }
  return description;
}

// Vectors in the line itself. Rows of different lengths are no matrix.
Status ReadEmbeddings(const JsonValue& embeddings, Answer& answer) {
  AKIN_TRY_ASSIGN(const JsonValue::Range rows, embeddings.AsArray());
  for (const JsonValue row : rows) {
    AKIN_TRY_ASSIGN(const JsonValue::Range values, row.AsArray());
    if (answer.rows == 0) answer.width = row.size();
    if (row.size() != answer.width) {
      return Internal(row.Where(), " has ", row.size(), " values, the first row has ",
                      answer.width);
    }
    for (const JsonValue value : values) {
      // What some write for NaN, which JSON does not have: this row's fault, not the line's.
      double number = std::numeric_limits<double>::quiet_NaN();
      if (!value.is_null()) {
        AKIN_TRY_ASSIGN(number, value.AsDouble());
      }
      answer.values.push_back(static_cast<float>(number));
    }
    ++answer.rows;
  }
  return {};
}

Result<Answer> ReadLine(const JsonValue& root, bool loading) {
  Answer answer;
  AKIN_TRY_ASSIGN(const JsonValue id, root.Get("id"));
  AKIN_TRY_ASSIGN(answer.id, id.AsInt());
  AKIN_TRY_ASSIGN(const int64_t num_bytes, OptionalInt(root, "bytes", kMostValues * 4));
  answer.num_bytes = static_cast<size_t>(num_bytes);
  AKIN_TRY_ASSIGN(const JsonValue status_value, root.Get("status"));
  AKIN_TRY_ASSIGN(const std::string_view status, status_value.AsString());
  if (status != "ok") {
    if (status != "error")
      return Internal(status_value.Where(), " is ", status_value.Found(),
                      ", expected \"ok\" or \"error\"");
    AKIN_TRY_ASSIGN(const std::string code, OptionalString(root, "code"));
    AKIN_TRY_ASSIGN(const std::string message, OptionalString(root, "message"));
    answer.error = Error(CodeOf(code), message.empty() ? "no reason is given" : message);
    return answer;
  }
  if (loading) {
    AKIN_TRY_ASSIGN(answer.description, ReadDescription(root));
    return answer;
  }
  if (const auto embeddings = root.Find("embeddings")) {
    AKIN_TRY(ReadEmbeddings(*embeddings, answer));
    return answer;
  }
  AKIN_TRY_ASSIGN(const int64_t rows, OptionalInt(root, "rows", kMostValues));
  AKIN_TRY_ASSIGN(const int64_t width, OptionalInt(root, "width", kMostValues));
  answer.rows = static_cast<size_t>(rows);
  answer.width = static_cast<size_t>(width);
  return answer;
}

}  // namespace

RequestText WriteLoadRequest(const LoadRequest& request) {
  RequestText text{.rest = StrCat(",\"method\":\"load_model\",\"params\":{\"protocol\":",
                                  kProtocolVersion, ",\"model\":")};
  formats::AppendJsonString(text.rest, request.model);
  text.rest += R"(,"frames":["binary","json"],"library":)";
  formats::AppendJsonString(text.rest, request.library);
  text.rest += StrCat(",\"threads\":", request.num_threads, "}}\n");
  return text;
}

RequestText WriteEmbedRequest(const RaggedBatch& batch, const Description& child) {
  RequestText text{.rest = R"(,"method":"embed_batch","params":{)"};
  if (child.reads_texts) {
    text.rest += "\"texts\":[";
    for (size_t s = 0; s < batch.texts.size(); ++s) {
      if (s > 0) text.rest += ',';
      formats::AppendJsonString(text.rest, batch.texts[s]);
    }
    text.rest += "]}}\n";
    return text;
  }
  const std::vector<int32_t> types = TypesOf(batch);
  if (child.frames == Frames::kJson) {
    text.rest += "\"input_ids\":";
    AppendSequences(text.rest, batch, batch.input_ids);
    text.rest += ",\"token_type_ids\":";
    AppendSequences(text.rest, batch, types);
    text.rest += "}}\n";
    return text;
  }
  std::vector<int32_t> lengths;
  for (size_t s = 0; s < batch.num_sequences(); ++s)
    lengths.push_back(static_cast<int32_t>(batch.length(s)));
  AppendWords(text.payload, lengths);
  AppendWords(text.payload, batch.input_ids);
  AppendWords(text.payload, types);
  text.rest += StrCat("\"sequences\":", batch.num_sequences(), ",\"tokens\":", batch.num_tokens(),
                      "},\"bytes\":", text.payload.size(), "}\n");
  return text;
}

Result<Answer> ReadAnswer(std::string_view line, bool loading) {
  Result<Answer> answer = [&]() -> Result<Answer> {
    AKIN_TRY_ASSIGN(const JsonDocument document,
                    JsonDocument::Parse(line, "answer", {.max_bytes = kMaxLineBytes}));
    return ReadLine(document.root(), loading);
  }();
  if (!answer) return Internal("not of the protocol: ", answer.error().message());
  return answer;
}

}  // namespace akin::backends::python
