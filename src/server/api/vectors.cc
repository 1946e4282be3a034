#include "server/api/vectors.h"

#include <algorithm>
#include <utility>

#include "akin/quantize.h"

#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

struct NamedEncoding {
  std::string_view name;
  Encoding encoding;
};
constexpr NamedEncoding kEncodings[] = {
    {"float", Encoding::kFloat}, {"base64", Encoding::kBase64}, {"int8", Encoding::kInt8},
    {"uint8", Encoding::kUint8}, {"binary", Encoding::kBinary}, {"ubinary", Encoding::kUbinary}};

// The first that is given counts.
constexpr std::string_view kEncodingFields[] = {"encoding_format", "embedding_type"};

Error NotAnEncoding(std::string_view field, std::string_view found) {
  return InvalidField(field, " is ", found,
                      ", expected one of float, base64, int8, uint8, binary and ubinary");
}

template <typename Byte>
void AppendBytes(std::string& out, std::span<const Byte> bytes) {
  AppendJsonArray(out, bytes.size(), [&](size_t i) { AppendPiece(out, int{bytes[i]}); });
}

// Values of vectors of length 1 lie between -1 and 1, whatever the model.
QuantizationRanges UnitRanges(size_t dimension) {
  return {.min = std::vector<float>(dimension, -1.0f), .max = std::vector<float>(dimension, 1.0f)};
}

// Appends `vector` as `count` of the bytes that `convert` fills in.
template <typename Byte, typename Convert>
Status AppendConverted(std::string& out, size_t count, Convert convert) {
  std::vector<Byte> bytes(count);
  AKIN_TRY(convert(std::span(bytes)));
  AppendBytes<Byte>(out, bytes);
  return {};
}

}  // namespace

std::optional<Encoding> ParseEncoding(std::string_view name) {
  for (const NamedEncoding& row : kEncodings) {
    if (row.name == name) return row.encoding;
  }
  return std::nullopt;
}

std::string_view EncodingName(Encoding encoding) {
  return std::ranges::find(kEncodings, encoding, &NamedEncoding::encoding)->name;
}

Result<AskedEncodings> ReadEncodings(const JsonRequest& body) {
  for (const std::string_view field : kEncodingFields) {
    AKIN_TRY(body.CheckFew(field));
    AKIN_TRY_ASSIGN(const auto names, body.StringOrStrings(field));
    if (!names || names->empty()) continue;
    AskedEncodings asked{.field = field};
    for (const std::string& name : *names) {
      const auto encoding = ParseEncoding(name);
      if (!encoding) return NotAnEncoding(field, StrCat('\'', name.substr(0, 50), '\''));
      if (std::ranges::find(asked.encodings, *encoding) == asked.encodings.end())
        asked.encodings.push_back(*encoding);
    }
    return asked;
  }
  return AskedEncodings{.encodings = {Encoding::kFloat}};
}

Result<AskedEncoding> ReadEncoding(const JsonRequest& body) {
  AKIN_TRY_ASSIGN(const AskedEncodings asked, ReadEncodings(body));
  const Encoding first = asked.encodings.front();
  if (asked.encodings.size() > 1)
    return InvalidField(asked.field, " is a list of ", asked.encodings.size(),
                        " kinds, which /v1/embeddings takes; here one is expected");
  return AskedEncoding{first, asked.field};
}

int64_t BytesOfValue(Encoding encoding) {
  switch (encoding) {
    case Encoding::kFloat: return kBytesOfJsonNumber;
    case Encoding::kBase64: return 6;  // 4 bytes, each 3 of them as 4 characters.
    case Encoding::kInt8:
    case Encoding::kUint8: return 5;  // "-127,"
    case Encoding::kBinary:
    case Encoding::kUbinary: return 1;  // 8 values as one of those.
  }
  return kBytesOfJsonNumber;
}

Status AppendEncoded(std::string& out, std::span<const float> vector, Encoding encoding) {
  switch (encoding) {
    case Encoding::kFloat: AppendJsonFloats(out, vector); return {};
    case Encoding::kBase64:
      out += '"';
      AppendBase64(out, FloatBytes(vector));
      out += '"';
      return {};
    case Encoding::kInt8:
      return AppendConverted<int8_t>(out, vector.size(), [&](std::span<int8_t> bytes) {
        return ToInt8(vector, UnitRanges(vector.size()), bytes);
      });
    case Encoding::kUint8:
      return AppendConverted<uint8_t>(out, vector.size(), [&](std::span<uint8_t> bytes) {
        return ToUint8(vector, UnitRanges(vector.size()), bytes);
      });
    case Encoding::kBinary:
      return AppendConverted<int8_t>(
          out, vector.size() / 8, [&](std::span<int8_t> bytes) { return ToBinary(vector, bytes); });
    case Encoding::kUbinary:
      return AppendConverted<uint8_t>(out, vector.size() / 8, [&](std::span<uint8_t> bytes) {
        return ToUbinary(vector, bytes);
      });
  }
  return {};
}

Status AppendVectors(std::string& out, const Embeddings& vectors, Encoding encoding) {
  Status status;
  AppendJsonArray(out, vectors.size(), [&](size_t i) {
    if (status) status = AppendEncoded(out, vectors[i], encoding);
  });
  return status;
}

bool WantsRaw(const HttpRequest& request) {
  bool wants = false;
  ForEachPart(request.header("accept"), ',', [&](std::string_view media) {
    wants |=
        EqualIgnoringCase(Trimmed(media.substr(0, media.find(';'))), "application/octet-stream");
  });
  return wants;
}

namespace {

void AppendRaw(std::string& out, std::span<const float> vector) {
  const auto bytes = FloatBytes(vector);
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

HttpResponse RawVectors(const Embeddings& vectors) {
  HttpResponse response{.content_type = "application/octet-stream"};
  for (size_t i = 0; i < vectors.size(); ++i) AppendRaw(response.body, vectors[i]);
  response.headers.push_back({"x-embedding-count", StrCat(vectors.size())});
  response.headers.push_back({"x-embedding-dimension", StrCat(vectors.dimension())});
  return response;
}

HttpResponse RawTokenVectors(const TokenEmbeddings& tokens) {
  HttpResponse response{.content_type = "application/octet-stream"};
  std::string counts;
  size_t total = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto rows = tokens[i];
    for (size_t t = 0; t < rows.rows(); ++t) AppendRaw(response.body, rows.row(t));
    counts += StrCat(i > 0 ? "," : "", rows.rows());
    total += rows.rows();
  }
  response.headers.push_back({"x-embedding-count", StrCat(total)});
  response.headers.push_back({"x-embedding-dimension", StrCat(tokens.dimension())});
  response.headers.push_back({"x-embedding-counts", std::move(counts)});
  return response;
}

void WithBody(App& app, const ExchangePtr& exchange,
              const std::function<Status(const JsonRequest& body)>& read) {
  const Result<JsonRequest> body =
      JsonRequest::Parse(std::move(exchange->request.body), app.options().max_client_batch_size);
  if (!body) return app.Fail(exchange, Problem::kBadJson, body.error().message());
  if (const Status status = read(*body); !status) {
    app.Fail(exchange, body->has_too_many() ? Problem::kTooManyTexts : Problem::kBadShape,
             status.error().message(), status.error().field());
  }
}

std::vector<TextOrIds> TextsAsInputs(std::vector<std::string> texts) {
  std::vector<TextOrIds> inputs;
  inputs.reserve(texts.size());
  for (std::string& text : texts) inputs.push_back({.text = std::move(text)});
  return inputs;
}

void EmbedVectors(App& app, const ExchangePtr& exchange, EmbedCall call, FormatVectors format) {
  const bool raw = WantsRaw(exchange->request);
  if (raw) call.value_bytes = sizeof(float);
  Embed(app, exchange, std::move(call),
        [raw, format = std::move(format)](const AllEmbeddings& all,
                                          const ServedModel& model) -> Result<HttpResponse> {
          if (raw) return RawVectors(all.dense);
          AKIN_TRY_ASSIGN(std::string body, format(all.dense, model));
          return HttpResponse{.body = std::move(body)};
        });
}

}  // namespace akin::server
