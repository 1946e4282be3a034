// What the vectors of an answer look like on the wire.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embedder.h"

#include "server/app.h"
#include "server/http/message.h"

namespace akin::server {

// The vectors of an answer, cut to the dimensions that the client asked for.
class AnswerVectors {
 public:
  // `dimensions` 0: all. A vector that is cut is scaled to length 1 again if `normalize`.
  AnswerVectors(const Embeddings& embeddings, size_t dimensions, bool normalize);

  size_t size() const { return embeddings_.size(); }
  size_t dimension() const { return dimension_; }
  std::span<const float> operator[](size_t i) const;

 private:
  const Embeddings& embeddings_;
  const size_t dimension_;
  std::vector<float> cut_;  // [size, dimension] when something was cut.
};

// [[0.1,...],...]
void AppendVectors(std::string& out, const AnswerVectors& vectors);

// Eight values a byte, the first in the highest bit; 1 stands for a value above 0.
std::vector<uint8_t> PackBits(std::span<const float> vector);
// Values of a vector of length 1 in 255 steps: round(127 x), at most 127 in size.
std::vector<int8_t> ToInt8(std::span<const float> vector);

// The client asked for `Accept: application/octet-stream`: vectors as little-endian f32, one behind
// the other, and nothing else.
bool WantsRaw(const HttpRequest& request);
HttpResponse RawVectors(const AnswerVectors& vectors);

// What every dialect's handler begins with: the body as an object, or the dialect's answer to what
// is no JSON. `read` returns an error for a field that is missing or of another type.
void WithBody(App& app, const ExchangePtr& exchange,
              const std::function<Status(const JsonRequest& body)>& read);

// A call of plain texts.
std::vector<TextOrIds> TextsAsInputs(std::vector<std::string> texts);

// Embeds, with `dimensions` (0: all; negative or too many: the dialect's error) cut off, and raw
// vectors for those who want them.
using FormatVectors =
    std::function<std::string(const Embeddings&, const AnswerVectors&, const ServedModel&)>;
void EmbedVectors(App& app, const ExchangePtr& exchange, EmbedCall call,
                  std::optional<int64_t> dimensions, FormatVectors format);

}  // namespace akin::server
