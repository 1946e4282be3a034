#include "hub/client/hub_api.h"

#include "base/strings.h"
#include "http/curl.h"

namespace akin::hub {
namespace {

constexpr size_t kMaxAnswerBytes = size_t{64} << 20;
constexpr int kMaxPages = 1000;

// For a path in an address: '/' stays if `keep_slashes`.
std::string Quoted(std::string_view text, bool keep_slashes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~' || (keep_slashes && c == '/');
    const auto byte = static_cast<unsigned char>(c);
    out += plain ? std::string(1, c) : StrCat('%', kDigits[byte >> 4], kDigits[byte & 15]);
  }
  return out;
}

// For messages: it may hold a password.
std::string ShownEndpoint(const HubSettings& settings) {
  std::string shown = http::ShownUrl(settings.endpoint);
  while (shown.ends_with('/')) shown.pop_back();
  return shown;
}

// `found` is what came in place of a hub's answer.
Error NoHub(const HubSettings& settings, std::string_view found) {
  return MakeError(ErrorCode::kServiceUnavailable, ShownEndpoint(settings), " answers with ", found,
                   " where a hub's JSON was expected; is HF_ENDPOINT right, and no login page in "
                   "between?");
}

std::string Described(const HubName& name) { return StrCat(name.repository, '@', name.revision); }

}  // namespace

std::string FileUrl(const HubSettings& settings, std::string_view repository,
                    std::string_view commit, std::string_view path) {
  return StrCat(settings.endpoint, '/', repository, "/resolve/", commit, '/', Quoted(path, true));
}

Error RefusedByHub(const HubSettings& settings, const HttpResponse& response,
                   std::string_view what) {
  const std::string code = response.FirstHeader("x-error-code");
  const std::string hub = ShownEndpoint(settings);
  if (code == "GatedRepo" || response.status == 403) {
    return ModelNotFound(what, " is gated: accept its conditions on ", hub, ", then ",
                         settings.token.empty() ? "set HF_TOKEN to a token of your account"
                                                : "use a token (HF_TOKEN) of the account that did");
  }
  if (code == "RevisionNotFound")
    return ModelNotFound(what, ": this revision does not exist on ", hub);
  if (code == "EntryNotFound") return ModelNotFound(what, " is not there on ", hub);
  // A hub says in a header or in JSON what it has not got; a page with that status is somebody
  // else's.
  if (code.empty() && response.Header("content-type").find("text/html") != std::string::npos)
    return NoHub(settings, StrCat("status ", response.status, " and text/html"));
  if (response.status == 401 || response.status == 404) {
    return ModelNotFound(what, " does not exist on ", hub,
                         settings.token.empty() ? ", or is private: then set HF_TOKEN"
                                                : ", or the token (HF_TOKEN) may not see it");
  }
  return MakeError(ErrorCode::kServiceUnavailable, what, ": ", hub, " answers with status ",
                   response.status);
}

Result<HttpResponse> HubApi::GetJson(const HubName& name, const std::string& url,
                                     std::string& body) {
  const HttpRequest request{.url = url,
                            .on_headers = [&](const HttpResponse&) -> Status {
                              body.clear();
                              return {};
                            },
                            .on_body = [&](std::string_view piece) -> Status {
                              if (body.size() + piece.size() > kMaxAnswerBytes)
                                return InvalidModel(Described(name),
                                                    ": the hub's answer does not end within ",
                                                    kMaxAnswerBytes, " bytes");
                              body += piece;
                              return {};
                            }};
  Retries retries(settings_, cancelled_, on_wait_);
  while (true) {
    HttpOutcome outcome = client_.Get(request);
    if (outcome.failure) {
      AKIN_TRY(retries.WaitAfter(*outcome.failure));
      continue;
    }
    if (outcome.response.status / 100 != 2)
      return RefusedByHub(settings_, outcome.response, Described(name));
    const std::string type = outcome.response.Header("content-type");
    if (type.find("json") == type.npos)
      return NoHub(settings_, type.empty() ? "an unknown type" : type);
    return std::move(outcome.response);
  }
}

Result<std::string> HubApi::Commit(const HubName& name) {
  std::string body;
  AKIN_TRY(GetJson(name,
                   StrCat(settings_.endpoint, "/api/models/", name.repository, "/revision/",
                          Quoted(name.revision, false)),
                   body));
  AKIN_TRY_ASSIGN(std::string commit, ParseCommit(body, Described(name)));
  if (IsCommitHash(name.revision) && commit != name.revision) {
    return InvalidModel(Described(name), ": the hub answers with commit ", commit);
  }
  return commit;
}

Result<std::vector<HubFile>> HubApi::Files(const HubName& name, const std::string& commit) {
  std::vector<HubFile> files;
  std::string url = StrCat(settings_.endpoint, "/api/models/", name.repository, "/tree/", commit,
                           "?recursive=true");
  for (int page = 0; page < kMaxPages; ++page) {
    std::string body;
    AKIN_TRY_ASSIGN(const HttpResponse response, GetJson(name, url, body));
    AKIN_TRY(ParseTreePage(body, Described(name) + ": list of files", files));
    const std::string next = NextPage(response.Header("link"));
    if (next.empty()) return files;
    if (http::OriginOf(next) != http::OriginOf(settings_.endpoint))
      return InvalidModel(Described(name), ": the list of files goes on at another host");
    url = next;
  }
  return InvalidModel(Described(name), ": the list of files does not end within ", kMaxPages,
                      " pages");
}

}  // namespace akin::hub
