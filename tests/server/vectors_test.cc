#include "server/api/vectors.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/json_writer.h"

namespace akin::server {
namespace {

// The float that takes most characters, everywhere.
Embeddings LongestVectors(size_t count, size_t dimension) {
  const std::vector<int32_t> none(count);
  return Embeddings(std::vector<float>(count * dimension, -1.17549435e-38f), dimension,
                    TextReport(none, none, Usage()));
}

TEST(Vectors, AnAnswerNeverOutgrowsItsRoom) {
  for (const size_t count : {1, 2, 32, 2048}) {
    const Embeddings vectors = LongestVectors(count, 384);
    ASSERT_EQ(vectors.size(), count);
    std::string out;
    out.reserve(JsonBytes(vectors));
    const size_t room = out.capacity();
    ASSERT_TRUE(AppendVectors(out, vectors, Encoding::kFloat));
    EXPECT_EQ(out.capacity(), room) << count << " vectors";
    EXPECT_GT(out.size(), count * 384 * kMaxFloatBytes);
  }
}

// OpenAI's dialect has the longest object about each vector.
TEST(Vectors, ObjectsAboutVectorsHaveRoomToo) {
  const Embeddings vectors = LongestVectors(2048, 384);
  std::string out;
  out.reserve(JsonBytes(vectors));
  const size_t room = out.capacity();
  AppendJsonArray(out, vectors.size(), [&](size_t i) {
    JsonObject item(out);
    item.Add("object", "embedding").Add("index", static_cast<int64_t>(i));
    ASSERT_TRUE(AppendEncoded(item.Key("embedding"), vectors[i], Encoding::kFloat));
  });
  EXPECT_EQ(out.capacity(), room);
}

}  // namespace
}  // namespace akin::server
