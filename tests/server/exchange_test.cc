#include "server/exchange.h"

#include <gtest/gtest.h>

namespace akin::server {
namespace {

// What one exchange was answered with.
struct Answered {
  int status = 0;
  std::string fault;

  ExchangePtr Ask() {
    auto exchange = std::make_shared<Exchange>(
        HttpRequest{}, "peer", [this](const HttpResponse& response) { status = response.status; });
    exchange->before_respond = [this, raw = exchange.get()](HttpResponse&) { fault = raw->fault; };
    return exchange;
  }
};

TEST(Exchange, WhatNobodyAnswersIsAFaultAndSaysSo) {
  Answered answered;
  answered.Ask();
  EXPECT_EQ(answered.status, 500);
  EXPECT_EQ(answered.fault, "the request was dropped");
}

TEST(Exchange, TheFaultIsThatOfTheAnswerThatCounts) {
  Answered answered;
  const ExchangePtr exchange = answered.Ask();
  exchange->Respond({.status = 200});
  exchange->Respond({.status = 503}, "too late");
  EXPECT_EQ(answered.status, 200);
  EXPECT_EQ(exchange->fault, "");
}

}  // namespace
}  // namespace akin::server
