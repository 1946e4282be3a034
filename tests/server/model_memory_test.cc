#include "server/model_memory.h"

#include <gtest/gtest.h>

#include <string>

#include "akin/embedder.h"

namespace akin::server {
namespace {

const std::string kFolder = std::string(AKIN_TEST_DATA) + "/models/";

TEST(ModelMemory, ModelsThatStayAreTheLargestAndTheOneThatComes) {
  EXPECT_EQ(ModelMemory::BytesAtOnce({}, 0), 0);
  EXPECT_EQ(ModelMemory::BytesAtOnce({3, 9, 5}, 0), 17);
  EXPECT_EQ(ModelMemory::BytesAtOnce({3, 9, 5}, 1), 14);
  EXPECT_EQ(ModelMemory::BytesAtOnce({3, 9, 5}, 2), 17);
  EXPECT_EQ(ModelMemory::BytesAtOnce({3, 9, 5}, 7), 17);
}

// The lines of models that are said to run in f32, and of their sum.
std::string LinesOf(const RegistryOptions& options, int64_t limit_bytes) {
  testing::internal::CaptureStderr();
  {
    Logger logger(LogLevel::kInfo, false);
    ModelMemory memory(options);
    for (size_t i = 0; i < options.models.size(); ++i)
      memory.Log(logger, i, ModelInfo{.precision = "f32"});
    memory.LogSum(logger, int64_t{100} << 20, limit_bytes);
  }
  return testing::internal::GetCapturedStderr();
}

RegistryOptions Models(std::vector<ModelSpec> models) {
  return {.models = std::move(models), .load = {.precision = Precision::kF32, .num_threads = 1}};
}

TEST(ModelMemory, ASumThatDoesNotFitIsAWarning) {
  const RegistryOptions options = Models({{"one", kFolder + "bert-mean"}});
  const std::string fits = LinesOf(options, int64_t{64} << 30);
  EXPECT_NE(fits.find("info memory of the model, at most model=\"one\" precision=\"f32\" mib="),
            fits.npos)
      << fits;
  EXPECT_NE(fits.find("info memory of all models, at most mib="), fits.npos) << fits;
  EXPECT_NE(fits.find(" budgets_mib=100 limit_mib=65536"), fits.npos) << fits;
  EXPECT_EQ(fits.find("warn"), fits.npos) << fits;
  const std::string too_much = LinesOf(options, int64_t{2} << 20);
  EXPECT_NE(too_much.find("warn memory of all models, at most, which is more than there is mib="),
            too_much.npos)
      << too_much;
  EXPECT_EQ(LinesOf(options, 0).find("limit_mib"), std::string::npos) << "none is known";
}

TEST(ModelMemory, WhatCannotBePlannedIsSaidAndCounted) {
  const std::string lines =
      LinesOf(Models({{"one", kFolder + "bert-mean"}, {"none", kFolder + "not-there"}}), 0);
  EXPECT_NE(lines.find("info memory of the model is not known model=\"none\" reason="), lines.npos)
      << lines;
  EXPECT_NE(lines.find(" not_known=1"), lines.npos) << lines;
  const std::string nothing = LinesOf(Models({{"none", kFolder + "not-there"}}), 0);
  EXPECT_EQ(nothing.find("all models"), nothing.npos) << nothing;
}

}  // namespace
}  // namespace akin::server
