// What can be called: how its messages come, and what answers them.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "akin/scheduler.h"

#include "server/budgets/answer_budget.h"
#include "server/exchange.h"
#include "server/grpc/call_record.h"
#include "server/grpc/message_reader.h"
#include "server/grpc/reply.h"
#include "server/metrics/request_tally.h"

namespace akin::server {

// What an operation knows of its caller.
struct CallInfo {
  std::string client;  // Whom the work counts for.
  std::chrono::steady_clock::time_point deadline;
  std::shared_ptr<Departure> departure;  // Of the caller: cancelled, or gone.
  std::shared_ptr<CallRecord> record;    // Null: nothing is written of such calls.
  AnswerBudget* budget = nullptr;
  Metrics* metrics = nullptr;
  bool is_open = false;  // As its method: whoever it is needs no key.
  size_t most_message_bytes = kMaxMessageBytes;
  bool may_compute_here = false;     // No other request has arrived.
  std::optional<Priority> priority;  // As the caller says.
  AnswerBudget::SharePtr share;      // Of the answer that is to be made; never null.
  RequestTallyPtr
      tally;  // Of a message, or of several that are answered as one; null where no model is asked.
};

enum class MethodKind {
  kUnary,   // One message, one answer.
  kGather,  // Several, answered as one when the last has come.
  kStream,  // Several, each of which is answered, in their order.
};

struct Method {
  RpcName name;
  MethodKind kind = MethodKind::kUnary;
  size_t most_messages = 1;  // kGather.
  bool asks_model = true;    // Counted as a request to one.
  bool is_open = false;      // Needs no key, and nothing is written of its calls.
  // Answers once, on any thread, and holds no reference to the messages when it returns: one of
  // them, of kGather all.
  std::function<void(const CallInfo& info, std::span<const std::string> messages, ReplyPtr reply)>
      operation;
};

}  // namespace akin::server
