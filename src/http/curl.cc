#include "http/curl.h"

#include <sys/stat.h>

#include <cstdlib>
#include <new>

#include "base/strings.h"
#include "http/headers.h"

namespace akin::http {
namespace {

constexpr std::string_view kSchemeEnd = "://";

}  // namespace

Url ParseUrl(const std::string& text) {
  Url url(Curl().url());
  if (url && Curl().url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) url.reset();
  return url;
}

std::string PartOf(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (Curl().url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string result(text);
  Curl().free(text);
  return result;
}

std::string ShownUrl(const std::string& text) {
  const Url url = ParseUrl(text);
  if (!url) {
    // Nobody knows where the parts of it end: whatever stands before an '@' may be a password.
    const size_t at = text.rfind('@'), colon = text.find(':');
    const bool has_scheme = colon < at && text.find(kSchemeEnd) == colon;
    const size_t begin = has_scheme ? colon + kSchemeEnd.size() : 0;
    std::string shown = text;
    if (at != text.npos) shown.erase(begin, at + 1 - begin);
    return shown.substr(0, shown.find_first_of("?#"));
  }
  for (CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT})
    Curl().url_set(url.get(), part, nullptr, 0);
  return PartOf(url.get(), CURLUPART_URL);
}

std::string ShownReason(std::string_view message) {
  const size_t at = message.rfind('@');
  if (at == message.npos) return std::string(message);
  size_t begin = 0;
  if (const size_t scheme = message.find(kSchemeEnd); scheme < at) {
    begin = scheme + kSchemeEnd.size();
  } else if (const size_t quote = message.find('\''); quote < at) {
    begin = quote + 1;
  }
  return StrCat(message.substr(0, begin), message.substr(at + 1));
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
  if (!trust.file.empty()) Curl().easy_setopt(curl, CURLOPT_CAINFO, trust.file.c_str());
  if (!trust.folder.empty()) {
    Curl().easy_setopt(curl, CURLOPT_CAINFO, nullptr);
    Curl().easy_setopt(curl, CURLOPT_CAPATH, trust.folder.c_str());
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
  curl_slist* const longer = Curl().slist_append(list_.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  (void)list_.release();
  list_.reset(longer);
}

}  // namespace akin::http
