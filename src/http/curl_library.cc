#include "http/curl_library.h"

#include <dlfcn.h>

#include "base/strings.h"

namespace akin::http {
namespace {

#ifdef __APPLE__
constexpr const char* kNames[] = {"/usr/lib/libcurl.4.dylib", "libcurl.4.dylib"};
#else
constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
#endif
constexpr unsigned kLeastVersion = 0x075500;  // 7.85: CURLOPT_PROTOCOLS_STR.

template <typename Function>
bool Find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  return function != nullptr;
}

bool FindAll(void* handle, CurlLibrary& curl) {
  return Find(handle, "curl_version_info", curl.version_info) &&
         Find(handle, "curl_global_init", curl.global_init) &&
         Find(handle, "curl_getdate", curl.getdate) && Find(handle, "curl_free", curl.free) &&
         Find(handle, "curl_easy_init", curl.easy_init) &&
         Find(handle, "curl_easy_reset", curl.easy_reset) &&
         Find(handle, "curl_easy_cleanup", curl.easy_cleanup) &&
         Find(handle, "curl_easy_setopt", curl.easy_setopt) &&
         Find(handle, "curl_easy_getinfo", curl.easy_getinfo) &&
         Find(handle, "curl_easy_perform", curl.easy_perform) &&
         Find(handle, "curl_easy_strerror", curl.easy_strerror) &&
         Find(handle, "curl_slist_append", curl.slist_append) &&
         Find(handle, "curl_slist_free_all", curl.slist_free_all) &&
         Find(handle, "curl_url", curl.url) && Find(handle, "curl_url_cleanup", curl.url_cleanup) &&
         Find(handle, "curl_url_get", curl.url_get) && Find(handle, "curl_url_set", curl.url_set);
}

// Why it cannot be used; empty: it is in `curl`, ready.
std::string Open(const char* name, CurlLibrary& curl) {
  void* const handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* const reason = dlerror();
    return reason != nullptr ? reason : name;
  }
  const curl_version_info_data* const version = Find(handle, "curl_version_info", curl.version_info)
                                                    ? curl.version_info(CURLVERSION_NOW)
                                                    : nullptr;
  if (version == nullptr || version->version_num < kLeastVersion || !FindAll(handle, curl)) {
    return StrCat(name, " is version ", version != nullptr ? version->version : "unknown",
                  ", expected 7.85 or newer");
  }
  const CURLcode code = curl.global_init(CURL_GLOBAL_DEFAULT);
  return code == CURLE_OK ? "" : StrCat(name, ": ", curl.easy_strerror(code));
}

}  // namespace

Result<CurlLibrary> OpenCurl(std::span<const char* const> names) {
  std::string reasons;
  for (const char* const name : names) {
    CurlLibrary curl{};
    const std::string why = Open(name, curl);
    if (why.empty()) return curl;
    reasons += StrCat(reasons.empty() ? "" : "; ", why);
  }
  return MakeError(ErrorCode::kServiceUnavailable,
                   "cannot load libcurl, which requests to other servers are made with (on Debian "
                   "and Ubuntu the package libcurl4 has it): ",
                   reasons);
}

Result<const CurlLibrary*> LoadCurl() {
  // Never destroyed: connections may outlive it.
  static const auto& library = *new Result<CurlLibrary>(OpenCurl(kNames));
  if (!library) return library.error();
  return &*library;
}

const CurlLibrary& Curl() { return **LoadCurl(); }

}  // namespace akin::http
