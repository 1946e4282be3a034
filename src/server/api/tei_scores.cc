// /predict and /rerank.
#include <utility>

#include "server/api/options.h"
#include "server/api/tei.h"
#include "server/api/vectors.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

// [{"score":0.9,"label":"positive"},...], the highest score first.
void AppendPrediction(std::string& out, std::span<const float> scores,
                      const std::vector<std::string>& labels) {
  const std::vector<size_t> order = OrderOf(scores);
  AppendJsonArray(out, order.size(), [&](size_t k) {
    JsonObject(out).Add("score", scores[order[k]]).Add("label", labels[order[k]]);
  });
}

Result<ScoreCall> ReadPredict(const App& app, const JsonRequest& body) {
  ScoreCall call;
  AKIN_TRY_ASSIGN(auto inputs, body.TextsOrPairs("inputs", call.is_list));
  if (!inputs) return InvalidField("inputs", " is missing");
  for (std::vector<std::string>& texts : *inputs) {
    ScoreRequest::Input input{.first = std::move(texts[0])};
    if (texts.size() > 1) input.second = std::move(texts[1]);
    call.inputs.push_back(std::move(input));
  }
  AKIN_TRY_ASSIGN(call.model, ReadModel(body));
  AKIN_TRY_ASSIGN(const auto raw_scores, body.Bool("raw_scores"));
  call.raw_scores = raw_scores.value_or(false);
  AKIN_TRY(ReadTruncation(app, body, call.options.overflow, call.options.truncation_side));
  return call;
}

}  // namespace

void PredictTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(ScoreCall call, ReadPredict(app, body));
    const bool is_list = call.is_list;
    Score(app, exchange, std::move(call),
          [is_list](const Scores& scores, const ServedModel& model) -> Result<HttpResponse> {
            HttpResponse response;
            const std::vector<std::string>& labels = model.info().labels;
            if (is_list) {
              AppendJsonArray(response.body, scores.size(), [&](size_t i) {
                AppendPrediction(response.body, scores[i], labels);
              });
            } else {
              AppendPrediction(response.body, scores[0], labels);
            }
            return response;
          });
    return {};
  });
}

void RerankTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    if (body.Has("documents")) return RerankDocuments(app, exchange, body);
    RerankCall call;
    AKIN_TRY_ASSIGN(call.model, ReadModel(body));
    AKIN_TRY_ASSIGN(auto query, body.String("query"));
    AKIN_TRY_ASSIGN(auto texts, body.Strings("texts"));
    if (!query || !texts)
      return InvalidInput("`query` and `texts` are needed").Of(query ? "texts" : "query");
    call.query = *std::move(query);
    call.documents = *std::move(texts);
    AKIN_TRY_ASSIGN(const auto raw_scores, body.Bool("raw_scores"));
    call.raw_scores = raw_scores.value_or(false);
    AKIN_TRY_ASSIGN(const auto return_text, body.Bool("return_text"));
    AKIN_TRY(ReadTruncation(app, body, call.options.overflow, call.options.truncation_side));
    std::vector<std::string> returned;
    call.returns_documents = return_text.value_or(false);
    if (call.returns_documents) returned = call.documents;
    Rerank(app, exchange, std::move(call),
           [returned = std::move(returned)](const Scores& scores,
                                            const ServedModel&) -> Result<HttpResponse> {
             HttpResponse response;
             const std::vector<size_t> order = scores.Order();
             AppendJsonArray(response.body, order.size(), [&](size_t k) {
               JsonObject rank(response.body);
               rank.Add("index", static_cast<int64_t>(order[k])).Add("score", scores[order[k]][0]);
               if (!returned.empty()) rank.Add("text", returned[order[k]]);
             });
             return response;
           });
    return {};
  });
}

}  // namespace akin::server
