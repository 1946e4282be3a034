#include "server/http/client_address.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

TEST(ClientAddress, AnAddressOfIpv4IsOneClient) {
  EXPECT_EQ(ClientOf("192.0.2.7"), "192.0.2.7");
  EXPECT_NE(ClientOf("192.0.2.7"), ClientOf("192.0.2.8"));
}

TEST(ClientAddress, A64OfIpv6IsOneClient) {
  EXPECT_EQ(ClientOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(ClientOf("2001:db8:1:2::1"), ClientOf("2001:db8:1:2:ffff:ffff:ffff:ffff"));
  EXPECT_NE(ClientOf("2001:db8:1:2::1"), ClientOf("2001:db8:1:3::1"));
  EXPECT_EQ(ClientOf("::1"), "::/64");
}

TEST(ClientAddress, ALinkHasManyClients) {
  EXPECT_EQ(ClientOf("fe80::1%1"), ClientOf("FE80:0::1%1"));
  EXPECT_NE(ClientOf("fe80::1%1"), ClientOf("fe80::2%1"));
  EXPECT_NE(ClientOf("fe80::1%1"), ClientOf("fe80::1%2"));
}

TEST(ClientAddress, Ipv4InsideIpv6IsIpv4) {
  EXPECT_EQ(ClientOf("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(ClientOf("64:ff9b::192.0.2.7"), "192.0.2.7");
}

TEST(ClientAddress, WhatIsNoAddressIsItself) {
  EXPECT_EQ(ClientOf("unix"), "unix");
  EXPECT_EQ(ClientOf("unknown"), "unknown");
  EXPECT_EQ(ClientOf("a:b"), "a:b");
}

}  // namespace
}  // namespace akin::server
