// AkiDB's embedding route: /api/v1/embed. Its errors are plain text.
#include <utility>

#include "server/api/options.h"
#include "server/api/vectors.h"
#include "server/app.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

constexpr size_t kMaxTexts = 32;

Result<std::string> Body(const Embeddings& vectors, std::string_view model, Encoding encoding) {
  std::string out;
  out.reserve(JsonBytes(vectors));
  JsonObject answer(out);
  AKIN_TRY(AppendVectors(answer.Key("embeddings"), vectors, encoding));
  answer.Add("model", model).Add("dimension", static_cast<int64_t>(vectors.dimension()));
  const Usage& usage = vectors.usage();
  JsonObject(answer.Key("usage"))
      .Add("total_tokens", usage.total_tokens)
      .Add("duration_ms", static_cast<int64_t>(usage.duration_ms + 0.5));
  answer.Close();
  return out;
}

void EmbedAkiDb(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    EmbedCall call;
    AKIN_TRY_ASSIGN(auto texts, body.Strings("texts"));
    if (!texts) return InvalidField("texts", " is missing");
    AKIN_TRY_ASSIGN(const auto model, body.String("model"));
    call.model = model.value_or("");
    AKIN_TRY_ASSIGN(const auto pooling, body.String("pooling"));
    call.pooling = pooling.value_or("");
    AKIN_TRY_ASSIGN(const auto normalize, body.Bool("normalize"));
    call.options.normalize = normalize.value_or(true);
    AKIN_TRY(ReadAdditions(body, call.options));
    AKIN_TRY_ASSIGN(const AskedEncoding asked, ReadEncoding(body));
    call.value_bytes = BytesOfValue(asked.encoding);
    if (texts->empty()) {
      app.Fail(exchange, Problem::kEmpty, "texts cannot be empty");
      return {};
    }
    if (texts->size() > kMaxTexts) {
      app.Fail(exchange, Problem::kTooManyTexts, "Maximum 32 texts per request");
      return {};
    }
    call.inputs = TextsAsInputs(*std::move(texts));
    EmbedVectors(app, exchange, std::move(call),
                 [encoding = asked.encoding](const Embeddings& vectors, const ServedModel& served) {
                   return Body(vectors, served.name(), encoding);
                 });
    return {};
  });
}

}  // namespace

std::vector<Route> AkiDbRoutes() {
  return {{"POST", "/api/v1/embed", Dialect::kAkiDb, EmbedAkiDb, false, true}};
}

}  // namespace akin::server
