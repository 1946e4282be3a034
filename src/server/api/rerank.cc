// Reranking of `documents`: Cohere's /v1/rerank and /v2/rerank, which Jina and vLLM have too, and
// /rerank as vLLM and llama.cpp have it. One answer has the fields of all of them.
#include <algorithm>
#include <utility>

#include "server/api/options.h"
#include "server/api/tei.h"
#include "server/api/vectors.h"
#include "server/api/vllm.h"
#include "server/app.h"
#include "server/json_writer.h"
#include "server/text.h"
#include "server/trace.h"

namespace akin::server {
namespace {

// What an answer needs to know of its request.
struct AnswerPlan {
  size_t most = SIZE_MAX;             // Results, the best ones.
  std::vector<std::string> returned;  // The documents, if they are asked for.
  std::string_view api_version = "1";
  std::vector<std::string> warnings;
};

// As Cohere's v2 has it where a request does not say.
constexpr int kMaxTokensPerDocV2 = 4096;

Status ReadLimits(const JsonRequest& body, AnswerPlan& plan, RerankCall& call) {
  AKIN_TRY_ASSIGN(const auto most, body.Int("top_n"));
  if (most && *most < 0)
    return InvalidField("top_n", " is ", *most, ", expected a positive number");
  if (most && *most > 0) plan.most = static_cast<size_t>(*most);  // 0 is vLLM's word for all.
  AKIN_TRY_ASSIGN(const auto max_chunks, body.Int("max_chunks_per_doc"));
  if (max_chunks) {
    plan.warnings.emplace_back(
        "max_chunks_per_doc has no effect: a document that is too long is cut");
  }
  AKIN_TRY_ASSIGN(call.max_document_tokens, ReadPositive(body, "max_tokens_per_doc"));
  if (!call.max_document_tokens && plan.api_version == "2")
    call.max_document_tokens = kMaxTokensPerDocV2;
  return {};
}

Status CheckRankFields(const JsonRequest& body) {
  AKIN_TRY(body.CheckFew("rank_fields"));
  AKIN_TRY_ASSIGN(const auto fields, body.Strings("rank_fields"));
  if (!fields || (fields->size() == 1 && fields->front() == "text")) return {};
  return InvalidField("rank_fields", " is expected to be [\"text\"]");
}

std::string Body(const Scores& scores, const AnswerPlan& plan, std::string_view model) {
  std::string out;
  std::vector<size_t> order = scores.Order();
  order.resize(std::min(order.size(), plan.most));
  JsonObject answer(out);
  answer.Add("id", RandomHex(32)).Add("object", "list").Add("model", model);
  AppendJsonArray(answer.Key("results"), order.size(), [&](size_t k) {
    JsonObject result(out);
    result.Add("index", static_cast<int64_t>(order[k])).Add("relevance_score", scores[order[k]][0]);
    if (!plan.returned.empty())
      JsonObject(result.Key("document")).Add("text", plan.returned[order[k]]);
  });
  const int64_t tokens = scores.usage().total_tokens;
  JsonObject(answer.Key("usage")).Add("prompt_tokens", tokens).Add("total_tokens", tokens);
  JsonObject meta(answer.Key("meta"));
  JsonObject(meta.Key("api_version")).Add("version", plan.api_version);
  JsonObject(meta.Key("billed_units")).Add("search_units", 1);
  if (!plan.warnings.empty()) {
    AppendJsonArray(meta.Key("warnings"), plan.warnings.size(),
                    [&](size_t i) { AppendJsonString(out, plan.warnings[i]); });
  }
  meta.Close();
  answer.Close();
  return out;
}

Status RerankAs(App& app, const ExchangePtr& exchange, const JsonRequest& body, AnswerPlan plan) {
  RerankCall call;
  AKIN_TRY_ASSIGN(const auto model, body.String("model"));
  call.model = model.value_or("");
  AKIN_TRY_ASSIGN(auto query, body.String("query"));
  AKIN_TRY_ASSIGN(auto documents, body.StringsOrObjects("documents", "text"));
  if (!query || !documents)
    return InvalidInput("`query` and `documents` are needed").Of(query ? "documents" : "query");
  call.query = *std::move(query);
  call.documents = *std::move(documents);
  AKIN_TRY(ReadLimits(body, plan, call));
  AKIN_TRY(CheckRankFields(body));
  AKIN_TRY(CheckNothingElse(body));
  AKIN_TRY_ASSIGN(call.options.max_tokens, ReadPromptTokens(body));
  call.tokens_field = kPromptTokens;
  AKIN_TRY_ASSIGN(const auto raw_scores, body.Bool("raw_scores"));
  call.raw_scores = raw_scores.value_or(false);
  AKIN_TRY_ASSIGN(call.options.overflow, ReadTruncate(body, "truncate", true));
  AKIN_TRY_ASSIGN(call.options.truncation_side, ReadSide(body, "truncation_side"));
  AKIN_TRY_ASSIGN(const auto return_documents, body.Bool("return_documents"));
  call.returns_documents = return_documents.value_or(false);
  if (call.returns_documents) plan.returned = call.documents;
  Rerank(app, exchange, std::move(call),
         [plan = std::move(plan)](const Scores& scores,
                                  const ServedModel& served) -> Result<HttpResponse> {
           return HttpResponse{.body = Body(scores, plan, served.name())};
         });
  return {};
}

void RerankCohere(App& app, const ExchangePtr& exchange, std::string_view api_version) {
  WithBody(app, exchange, [&](const JsonRequest& body) {
    return RerankAs(app, exchange, body, {.api_version = api_version});
  });
}
void RerankV1(App& app, const ExchangePtr& exchange) { RerankCohere(app, exchange, "1"); }
void RerankV2(App& app, const ExchangePtr& exchange) { RerankCohere(app, exchange, "2"); }

}  // namespace

Status RerankDocuments(App& app, const ExchangePtr& exchange, const JsonRequest& body) {
  exchange->dialect = Dialect::kCohere;  // Not TEI's, whose route it came by.
  return RerankAs(app, exchange, body, {});
}

std::vector<Route> RerankRoutes() {
  return {{"POST", "/v1/rerank", Dialect::kCohere, RerankV1, false, true},
          {"POST", "/v2/rerank", Dialect::kCohere, RerankV2, false, true}};
}

}  // namespace akin::server
