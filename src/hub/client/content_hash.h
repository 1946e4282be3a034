// The two hashes by which a hub names files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin::hub {

// SHA-256 of the bytes, or SHA-1 of "blob <size>\0" and the bytes, which is git's name of a file.
// By libcrypto, which uses the CPU's SHA instructions.
class ContentHash {
 public:
  // `expected` has 64 hexadecimal digits (SHA-256) or 40 (git). Error: Internal.
  static Result<ContentHash> Start(std::string_view expected, int64_t size);
  void Update(std::string_view bytes);
  // In hexadecimal; ends the hash.
  std::string Finish();

 private:
  struct State;
  struct Free {
    void operator()(State* state) const;
  };
  explicit ContentHash(State* state) : state_(state) {}
  std::unique_ptr<State, Free> state_;
};

// Whether `text` could be such a hash; and "SHA-256" or "git blob id".
bool IsContentHash(std::string_view text);
std::string_view ContentHashName(std::string_view hash);

// Of a whole file. Error: ModelNotFound (not there, cannot be read).
Result<std::string> HashOfFile(const std::string& path, std::string_view expected);

}  // namespace akin::hub
