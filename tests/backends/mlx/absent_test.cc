#include <gtest/gtest.h>

#include "akin/embedder.h"

namespace akin {
namespace {

TEST(MlxBackend, ThatIsNotInThisBuildSaysHowToHaveIt) {
  const auto embedder = Embedder::Load(std::string(AKIN_TEST_DATA) + "/models/bert-mean",
                                       {.backend = BackendKind::kMlx});
  ASSERT_FALSE(embedder);
  EXPECT_EQ(embedder.error().code(), ErrorCode::kUnsupportedModel);
  EXPECT_NE(embedder.error().message().find("./dev mlx"), std::string::npos);
}

}  // namespace
}  // namespace akin
