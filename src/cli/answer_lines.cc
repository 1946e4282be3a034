#include "cli/answer_lines.h"

#include <algorithm>

#include "cli/json_writer.h"
#include "cli/strings.h"
#include "cli/typed_values.h"

namespace akin::cli {
namespace {

void AppendIntegers(std::span<const int32_t> values, std::string& out) {
  out += '[';
  for (size_t i = 0; i < values.size(); ++i) out += StrCat(i > 0 ? "," : "", values[i]);
  out += ']';
}

Status AppendValues(std::span<const float> values, const ValueType& value, std::string& out) {
  AKIN_TRY_ASSIGN(const TypedValues typed, TypedValues::Make(values, value.type, value.ranges));
  typed.AppendJson(out);
  return {};
}

}  // namespace

void AppendReport(const TextReport& report, size_t i, bool with_ids, std::string& out) {
  if (report.truncated(i) > 0) out += StrCat(",\"truncated_tokens\":", report.truncated(i));
  if (!with_ids) return;
  out += ",\"ids\":";
  AppendIntegers(report.ids(i), out);
}

Result<std::string> ScoreLines(std::span<const std::string> ids, const Scores& scores,
                               std::span<const std::string> labels, const LineOptions& options) {
  std::string out;
  for (size_t i = 0; i < scores.size(); ++i) {
    out += StrCat("{\"id\":", ids[i]);
    if (!labels.empty()) {
      const auto largest = std::ranges::max_element(scores[i]) - scores[i].begin();
      out += StrCat(",\"label\":", JsonString(labels[static_cast<size_t>(largest)]));
    }
    out += ",\"scores\":";
    AKIN_TRY(AppendValues(scores[i], options.value, out));
    AppendReport(scores, i, options.with_ids, out);
    out += "}\n";
  }
  return out;
}

Result<std::string> SparseLines(std::span<const std::string> ids, const SparseEmbeddings& vectors,
                                const LineOptions& options) {
  std::string out;
  for (size_t i = 0; i < vectors.size(); ++i) {
    out += StrCat("{\"id\":", ids[i], ",\"indices\":");
    AppendIntegers(vectors[i].indices, out);
    out += ",\"values\":";
    AKIN_TRY(AppendValues(vectors[i].values, options.value, out));
    AppendReport(vectors, i, options.with_ids, out);
    out += "}\n";
  }
  return out;
}

Result<std::string> TokenLines(std::span<const std::string> ids, const TokenEmbeddings& vectors,
                               const LineOptions& options) {
  std::string out;
  for (size_t i = 0; i < vectors.size(); ++i) {
    out += StrCat("{\"id\":", ids[i], ",\"embeddings\":[");
    for (size_t t = 0; t < vectors[i].rows(); ++t) {
      if (t > 0) out += ',';
      AKIN_TRY(AppendValues(vectors[i].row(t), options.value, out));
    }
    out += ']';
    AppendReport(vectors, i, options.with_ids, out);
    out += "}\n";
  }
  return out;
}

}  // namespace akin::cli
