// Small pieces over libcurl's handles and addresses. All of it needs LoadCurl.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/curl_library.h"

namespace akin::http {

struct FreeUrl {
  void operator()(CURLU* url) const { Curl().url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

// Null when it is no address.
Url ParseUrl(const std::string& text);
// Empty when it has no such part.
std::string PartOf(CURLU* url, CURLUPart part, unsigned flags = 0);
// Without user, password and query, which may be secrets: for messages. Also of what is no address,
// as one with a wrong port.
std::string ShownUrl(const std::string& text);
// What libcurl says of a failure, without the user and the password of an address in it: it repeats
// that of a proxy that it cannot use.
std::string ShownReason(std::string_view message);
// Scheme, host and port of an address; empty when it is none.
std::string OriginOf(const std::string& text);

// Whom to trust, said as curl and Python's clients let one say it. Both empty: whom the system
// trusts.
struct Trust {
  std::string file;  // SSL_CERT_FILE, CURL_CA_BUNDLE or REQUESTS_CA_BUNDLE: certificates in PEM.
  std::string
      folder;  // SSL_CERT_DIR, or a folder in one of those: certificates under hashed names.
};
Trust TrustFromEnvironment();
void SetTrust(CURL* curl, const Trust& trust);
// Whether `code` says that the server is not trusted, or that whom to trust cannot be read: another
// attempt ends as this one.
bool IsDistrust(CURLcode code);
// " (SSL_CERT_FILE ...)": what to do about it, for a message.
std::string TrustHint(const Trust& trust);

struct FreeList {
  void operator()(curl_slist* list) const { Curl().slist_free_all(list); }
};
// Lines of a request's head.
class HeaderLines {
 public:
  // Error of memory only: std::bad_alloc.
  void Add(const std::string& line);
  curl_slist* get() const { return list_.get(); }

 private:
  std::unique_ptr<curl_slist, FreeList> list_;
};

}  // namespace akin::http
