// The questions that a pull asks the hub.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "hub/client/http_client.h"
#include "hub/client/repo_listing.h"
#include "hub/client/settings.h"
#include "hub/hub_name.h"

namespace akin::hub {

class HubApi {
 public:
  HubApi(const HubSettings& settings, const std::function<bool()>& cancelled,
         Retries::OnWait on_wait)
      : settings_(settings),
        cancelled_(cancelled),
        on_wait_(std::move(on_wait)),
        client_(settings, cancelled) {}

  // The commit that `name` stands for now. Errors: ModelNotFound (the model, the revision, or not
  // for this token), ServiceUnavailable, InvalidModel.
  Result<std::string> Commit(const HubName& name);
  // All files of a commit. The same errors.
  Result<std::vector<HubFile>> Files(const HubName& name, const std::string& commit);

 private:
  Result<HttpResponse> GetJson(const HubName& name, const std::string& url, std::string& body);

  const HubSettings& settings_;
  const std::function<bool()>& cancelled_;
  const Retries::OnWait on_wait_;
  HttpClient client_;
};

// Where a file of a commit is fetched.
std::string FileUrl(const HubSettings& settings, std::string_view repository,
                    std::string_view commit, std::string_view path);

// An answer that is no success, as an error that says what to do about it. `what` is what was asked
// for: "org/name@main", "org/name: config.json".
Error RefusedByHub(const HubSettings& settings, const HttpResponse& response,
                   std::string_view what);

}  // namespace akin::hub
