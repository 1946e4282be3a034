// libcurl, loaded when something is first asked of another server. Linked in, it and the many
// libraries behind it would take half of the time in which the program starts.
#pragma once

#include <curl/curl.h>

#include <span>

#include "akin/result.h"

namespace akin::http {

// The functions of it that we call, without "curl_".
struct CurlLibrary {
  decltype(&curl_version_info) version_info;
  decltype(&curl_global_init) global_init;
  decltype(&curl_getdate) getdate;
  decltype(&curl_free) free;

  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_reset) easy_reset;
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_strerror) easy_strerror;

  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;

  decltype(&curl_url) url;
  decltype(&curl_url_cleanup) url_cleanup;
  decltype(&curl_url_get) url_get;
  decltype(&curl_url_set) url_set;
};

// The first of `names` that can be used, initialized; it stays loaded. Error: ServiceUnavailable
// (none of them is there, or not older than what we call).
Result<CurlLibrary> OpenCurl(std::span<const char* const> names);

// The system's, opened by the first call; later calls return what that one did.
// Whoever lets requests begin asks for it and hands the error on.
Result<const CurlLibrary*> LoadCurl();

// After LoadCurl has succeeded.
const CurlLibrary& Curl();

}  // namespace akin::http
