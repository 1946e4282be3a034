// A build without libcurl (AKIN_HUB=OFF): the cache is read, nothing is fetched.
#include "akin/hub.h"

#include "base/strings.h"
#include "hub/hub_cache.h"

namespace akin {
namespace {

Error NoClient(std::string_view model) {
  return UnsupportedModel("'", model,
                          "': this build of Akin has no hub client (AKIN_HUB=OFF); what "
                          "other programs have put into ",
                          hub::HubCacheFolder(), " can be loaded");
}

}  // namespace

Result<std::string> DescribeHttpClient() {
  return UnsupportedModel("this build has no client of a hub and no backend remote (AKIN_HUB=OFF)");
}

Result<PulledModel> PullModel(std::string_view model, const PullOptions&) {
  return NoClient(model);
}

Result<std::vector<std::string>> VerifyCachedModel(std::string_view model) {
  return NoClient(model);
}

}  // namespace akin
