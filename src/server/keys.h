// API keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

#include "server/http/message.h"

namespace akin::server {

// Takes as long for a wrong key as for a right one: every byte of `key` is looked at, whatever
// `given` is.
inline bool EqualInConstantTime(std::string_view given, std::string_view key) {
  unsigned char difference = given.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < key.size(); ++i) {
    const char c = given.empty() ? '\0' : given[i % given.size()];
    difference |= static_cast<unsigned char>(c ^ key[i]);
  }
  // The compiler may not see that the loop could end early.
  volatile unsigned char result = difference;
  return result == 0;
}

// Whether `given` is one of `keys`; all of them are looked at.
inline bool IsOneOf(std::string_view given, const std::vector<std::string>& keys) {
  bool found = false;
  for (const std::string& key : keys) found |= EqualInConstantTime(given, key);
  return found;
}

// A key as a person has written it: without white space around it. Errors: InvalidInput (nothing is
// left, or no header can hold it); they do not show it.
Result<std::string> ParseKey(std::string_view text);

// Those of a file, one a line; lines that are empty or begin with # hold none, and a byte order
// mark is no part of the first. Errors: InvalidInput with the line.
Result<std::vector<std::string>> ParseKeyFile(std::string_view text);

// The key that a request shows: `Authorization: Bearer KEY`, `api-key: KEY`, or as the password of
// `Authorization: Basic`, which is what a browser can send for a page. Empty: none.
std::string GivenKey(const HttpRequest& request);

}  // namespace akin::server
