// The dialect of Text Embeddings Inference
// (https://github.com/huggingface/text-embeddings-inference): its handlers.
#pragma once

#include <optional>
#include <string>

#include "akin/options.h"

#include "server/app.h"
#include "server/exchange.h"
#include "server/json_reader.h"

namespace akin::server {

// api/tei.cc
void EmbedTei(App& app, const ExchangePtr& exchange);
void EmbedAllTei(App& app, const ExchangePtr& exchange);
void EmbedSparseTei(App& app, const ExchangePtr& exchange);
void SimilarityTei(App& app, const ExchangePtr& exchange);
void InfoTei(App& app, const ExchangePtr& exchange);

// api/tei_scores.cc
void PredictTei(App& app, const ExchangePtr& exchange);
void RerankTei(App& app, const ExchangePtr& exchange);  // `texts`: TEI; `documents`: api/rerank.cc.

// api/tei_tokenize.cc
void TokenizeTei(App& app, const ExchangePtr& exchange);
void DecodeTei(App& app, const ExchangePtr& exchange);

// api/tei_dispatch.cc: what a body means depends on the model; several bodies in one.
void InvokeTei(App& app, const ExchangePtr& exchange);
void VertexTei(App& app, const ExchangePtr& exchange);

// /rerank with `documents`, as Jina, vLLM and llama.cpp have it (api/rerank.cc).
Status RerankDocuments(App& app, const ExchangePtr& exchange, const JsonRequest& body);

// Our own addition to every body: `model`, of several that are served. Empty: the first.
Result<std::string> ReadModel(const JsonRequest& body);

// `truncate` and `truncation_direction` of a body.
Status ReadTruncation(const App& app, const JsonRequest& body, Overflow& overflow,
                      std::optional<TruncationSide>& side);

}  // namespace akin::server
