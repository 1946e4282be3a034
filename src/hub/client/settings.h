// What the environment says about the hub, by the names that huggingface_hub has.
#pragma once

#include <chrono>
#include <string>

#include "akin/result.h"

#include "http/curl.h"

namespace akin::hub {

struct HubSettings {
  std::string endpoint;  // HF_ENDPOINT without a slash at the end.
  std::string token;     // HF_TOKEN, or the file that `hf auth login` writes; may be empty.
  http::Trust trust;     // Behind https.
  bool offline = false;  // HF_HUB_OFFLINE
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds stall_timeout{30};           // HF_HUB_DOWNLOAD_TIMEOUT
  std::chrono::milliseconds first_retry_wait{500};  // AKIN_HUB_RETRY_MS; doubled each time.
  int max_retries = 5;
  int max_redirects = 5;
  int connections = 8;  // AKIN_HUB_CONNECTIONS
};

// Error: InvalidInput, a variable that cannot be meant.
Result<HubSettings> ReadHubSettings();

}  // namespace akin::hub
