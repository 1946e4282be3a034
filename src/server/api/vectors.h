// What the vectors of an answer look like on the wire.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/embedder.h"
#include "akin/json_floats.h"

#include "server/app.h"
#include "server/http/message.h"
#include "server/json_reader.h"
#include "server/json_writer.h"
#include "server/model_calls.h"

namespace akin::server {

// How one vector is written.
enum class Encoding { kFloat, kBase64, kInt8, kUint8, kBinary, kUbinary };

// "float", "base64", "int8", ...; nothing for other names.
std::optional<Encoding> ParseEncoding(std::string_view name);

std::string_view EncodingName(Encoding encoding);

struct AskedEncodings {
  std::vector<Encoding> encodings;  // At least one, each once.
  std::string_view field;           // That asks for them; empty: none does.
};
// What a request asks for as `encoding_format` (OpenAI) or `embedding_type` (Jina), of both as the
// first; kFloat without either. Error: InvalidInput (another name).
Result<AskedEncodings> ReadEncodings(const JsonRequest& body);

struct AskedEncoding {
  Encoding encoding;
  std::string_view field;
};
// The same of a request that may ask for one. Error: InvalidInput (another name, or several).
Result<AskedEncoding> ReadEncoding(const JsonRequest& body);

// What a value takes at most, each vector its quotes and commas apart.
int64_t BytesOfValue(Encoding encoding);

// int8 and uint8 are 256 steps from -1 to 1. Error: InvalidInput (bits of a vector whose length is
// no multiple of 8).
Status AppendEncoded(std::string& out, std::span<const float> vector, Encoding encoding);

// [[0.1,...],...], or ["...",...] in base64. Error: as AppendEncoded has it.
Status AppendVectors(std::string& out, const Embeddings& vectors, Encoding encoding);

// Room for an answer with these vectors as JSON, each a list of floats or an object of at most 64
// other bytes with one, so that it never grows: what is reserved and not written is not touched.
inline size_t JsonBytes(const Embeddings& vectors) {
  return 512 + vectors.size() * (64 + vectors.dimension() * (kMaxFloatBytes + 1));
}

// The client asked for `Accept: application/octet-stream`: vectors as little-endian f32, one behind
// the other, and nothing else.
bool WantsRaw(const HttpRequest& request);
HttpResponse RawVectors(const Embeddings& vectors);
// The same of the vectors of each text, one text behind the other; a header says how many each has.
HttpResponse RawTokenVectors(const TokenEmbeddings& tokens);

// What every dialect's handler begins with: the body as an object, or the dialect's answer to what
// is no JSON. `read` returns an error for a field that is missing or of another type.
void WithBody(App& app, const ExchangePtr& exchange,
              const std::function<Status(const JsonRequest& body)>& read);

// A call of plain texts.
std::vector<TextOrIds> TextsAsInputs(std::vector<std::string> texts);

// Embeds densely: `format` makes the body, but for those who want raw vectors.
using FormatVectors = std::function<Result<std::string>(const Embeddings&, const ServedModel&)>;
void EmbedVectors(App& app, const ExchangePtr& exchange, EmbedCall call, FormatVectors format);

}  // namespace akin::server
