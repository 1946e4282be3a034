#include "server/local_host.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

TEST(LocalHost, NamesOfThisMachineAndAddressesAreLocal) {
  for (const char* host : {"", "localhost", "LocalHost:80", "a.localhost:8080", "127.0.0.1",
                           "127.0.0.1:8080", "192.168.0.2", "[::1]", "[fe80::1]:8080"})
    EXPECT_TRUE(IsLocalName(host)) << host;
  for (const char* host : {"example", "localhost.example", "xlocalhost", "127.0.0.1.example",
                           "[::1", "1.2.3", "[localhost]"})
    EXPECT_FALSE(IsLocalName(host)) << host;
}

TEST(LocalHost, NamesThatNoStrangerHasArePrivate) {
  for (const char* host : {"", "localhost:80", "10.0.0.7", "akin", "akin:8080", "akin.", "127.1",
                           "host.docker.internal:8080", "Desk.LOCAL", "desk.home.arpa.", "[::1]"})
    EXPECT_TRUE(IsPrivateName(host)) << host;
  for (const char* host :
       {"a.example", "a.example.", "local.example", "xlocal.com", "127.0.0.1.nip.io",
        "a.internal.example", "x1.y2", "a.1b", "a.example..", "a.example..:80"})
    EXPECT_FALSE(IsPrivateName(host)) << host;
}

TEST(LocalHost, ANameHasNoPort) {
  EXPECT_EQ(NameOf("a.example:80"), "a.example");
  EXPECT_EQ(NameOf("[::1]:80"), "[::1]");
  EXPECT_EQ(NameOf("[::1]"), "[::1]");
  EXPECT_EQ(NameOf(""), "");
}

TEST(LocalHost, OnlyAddressesOfThisMachineAreLoopback) {
  for (const char* address : {"127.0.0.1", "127.0.0.9", "::1", "localhost"})
    EXPECT_TRUE(IsLoopback(address)) << address;
  for (const char* address : {"0.0.0.0", "::", "10.0.0.1", "example", ""})
    EXPECT_FALSE(IsLoopback(address)) << address;
}

}  // namespace
}  // namespace akin::server
