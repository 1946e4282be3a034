#include "server/api/vectors.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

// A vector of zeros stays one.
void ScaleToLengthOne(std::span<float> vector) {
  double squares = 0;
  for (const float x : vector) squares += double{x} * double{x};
  if (squares == 0) return;
  const double scale = 1.0 / std::sqrt(squares);
  for (float& x : vector) x = static_cast<float>(double{x} * scale);
}

}  // namespace

AnswerVectors::AnswerVectors(const Embeddings& embeddings, size_t dimensions, bool normalize)
    : embeddings_(embeddings), dimension_(dimensions == 0 ? embeddings.dimension() : dimensions) {
  if (dimension_ == embeddings.dimension()) return;
  cut_.reserve(embeddings.size() * dimension_);
  for (size_t i = 0; i < embeddings.size(); ++i) {
    const auto row = embeddings[i].first(dimension_);
    cut_.insert(cut_.end(), row.begin(), row.end());
    if (normalize) ScaleToLengthOne(std::span(cut_).last(dimension_));
  }
}

std::span<const float> AnswerVectors::operator[](size_t i) const {
  return cut_.empty() ? embeddings_[i] : std::span(cut_).subspan(i * dimension_, dimension_);
}

void AppendVectors(std::string& out, const AnswerVectors& vectors) {
  AppendJsonArray(out, vectors.size(), [&](size_t i) { AppendJsonFloats(out, vectors[i]); });
}

std::vector<uint8_t> PackBits(std::span<const float> vector) {
  std::vector<uint8_t> bytes((vector.size() + 7) / 8);
  for (size_t i = 0; i < vector.size(); ++i) {
    if (vector[i] > 0) bytes[i / 8] |= static_cast<uint8_t>(0x80 >> i % 8);
  }
  return bytes;
}

std::vector<int8_t> ToInt8(std::span<const float> vector) {
  std::vector<int8_t> values;
  values.reserve(vector.size());
  for (const float x : vector) {
    values.push_back(static_cast<int8_t>(std::lround(std::clamp(x, -1.0f, 1.0f) * 127.0f)));
  }
  return values;
}

bool WantsRaw(const HttpRequest& request) {
  bool wants = false;
  ForEachPart(request.header("accept"), ',', [&](std::string_view media) {
    wants |=
        EqualIgnoringCase(Trimmed(media.substr(0, media.find(';'))), "application/octet-stream");
  });
  return wants;
}

HttpResponse RawVectors(const AnswerVectors& vectors) {
  HttpResponse response{.content_type = "application/octet-stream"};
  for (size_t i = 0; i < vectors.size(); ++i) {
    const auto bytes = FloatBytes(vectors[i]);
    response.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  response.headers.push_back({"x-embedding-count", StrCat(vectors.size())});
  response.headers.push_back({"x-embedding-dimension", StrCat(vectors.dimension())});
  return response;
}

void WithBody(App& app, const ExchangePtr& exchange,
              const std::function<Status(const JsonRequest& body)>& read) {
  const Result<JsonRequest> body = JsonRequest::Parse(std::move(exchange->request.body));
  if (!body) return app.Fail(exchange, Problem::kBadJson, body.error().message());
  if (const Status status = read(*body); !status) {
    app.Fail(exchange, Problem::kBadShape, status.error().message());
  }
}

std::vector<TextOrIds> TextsAsInputs(std::vector<std::string> texts) {
  std::vector<TextOrIds> inputs;
  inputs.reserve(texts.size());
  for (std::string& text : texts) inputs.push_back({.text = std::move(text)});
  return inputs;
}

void EmbedVectors(App& app, const ExchangePtr& exchange, EmbedCall call,
                  std::optional<int64_t> dimensions, FormatVectors format) {
  if (dimensions && *dimensions < 1) {
    return app.Fail(exchange, Problem::kBadValue, "`dimensions` should be positive", "dimensions");
  }
  const std::string name = call.model;
  auto shared_call = std::make_shared<EmbedCall>(std::move(call));
  app.WithModel(
      exchange, name,
      [&app, exchange, shared_call, dimensions,
       format = std::move(format)](const ServedModelPtr& model) {
        if (dimensions && *dimensions > model->info().dimension) {
          return app.Fail(exchange, Problem::kBadValue,
                          StrCat("`dimensions` is ", *dimensions, ", the model gives ",
                                 model->info().dimension),
                          "dimensions");
        }
        const size_t width = static_cast<size_t>(dimensions.value_or(0));
        const bool normalize = shared_call->options.normalize.value_or(model->info().normalize);
        const bool raw = WantsRaw(exchange->request);
        app.Embed(exchange, std::move(*shared_call),
                  [width, normalize, raw, format](const Embeddings& embeddings,
                                                  const ServedModel& served) -> HttpResponse {
                    const AnswerVectors vectors(embeddings, width, normalize);
                    if (raw) return RawVectors(vectors);
                    return {.body = format(embeddings, vectors, served)};
                  });
      });
}

}  // namespace akin::server
