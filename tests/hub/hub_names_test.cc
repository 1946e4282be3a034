// Names of a hub: which are taken, which are refused.
#include <gtest/gtest.h>

#include <string>

#include "akin/hub.h"

#include "hub/hub_name.h"
#include "support/expect_error.h"

namespace akin::hub {
namespace {

TEST(HubName, RepositoryAndRevisionAreSplitAtTheAt) {
  const HubName plain = ParseHubName("org/name").value();
  EXPECT_EQ(plain.repository, "org/name");
  EXPECT_EQ(plain.revision, "main");
  const HubName pinned = ParseHubName("sentence-transformers/all_x.y-1@refs/pr/7").value();
  EXPECT_EQ(pinned.repository, "sentence-transformers/all_x.y-1");
  EXPECT_EQ(pinned.revision, "refs/pr/7");
}

TEST(HubName, WhatCouldLeaveTheCacheIsNoName) {
  for (const char* name :
       {"", "name", "/name", "org/", "a/b/c", "../name", "org/..", "org/.name", "org/name.",
        "-org/name", "org--x/name", "org/na me", "org/na\tme", "org/n@", "org/n@..", "org/n@/x",
        "org/n@x/", "org/n@x//y", "org/n@x\ny"}) {
    ExpectError(ParseHubName(name), ErrorCode::kInvalidInput);
    EXPECT_FALSE(IsHubName(name)) << name;
  }
  ExpectError(ParseHubName("org/" + std::string(100, 'n')), ErrorCode::kInvalidInput);
}

TEST(SafeRelativePath, PartsAreNames) {
  for (const char* path :
       {"a", "a/b.json", "1_Pooling/config.json", "a b", "\xC3\xA9", "a\\b", "..a", "a.."})
    EXPECT_TRUE(IsSafeRelativePath(path)) << path;
  for (const char* path :
       {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "a/./b", "a\x01", "\x7F"})
    EXPECT_FALSE(IsSafeRelativePath(path)) << path;
  EXPECT_FALSE(IsSafeRelativePath(std::string_view("a\0b", 3)));
  EXPECT_TRUE(IsSafeRelativePath(std::string(255, 'a')));
  EXPECT_FALSE(IsSafeRelativePath(std::string(256, 'a')));
}

}  // namespace
}  // namespace akin::hub
