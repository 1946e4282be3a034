// What is sent to a server of each dialect, and what is made of its answer.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "akin/remote.h"
#include "akin/result.h"

namespace akin::backends::remote {

struct RequestSettings {
  RemoteDialect dialect = RemoteDialect::kOpenAi;
  std::string model;       // What the server calls it.
  bool normalize = false;  // Whether the model's vectors have length 1; only TEI is told.
};

// Behind the address that the user gives: "/v1/embeddings".
std::string RoutePath(RemoteDialect dialect, std::string_view base);
// The JSON body.
std::string WriteRequest(std::span<const std::string_view> texts, const RequestSettings& settings);

// Appends the vectors of `num_texts` texts to `values`, in the texts' order. `width` is what they
// have to have; 0: whatever the first has, which it becomes. Error: Internal, the answer is not
// what was asked for.
Status ReadVectors(std::string_view body, RemoteDialect dialect, size_t num_texts, size_t& width,
                   std::vector<float>& values);
// The server's own words in the body of an error, one line of at most 300 bytes, without `secrets`;
// empty: there are none.
std::string ReadReason(std::string_view body, std::span<const std::string> secrets = {});
// `text` with "***" in place of each of `secrets`, none of which is empty.
std::string WithoutSecrets(std::string text, std::span<const std::string> secrets);

}  // namespace akin::backends::remote
