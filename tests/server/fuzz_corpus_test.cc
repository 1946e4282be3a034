// The fuzzer's corpus, with any compiler.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#ifdef AKIN_HAS_GRPC
#include "fuzz/grpc_targets.h"
#endif
#include "fuzz/http2_targets.h"
#include "fuzz/server_targets.h"

namespace akin::server {
namespace {

// -> how many inputs there are.
int Replay(const char* folder, void (*read)(std::string_view)) {
  int count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(AKIN_TEST_DATA "/fuzz/") + folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    for (size_t cut = 0; cut <= bytes.size(); ++cut) read(std::string_view(bytes).substr(0, cut));
    ++count;
  }
  return count;
}

TEST(ServerFuzzCorpus, EveryInputIsReadWithoutAFinding) {
  EXPECT_GT(Replay("server_requests", fuzz::ReadRequests), 8);
  EXPECT_GT(Replay("http2_sessions", fuzz::ReadHttp2), 8);
#ifdef AKIN_HAS_GRPC
  EXPECT_GT(Replay("grpc_messages", fuzz::ReadGrpcMessages), 14);
#endif
}

}  // namespace
}  // namespace akin::server
