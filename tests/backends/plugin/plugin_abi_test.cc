// The binary form of akin/plugin.h: what is here cannot change while AKIN_PLUGIN_ABI_VERSION is 1.
#include <gtest/gtest.h>

#include <cstddef>

#include "akin/plugin.h"

namespace {

static_assert(AKIN_PLUGIN_ABI_VERSION == 1, "new sizes for a new version");

#if UINTPTR_MAX == UINT64_MAX
TEST(PluginAbi, StructsKeepTheirLayout) {
  EXPECT_EQ(sizeof(akin_plugin_error), 1024u);
  EXPECT_EQ(sizeof(akin_plugin_option), 16u);
  EXPECT_GE(sizeof(akin_plugin_load_args), 48u);  // These grow at their end.
  EXPECT_GE(sizeof(akin_plugin_description), 368u);
  EXPECT_GE(sizeof(akin_plugin_batch), 56u);
  EXPECT_GE(sizeof(akin_plugin_output), 40u);
  EXPECT_GE(sizeof(akin_plugin), 80u);
  EXPECT_EQ(offsetof(akin_plugin_load_args, num_options), 40u);
  EXPECT_EQ(offsetof(akin_plugin_description, num_parameters), 40u);
  EXPECT_EQ(offsetof(akin_plugin_description, detail), 112u);
  EXPECT_EQ(offsetof(akin_plugin_batch, texts), 48u);
  EXPECT_EQ(offsetof(akin_plugin_output, width), 32u);
  EXPECT_EQ(offsetof(akin_plugin, close), 72u);
}
#endif

TEST(PluginAbi, CodesAreThoseOfGrpc) {
  EXPECT_EQ(AKIN_PLUGIN_INVALID_INPUT, 3);
  EXPECT_EQ(AKIN_PLUGIN_MODEL_NOT_FOUND, 5);
  EXPECT_EQ(AKIN_PLUGIN_INVALID_MODEL, 9);
  EXPECT_EQ(AKIN_PLUGIN_UNSUPPORTED_MODEL, 12);
  EXPECT_EQ(AKIN_PLUGIN_INTERNAL, 13);
  EXPECT_EQ(AKIN_PLUGIN_UNAVAILABLE, 14);
}

}  // namespace
