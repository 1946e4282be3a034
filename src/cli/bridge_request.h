// A request of AkiDB's subprocess protocol: one line of JSON (docs/akidb.md).
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::cli {

enum class BridgeMethod { kPing, kLoadModel, kEmbedBatch };

struct BridgeRequest {
  BridgeMethod method = BridgeMethod::kPing;
  std::string model;               // Empty: not named.
  std::vector<std::string> texts;  // Of kEmbedBatch, at least one.
  std::optional<bool> normalize;
};

class BridgeRequestParser {
 public:
  BridgeRequestParser();
  ~BridgeRequestParser();

  // `line` is {"method": .., "params": {..}}; members that are not known are ignored. The error is
  // InvalidInput and names the member: `"params.texts" is a number, expected an array of strings`.
  Result<BridgeRequest> Parse(std::string_view line);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace akin::cli
