#pragma once

#include <memory>
#include <string>

#include "akin/remote.h"

#include "backends/backend.h"

namespace akin::backends {

struct RemoteParams {
  RemoteOptions options;
  std::string model_name;  // Of the folder.
  int max_positions = 0;   // Longest sequence, from the model's files; 0: they do not say.
  bool normalize = false;  // The model's vectors have length 1.
};

// Vectors from a server that has the same model as the folder, which needs no weights here: texts
// are tokenized by the folder's tokenizer, so that they are counted, cut and queued as with any
// other backend, and sent as texts. On return the server has embedded one. Errors: InvalidInput (an
// option, or the server refuses the request), Overloaded, ServiceUnavailable (no answer),
// DeadlineExceeded, Internal (the answer is wrong), UnsupportedModel (this build has no such
// backend).
Result<std::unique_ptr<Backend>> LoadRemoteBackend(const RemoteParams& params);

}  // namespace akin::backends
