// Memory that runs out at every allocation of a call in turn: nothing leaves the event loop, and
// the client has an end: a status, or a stream that is reset.
#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "calls_fixture.h"
#include "grpc/health/v1/health.pb.h"
#include "server/grpc/calls.h"
#include "support/allocations.h"
#include "support/fail_each.h"

namespace akin::server {
namespace {

using grpc::health::v1::HealthCheckRequest;

constexpr size_t kMost = 5000;
const std::string kLong(100, 'x');

HealthCheckRequest Message() {
  HealthCheckRequest message;
  message.set_service(kLong);
  return message;
}

class CallMemory : public CallTest {
 protected:
  // A call of `method` whose memory runs out at that allocation -> whether it did.
  bool Fails(const Method& method, size_t failing) {
    FakeResponder responder;
    std::shared_ptr<Call> call =
        MakeCall(method, InfoOf(kLong, kLong), Encoding::kIdentity, responder);
    const std::string bytes = Framed(kLong);
    bool has_failed = false;
    {
      const WatchedAllocations watched({.at = failing});
      // As Http2Session guards them.
      try {
        call->OnData(bytes);
        call->OnEnd();
      } catch (const std::bad_alloc&) {
        responder.reset = Http2Error::kInternalError;
      }
      loop_.Run();
      has_failed = watched.failed();
    }
    call->Sweep(Call::Clock::now());
    loop_.Run();
    EXPECT_TRUE(responder.ended || responder.reset) << method.name.Text() << ' ' << failing;
    if (!has_failed) {
      EXPECT_EQ(responder.Trailer("grpc-status"), "0");
      EXPECT_EQ(responder.data.size(), 1U);
    }
    responder.unsent.clear();
    call->OnGone();
    call.reset();
    loop_.Run();
    loop_.arrived = 0;
    return has_failed;
  }
};

TEST_F(CallMemory, ACallEndsWhereverMemoryRunsOut) {
  for (const MethodKind kind : {MethodKind::kUnary, MethodKind::kGather, MethodKind::kStream}) {
    const Method method{
        .name = {"a.Service", "Method"},
        .kind = kind,
        .most_messages = 3,
        .operation = [](const CallInfo& info, std::span<const std::string>, const ReplyPtr& reply) {
          if (info.tally != nullptr) info.tally->Begin(false);
          reply->Answer(Message());
        }};
    FailEach(20, [&](size_t n) { return Fails(method, n); }, kMost);
  }
}

TEST_F(CallMemory, ADroppedOneEndsToo) {
  const Method dropping{
      .name = {"a.Service", "Method"},
      .operation = [](const CallInfo&, std::span<const std::string>, const ReplyPtr&) {}};
  const auto fails = [&](size_t n) {
    // A reply that everybody lets go of: its destructor throws nothing.
    FakeResponder responder;
    auto call = MakeCall(dropping, InfoOf(kLong, kLong), Encoding::kIdentity, responder);
    const std::string bytes = Framed(kLong);
    bool failed = false;
    {
      const WatchedAllocations watched({.at = n});
      try {
        call->OnData(bytes);
        call->OnEnd();
      } catch (const std::bad_alloc&) {
        responder.reset = Http2Error::kInternalError;
      }
      loop_.Run();
      failed = watched.failed();
    }
    call->Sweep(Call::Clock::now());
    EXPECT_TRUE(responder.ended || responder.reset) << n;
    call->OnGone();
    return failed;
  };
  FailEach(9, fails, kMost);
}

// Whatever memory there is, one answer and no exception.
TEST(ReplyMemory, AnswersOnceAndThrowsNothing) {
  AnswerBudget budget(1 << 20);
  Metrics metrics;
  const HealthCheckRequest message = Message();
  for (int way = 0; way < 3; ++way) {
    const auto fails = [&](size_t n) {
      bool failed = false;
      int sent = 0;
      GrpcStatus status;
      auto share = std::make_shared<AnswerBudget::Share>(budget, kLong);
      auto reply = std::make_shared<Reply>(share, std::make_shared<RequestTally>(metrics),
                                           [&](GrpcStatus its, std::string) {
                                             ++sent;
                                             status = std::move(its);
                                           });
      const GrpcStatus given{GrpcCode::kNotFound, kLong};
      {
        const WatchedAllocations watched({.at = n});
        if (way == 0) reply->Answer(message);
        if (way == 1) reply->Fail(given);
        reply.reset();
        failed = watched.failed();
      }
      EXPECT_EQ(sent, 1) << way << ' ' << n;
      const GrpcCode expected[] = {failed ? status.code : GrpcCode::kOk, GrpcCode::kNotFound,
                                   GrpcCode::kInternal};
      EXPECT_EQ(status.code, expected[way]);
      return failed;
    };
    FailEach(0, fails, kMost);
  }
  EXPECT_EQ(budget.held_bytes(), 0);
}

}  // namespace
}  // namespace akin::server
