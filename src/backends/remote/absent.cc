// In a build without libcurl.
#include "backends/remote/remote_backend.h"
#include "base/strings.h"

namespace akin::backends {

Result<std::unique_ptr<Backend>> LoadRemoteBackend(const RemoteParams&) {
  return UnsupportedModel("backend remote: this build has none (AKIN_HUB=OFF: no libcurl)");
}

}  // namespace akin::backends
