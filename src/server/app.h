// What every request goes through, whatever its dialect: key, route, limits, model, queue, answer.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/scheduler.h"

#include "server/api/failure.h"
#include "server/app_options.h"
#include "server/budgets/answer_budget.h"
#include "server/exchange.h"
#include "server/http/http_server.h"
#include "server/line_limit.h"
#include "server/log.h"
#include "server/metrics/metrics.h"
#include "server/metrics/request_tally.h"
#include "server/model_files_cache.h"
#include "server/model_registry.h"
#include "server/request_log.h"
#include "server/routes.h"
#include "server/screening.h"
#include "server/trace.h"

namespace akin::server {

class App : public HttpHandler {
 public:
  App(AppOptions options, ModelRegistry& registry, Scheduler& scheduler, Metrics& metrics,
      Logger& logger);

  // HttpHandler:
  std::optional<HttpResponse> Screen(const HttpRequest& head, const std::string& peer) override;
  HttpResponse Refuse(const HttpRequest& head, const std::string& peer, int status,
                      std::string_view reason) override;
  void Handle(ExchangePtr exchange) override;
  void OnAbuse(const std::string& peer, std::string_view what) override;
  void OnMalformed(const std::string& peer, std::string_view why) override;
  void OnStreamsRefused(const std::string& peer) override;
  void OnAcceptFailed(std::string_view why) override;
  void OnCrowded(const std::string& client, bool was_new) override;

  // For dialects (model_calls.h has what goes through the queue). The model; `use` may be called on
  // another thread.
  void WithModel(const ExchangePtr& exchange, const std::string& name,
                 std::function<void(const ServedModelPtr&)> use);
  // What their folders hold; `use` may be called on another thread. The request ends at its
  // deadline and when its client leaves, too.
  using UseFiles = std::function<void(const std::vector<ModelSpec>& specs,
                                      const std::vector<std::optional<ModelFiles>>& files)>;
  void WithFiles(const ExchangePtr& exchange, std::vector<ModelSpec> specs, UseFiles use);
  void Fail(const ExchangePtr& exchange, Failure failure) const;
  void Fail(const ExchangePtr& exchange, Problem problem, std::string message,
            std::string param = {}) const {
    Fail(exchange, {problem, std::move(message), std::move(param)});
  }

  Dialect DialectOf(const HttpRequest& request) const { return routes_.DialectOf(request); }
  Dialect DialectOf(const Exchange& exchange) const;

  // For other transports: whether a key opens (any does, when none is asked for), and what an
  // answer to a request of `texts` texts adds to the metrics.
  bool IsKey(std::string_view given) const { return screening_.IsKey(given); }
  struct Answered {
    TaskMetrics& task;
    const TextReport& report;
    int64_t texts = 0;
    RequestTally& tally;  // That it has succeeded is counted, too.
  };
  void CountAnswer(const Answered& answered);

  const AppOptions& options() const { return options_; }
  ModelRegistry& registry() { return registry_; }
  const ModelRegistry& registry() const { return registry_; }
  Scheduler& scheduler() { return scheduler_; }
  Metrics& metrics() { return metrics_; }
  AnswerBudget& answer_budget() { return answer_budget_; }
  ModelFilesCache& model_files() { return model_files_; }
  std::string RenderMetrics() const;

  // Readiness: loaded and not draining.
  bool ready() const { return ready_; }
  void set_ready(bool ready) { ready_ = ready; }
  bool healthy() const { return healthy_; }
  void set_healthy(bool healthy) { healthy_ = healthy; }
  void set_http(const HttpServer* http) { http_ = http; }
  RequestLog& request_log() { return request_log_; }
  const std::string& open_api() const { return open_api_; }

 private:
  std::string ClientBehind(const HttpRequest& request, const std::string& peer) const;
  bool HasShortDeadline(const Exchange& exchange) const;
  Failure WithRetry(Failure failure, const std::string& client,
                    std::optional<Priority> priority) const;
  std::optional<Priority> PriorityOf(const Exchange& exchange) const;
  // The line in the log of a request that is answered before it is read.
  void LogRefused(const HttpRequest& request, const std::string& peer, HttpResponse& response);
  // A warning, one a second; the next one says how many were left out (`like_it`).
  void LogLimited(LineLimit& limit, std::string_view message, std::vector<LogField> fields);
  void Finish(Exchange& exchange, const Route* route, HttpResponse& response);

  const AppOptions options_;
  const RouteTable routes_;
  const Screening screening_{options_, routes_};
  ModelRegistry& registry_;
  Scheduler& scheduler_;
  Metrics& metrics_;
  Logger& logger_;
  RequestLog request_log_;
  AnswerBudget answer_budget_;
  const std::string open_api_;
  ModelFilesCache model_files_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> healthy_{true};
  const HttpServer* http_ = nullptr;
  // Of the event loop: of requests without a key, of connections that were ended for what they
  // sent, of streams for which there was no room, of connections that were not accepted, and of
  // those for which there was no room.
  LineLimit keyless_lines_, abuse_lines_, room_lines_, accept_lines_, crowd_lines_;
};

// Counts how an exchange ends that is about to be answered so, if it is one of a model.
void EndTally(const Exchange& exchange, const HttpResponse& response);

// The description of the interface, with these limits in place of the defaults.
std::string OpenApiDocument(const AppOptions& options);

}  // namespace akin::server
