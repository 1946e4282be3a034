// The words of the protocol between Akin and a child process (docs/python-backend.md).
//
// A message is a JSON object on one line; if it has "bytes", so many bytes follow the line.
//
//   -> {"id":1,"method":"load_model","params":{"protocol":1,"model":"/models/x", ...}}
//   <- {"id":1,"status":"ok","protocol":1,"frames":"binary","rows":"tokens","width":384, ...}
//   -> {"id":2,"method":"embed_batch","params":{"sequences":2,"tokens":9},"bytes":80}  80 bytes
//   <- {"id":2,"status":"ok","rows":9,"width":384,"bytes":13824}  13824 bytes
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "backends/backend.h"
#include "base/ragged_batch.h"

namespace akin::backends::python {

inline constexpr int kProtocolVersion = 1;
// An answer's line; vectors in JSON are in it.
inline constexpr size_t kMaxLineBytes = size_t{64} << 20;

// A request but for its id, which stands in front: {"id":7 + `rest`, then `payload`.
struct RequestText {
  std::string rest;
  std::string payload;
};

struct LoadRequest {
  std::string model;    // The folder.
  std::string library;  // What the child is to use; empty: what it finds.
  int num_threads = 1;
};
RequestText WriteLoadRequest(const LoadRequest& request);

// Whether token ids and rows travel as bytes or as JSON.
enum class Frames { kBinary, kJson };
// What a child says of itself and the model when it has loaded it.
struct Description {
  Frames frames = Frames::kJson;
  bool reads_texts = false;  // It has a tokenizer of its own; else it gets token ids.
  RowKind rows = RowKind::kTokenStates;
  int width = 0;
  int max_tokens = 0;
  int vocab_size = 0;          // 0: not said.
  int64_t num_parameters = 0;  // Likewise.
  std::string name;            // "sentence-transformers 5.1.0"
  std::string precision;
  bool batch_invariant = false;

  friend bool operator==(const Description&, const Description&) = default;
};

// Of token ids, or of texts for a child that reads them.
RequestText WriteEmbedRequest(const RaggedBatch& batch, const Description& child);

// An answer's line.
struct Answer {
  int64_t id = 0;
  std::optional<Error> error;  // The child's own.
  size_t num_bytes = 0;        // That follow.
  // Of embed_batch, as the line says.
  size_t rows = 0, width = 0;
  std::vector<float> values;  // [rows, width], when they stand in the line itself.
  // Of load_model.
  std::optional<Description> description;
};

// Error: Internal, the line is not the protocol's. `loading`: it answers load_model.
Result<Answer> ReadAnswer(std::string_view line, bool loading);

}  // namespace akin::backends::python
