#include "server/memory_budgets.h"

#ifdef AKIN_HAS_GRPC
#include "server/grpc/call.h"
#endif
#include "server/budgets/answer_budget.h"
#include "server/budgets/message_budget.h"
#include "server/budgets/stream_budget.h"
#include "server/http/served_connection.h"
#include "server/log.h"

namespace akin::server {

std::vector<MemoryBudget> MemoryBudgets(const ServeOptions& options) {
  const auto bytes = [](size_t size) { return static_cast<int64_t>(size); };
  const int64_t connections = bytes(options.http.max_connections);
  std::vector<MemoryBudget> budgets = {
      {"texts in the queue", "--queue-memory", options.scheduler.max_bytes},
      {"answers", "--answer-memory", AnswerBudget::MostBytes(options.app.answer_bytes)},
      {"bodies under way", "", bytes(ServedShared::kBodiesBytes)},
      {"of each connection", "--max-connections", connections * bytes(MessageBudget::kFloorBytes)},
      {"requests of HTTP/2", "", bytes(ServedShared::kStreamsBytes)},
      {"HTTP/2, of each connection", "--max-connections",
       connections * bytes(StreamBudget::kFloorBytes)},
  };
#ifdef AKIN_HAS_GRPC
  budgets.push_back(
      {"messages of gRPC", "",
       bytes(CallEnvironment::kMessagesBytes + CallEnvironment::kEarlyMessagesBytes)});
#endif
  budgets.push_back({"lines of the log", "", bytes(Logger::kMostWaiting)});
  return budgets;
}

}  // namespace akin::server
