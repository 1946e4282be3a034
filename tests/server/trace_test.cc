#include "server/trace.h"

#include <gtest/gtest.h>

#include <string>

namespace akin::server {
namespace {

constexpr char kHeader[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Trace, ContinuesTheCallersTrace) {
  const TraceContext context = ContinueTrace(kHeader);
  EXPECT_EQ(context.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context.parent_id, "00f067aa0ba902b7");
  EXPECT_NE(context.span_id, context.parent_id);
  EXPECT_TRUE(context.sampled);
  EXPECT_EQ(Traceparent(context), "00-" + context.trace_id + "-" + context.span_id + "-01");
}

TEST(Trace, BeginsOneWhenTheHeaderIsMissingOrMalformed) {
  const std::string good = kHeader;
  for (const std::string& header :
       {std::string(), std::string("00"), good + "x", "ff" + good.substr(2),
        std::string("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        good.substr(0, 54) + "g",
        std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")}) {
    const TraceContext context = ContinueTrace(header);
    EXPECT_TRUE(context.parent_id.empty()) << header;
    EXPECT_EQ(context.trace_id.size(), 32u);
    EXPECT_EQ(context.span_id.size(), 16u);
  }
}

TEST(Trace, ARequestHasAnIdOfPlainCharacters) {
  RequestIdentity who;
  Identify("a\nb\"c-1_2.3 =\x1b", kHeader, who);
  EXPECT_EQ(who.id, "abc-1_2.3");
  EXPECT_EQ(who.trace.parent_id, "00f067aa0ba902b7");
  Identify(std::string(1000, 'x'), "", who);
  EXPECT_EQ(who.id, std::string(128, 'x'));
  Identify("\n", "", who);
  EXPECT_EQ(who.id.size(), 32u);
}

}  // namespace
}  // namespace akin::server
