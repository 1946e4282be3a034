#include "akin/options.h"

#include <gtest/gtest.h>

#include <string>

namespace akin {
namespace {

template <typename Parsed>
std::string FieldOf(const Parsed& parsed) {
  EXPECT_FALSE(parsed);
  EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidInput);
  return parsed.error().field();
}

TEST(OptionNames, AnUnknownOneIsOfTheOptionAsTheHeaderHasIt) {
  EXPECT_EQ(FieldOf(ParseBackendKind("x")), "backend");
  EXPECT_EQ(FieldOf(ParseRemoteDialect("x")), "dialect");
  EXPECT_EQ(FieldOf(ParsePrecision("x")), "precision");
  EXPECT_EQ(FieldOf(ParseIsa("x")), "isa");
  EXPECT_EQ(FieldOf(ParsePoolingMode("x")), "pooling");
  EXPECT_EQ(FieldOf(ParseOverflow("x")), "overflow");
  EXPECT_EQ(FieldOf(ParseScoreActivation("x")), "activation");
  EXPECT_EQ(FieldOf(ParseOutputType("x")), "output_type");
}

TEST(OptionNames, TheMessageHasItInWords) {
  EXPECT_EQ(ParseIsa("x").error().message().substr(0, 28), "unknown instruction set 'x';");
  EXPECT_EQ(ParseOutputType("x").error().message().substr(0, 24), "unknown output type 'x';");
}

}  // namespace
}  // namespace akin
