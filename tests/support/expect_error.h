#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "akin/result.h"

namespace akin {

// `result` is an error of category `code` whose message has every one of `mentions` in it.
template <typename T, typename... Mentions>
void ExpectError(const Result<T>& result, ErrorCode code, const Mentions&... mentions) {
  ASSERT_FALSE(result.has_value()) << "no error; " << ErrorCodeName(code) << " is due";
  const Error& error = result.error();
  EXPECT_EQ(ErrorCodeName(error.code()), ErrorCodeName(code)) << error.message();
  for (const std::string_view mention : {std::string_view(), std::string_view(mentions)...}) {
    EXPECT_NE(error.message().find(mention), std::string::npos)
        << "'" << mention << "' is not in: " << error.message();
  }
}

}  // namespace akin
