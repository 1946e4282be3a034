#include "server/model_checks.h"

#include <string>

#include "server/text.h"

namespace akin::server {

std::optional<Failure> CheckGives(const ModelInfo& info, Output output) {
  if (info.Gives(output)) return std::nullopt;
  const auto message = [&]() -> std::string_view {
    switch (output) {
      case Output::kSparse: return "model is not an embedding model with SPLADE pooling";
      case Output::kScores: return "model is not a classifier model";
      case Output::kMultiVector: return "model is not a late-interaction model";
      case Output::kDense:
      case Output::kTokens: return "model is not an embedding model";
    }
    return "";
  };
  return Failure{Problem::kWrongTask, std::string(message()), "model"};
}

std::optional<Failure> CheckReranks(const ModelInfo& info) {
  const bool by_score = info.Gives(Output::kScores) && info.labels.size() == 1;
  const bool by_max_sim = !info.Gives(Output::kScores) && info.Gives(Output::kMultiVector);
  if (by_score || by_max_sim) return std::nullopt;
  return Failure{Problem::kWrongTask, "model is not a re-ranker model", "model"};
}

std::optional<Failure> CheckPooling(const ModelInfo& info, std::string_view asked) {
  // Tables of static vectors have the mean of their rows, and no module that says so.
  const bool is_table = info.kind == ModelKind::kStatic && info.pooling.empty();
  const std::string_view own = is_table ? "mean" : std::string_view(info.pooling);
  if (asked.empty() || asked == own) return std::nullopt;
  if (const auto known = ParsePoolingMode(asked.substr(0, 50)); !known)
    return Failure{Problem::kBadValue, StrCat("`pooling`: ", known.error().message()), "pooling"};
  const std::string found = own.empty() ? std::string("the model pools by itself")
                                        : StrCat("the model's is \"", own, '"');
  return FailureOf(InvalidField("pooling", " is \"", asked, "\", but ", found,
                                "; leave it out, or ask for the model's own"));
}

std::optional<Failure> CheckDimensions(const EmbedOptions& options) {
  if (!options.dimensions || *options.dimensions >= 1) return std::nullopt;
  return Failure{Problem::kBadValue, "`dimensions` should be positive", "dimensions"};
}

ScoreActivation ActivationOf(const ModelInfo& info, bool raw_scores) {
  if (raw_scores) return ScoreActivation::kRaw;
  return info.labels.size() == 1 ? ScoreActivation::kSigmoid : ScoreActivation::kSoftmax;
}

}  // namespace akin::server
