// What dialects ask of models, and the way of such a call: limits, model, task, queue, answer.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "akin/scheduler.h"

#include "server/answer_size.h"
#include "server/api/failure.h"
#include "server/app.h"
#include "server/exchange.h"
#include "server/json_reader.h"
#include "server/model_registry.h"

namespace akin::server {

// Vectors of texts.
struct EmbedCall {
  std::string model;  // As the client called it; empty: it did not.
  std::vector<TextOrIds> inputs;
  std::vector<Output> outputs = {Output::kDense};
  EmbedOptions options;
  // Of these prompts the first one that the model has; without any its own default.
  std::vector<std::string> prompts;
  // Late chunking: the inputs are chunks of one document, each with a vector that knows the whole.
  bool is_one_document = false;
  bool is_list = true;
  int64_t value_bytes = kBytesOfJsonNumber;      // As the answer is written.
  std::string pooling;                           // That the client expects; empty: any.
  std::optional<int> context_tokens;             // At most so many, of a model that takes more.
  std::string_view tokens_field = "max_tokens";  // Where the client says how many.
};

// Scores of texts or pairs by the model's labels.
struct ScoreCall {
  std::string model;
  std::vector<ScoreRequest::Input> inputs;
  ScoreOptions options;     // But for the activation.
  bool raw_scores = false;  // Logits as they are; else a sigmoid of one, a softmax of several.
  bool is_list = true;
};

// How well documents answer a query.
struct RerankCall {
  std::string model;
  std::string query;
  std::vector<std::string> documents;
  ScoreOptions options;
  std::string_view tokens_field = "max_tokens";  // Where the client has that of `options`.
  // Of a document no more is read; unset: as much as the model takes.
  std::optional<int> max_document_tokens;
  bool raw_scores = false;
  bool returns_documents = false;
};

// Makes the answer, on the thread that computed. An error is the client's, in its dialect.
template <typename Answer>
using Format = std::function<Result<HttpResponse>(const Answer&, const ServedModel&)>;

// Each answers the exchange exactly once.
void Embed(App& app, const ExchangePtr& exchange, EmbedCall call, Format<AllEmbeddings> format);
void Score(App& app, const ExchangePtr& exchange, ScoreCall call, Format<Scores> format);
void Rerank(App& app, const ExchangePtr& exchange, RerankCall call, Format<Scores> format);

// What an answer says of its texts, whatever was made of them.
const TextReport& ReportOf(const AllEmbeddings& all);
inline const TextReport& ReportOf(const Scores& scores) { return scores; }

// What a request of so many texts asks of the queue. Its headers can be read: CheckHeaders.
RequestTerms TermsOf(const App& app, const Exchange& exchange, size_t texts);
std::optional<Failure> CheckHeaders(const Exchange& exchange);

// Adds what an answer took, of which a stream has several.
void AddUsage(const Usage& usage, ExchangeCosts& costs);

// What counts the texts of such answers.
template <typename Answer>
TaskMetrics& TaskOf(Metrics& metrics) {
  return std::is_same_v<Answer, Scores> ? metrics.predict : metrics.embed;
}

// Indices by descending score, equal ones in their order.
std::vector<size_t> OrderOf(std::span<const float> scores);

// Tokenizing is some hundred times quicker than computing: what so many bytes cost the queue, in
// tokens.
inline int64_t CostOfTokenizing(int64_t bytes) { return bytes / 400 + 1; }

// UTF-8 sequences begin with any byte but a continuation.
int64_t CountCharacters(std::string_view text);

}  // namespace akin::server
