// A server elsewhere that runs the model (BackendKind::kRemote): texts go there, vectors come back.
// docs/remote-backend.md.
#pragma once

#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin {

// How the server is asked.
enum class RemoteDialect {
  kOpenAi,  // POST /v1/embeddings, as most servers understand it.
  kTei,     // POST /embed, Text Embeddings Inference's own.
};
std::string_view RemoteDialectName(RemoteDialect dialect);  // "openai"
Result<RemoteDialect> ParseRemoteDialect(std::string_view name);

struct RemoteOptions {
  // "http://gpu:8080" or with a path in front of the dialect's own: "https://host/prefix".
  std::string url;
  RemoteDialect dialect = RemoteDialect::kOpenAi;
  // Sent as a bearer token, to this server only. Empty: AKIN_REMOTE_API_KEY in the environment, or
  // none.
  std::string api_key;
  // What the server calls the model. Empty: the folder's name.
  std::string model;
  int max_connections = 8;  // Requests under way at once.
  int batch_texts = 32;     // Texts in one request.
  // Of one batch, with all its retries. What has no answer by then is an error.
  int timeout_ms = 60'000;
  int connect_timeout_ms = 5'000;
  // After a failure that may pass (no connection, 408, 425, 429, 5xx).
  int max_retries = 4;
};

}  // namespace akin
