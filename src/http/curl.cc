#include "http/curl.h"

#include <sys/stat.h>

#include <cstdlib>
#include <mutex>
#include <new>

#include "base/strings.h"
#include "http/headers.h"

namespace akin::http {

void InitializeCurl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

Url ParseUrl(const std::string& text) {
  Url url(curl_url());
  if (url && curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

std::string PartOf(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string result(text);
  curl_free(text);
  return result;
}

std::string ShownUrl(const std::string& text) {
  const Url url = ParseUrl(text);
  if (!url) return text.substr(0, text.find('?'));
  for (CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT})
    curl_url_set(url.get(), part, nullptr, 0);
  return PartOf(url.get(), CURLUPART_URL);
}

std::string OriginOf(const std::string& text) {
  const Url url = ParseUrl(text);
  if (!url) return "";
  return LowerCase(StrCat(PartOf(url.get(), CURLUPART_SCHEME), "://",
                          PartOf(url.get(), CURLUPART_HOST), ':',
                          PartOf(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT)));
}

Trust TrustFromEnvironment() {
  for (const char* name :
       {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"}) {
    const char* const path = std::getenv(name);
    if (path == nullptr || *path == '\0') continue;
    struct stat status;
    const bool folder = stat(path, &status) == 0 && S_ISDIR(status.st_mode);
    return folder ? Trust{.folder = path} : Trust{.file = path};
  }
  return {};
}

void SetTrust(CURL* curl, const Trust& trust) {
  // One replaces the system's own whole: libcurl would else keep its file beside the folder.
  if (!trust.file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, trust.file.c_str());
  if (!trust.folder.empty()) {
    curl_easy_setopt(curl, CURLOPT_CAINFO, nullptr);
    curl_easy_setopt(curl, CURLOPT_CAPATH, trust.folder.c_str());
  }
}

bool IsDistrust(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_SSL_ISSUER_ERROR;
}

std::string TrustHint(const Trust& trust) {
  const std::string& path = trust.file.empty() ? trust.folder : trust.file;
  return path.empty() ? " (SSL_CERT_FILE names other certificates to trust)"
                      : StrCat(" (the certificates to trust are ", path, ')');
}

void HeaderLines::Add(const std::string& line) {
  curl_slist* const longer = curl_slist_append(list_.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  (void)list_.release();
  list_.reset(longer);
}

}  // namespace akin::http
