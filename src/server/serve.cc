#include "server/serve.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "akin/system.h"

#ifdef AKIN_HAS_GRPC
#include "server/grpc/grpc_server.h"
#endif
#include "server/http/descriptor_limit.h"
#include "server/idle_memory.h"
#include "server/memory_budgets.h"
#include "server/metrics/metrics.h"
#include "server/model_memory.h"
#include "server/text.h"

namespace akin::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kHousekeeping = std::chrono::milliseconds(1000);
constexpr auto kLookAfterDeadlines = std::chrono::milliseconds(200);
// For the last answers to be written after the drain deadline.
constexpr auto kLastWrites = std::chrono::milliseconds(500);
// For threads that are about to end, and for spans that are to be sent, after that.
constexpr auto kLastMoment = std::chrono::milliseconds(1000);
// For spans before it.
constexpr auto kLastSpans = std::chrono::milliseconds(3000);

// gRPC: on the ports of HTTP, and on one more if there is to be one.
#ifdef AKIN_HAS_GRPC
class GrpcPart {
 public:
  GrpcPart(const ServeOptions& options, App& app)
      : port_(options.grpc_port),
        server_({.write_timeout = options.http.write_timeout, .body_rate = options.http.body_rate},
                app) {}
  // Errors: those of the port.
  Status ListenOn(HttpServer& http) {
    server_.set_loop([&http](std::function<void()> call) { http.Post(std::move(call)); },
                     [&http](std::function<void(bool)> call) { http.Settle(std::move(call)); });
    http.set_grpc(server_);
    if (port_) {
      AKIN_TRY_ASSIGN(port_, http.ListenForGrpc(*port_));
    }
    return {};
  }
  // 0: there is none.
  int port() const { return port_.value_or(0); }
  void SetServing(bool serving) { server_.SetServing(serving); }
  void Drain() { server_.Drain(); }
  size_t num_writing() const { return server_.num_writing(); }

 private:
  std::optional<uint16_t> port_;
  GrpcServer server_;
};
#else
class GrpcPart {
 public:
  GrpcPart(const ServeOptions& options, App&) : port_(options.grpc_port) {}
  Status ListenOn(HttpServer&) const {
    if (!port_) return {};
    return InvalidInput("--grpc-port: this akin was built without gRPC");
  }
  int port() const { return 0; }
  void SetServing(bool) {}
  void Drain() {}
  size_t num_writing() const { return 0; }

 private:
  const std::optional<uint16_t> port_;
};
#endif

void LogWarnings(const ServeOptions& options, Logger& logger) {
  for (const std::string& warning : options.warnings) logger.Log(LogLevel::kWarn, warning);
}

// --max-connections as far as this process may have so many files open.
HttpOptions FitToDescriptors(const ServeOptions& options, Logger& logger) {
  HttpOptions http = options.http;
  const LoadOptions& load = options.registry.load;
  size_t others = kOtherDescriptors;
  if (load.backend == BackendKind::kRemote)
    others += static_cast<size_t>(load.remote.max_connections);
  const size_t limit = RaiseDescriptorLimit(http.max_connections, others);
  http.max_connections = ConnectionsWithin(limit, http.max_connections, others);
  if (http.max_connections < options.http.max_connections)
    logger.Log(LogLevel::kWarn,
               "fewer connections than --max-connections: this process may not open more files "
               "(ulimit -n, LimitNOFILE)",
               {{"connections", static_cast<int64_t>(http.max_connections)},
                {"max_connections", static_cast<int64_t>(options.http.max_connections)},
                {"files", static_cast<int64_t>(limit)}});
  return http;
}

// All parts, in the order in which they need each other.
class Server {
 public:
  explicit Server(const ServeOptions& options)
      : options_(options), logger_(options.log_level, options.log_json) {}

  Status Run() {
    LogWarnings(options_, logger_);
    http_options_ = FitToDescriptors(options_, logger_);
    AKIN_TRY(CheckModelsAreThere(options_.registry, logger_));
    AKIN_TRY_ASSIGN(scheduler_, Scheduler::Start(options_.scheduler));
    registry_ = std::make_unique<ModelRegistry>(options_.registry, logger_);
    app_ = std::make_unique<App>(options_.app, *registry_, *scheduler_, metrics_, logger_);
    if (options_.otlp) {
      traces_ =
          std::make_unique<TraceExporter>(*options_.otlp, options_.otlp_service_name, logger_);
      app_->request_log().set_traces(traces_.get());
    }
    // Threads may be more than cores: those of --backend remote only wait.
    http_options_.may_spin =
        std::min(scheduler_->num_threads(), DescribeSystem().threads.count) > 1;
    grpc_ = std::make_unique<GrpcPart>(options_, *app_);
    AKIN_TRY_ASSIGN(http_, HttpServer::Listen(http_options_, *app_));
    app_->set_http(http_.get());
    AKIN_TRY(grpc_->ListenOn(*http_));
    http_->OnSignals([this](int signal) { OnSignal(signal); });
    LogListening();
    registry_->LoadAtStart([this](Status status) {
      http_->Post([this, status = std::move(status)] { OnLoaded(status); });
    });
    http_->Every(kHousekeeping, [this] { KeepHouse(); });
    http_->Every(kLookAfterDeadlines, [this] { app_->model_files().EndExpired(); });
    http_->Run();
    EndAtTheNextSignal();
    if (signals_ > 0 && registry_->IsLoading()) LeaveAtOnce("a model that was loading");
    // Whoever could still answer ends before the connections do.
    StopScheduler();
    StopLookingAtFolders();
    registry_.reset();
    if (!SendLastSpans() && signals_ > 0) Leave("spans that the trace collector has not taken");
    logger_.Log(LogLevel::kInfo, "stopped");
    return start_status_;
  }

 private:
  void LogListening() {
    std::string url = options_.http.tls_cert.empty() ? "http://" : "https://";
    url += options_.http.host.find(':') == std::string::npos ? options_.http.host
                                                             : StrCat('[', options_.http.host, ']');
    std::vector<LogField> fields;
    if (options_.http.port) fields.emplace_back("url", StrCat(url, ':', http_->port()));
    if (!options_.http.unix_socket.empty()) fields.emplace_back("unix", options_.http.unix_socket);
    if (grpc_->port() != 0) fields.emplace_back("grpc_port", grpc_->port());
    fields.emplace_back("version", Version());
    logger_.Log(LogLevel::kInfo, "listening", std::move(fields));
    const std::string& host = options_.http.host;
    const bool is_local = host == "localhost" || host == "::1" || host.starts_with("127.");
    const bool has_port = options_.http.port || grpc_->port() != 0;
    if (has_port && !is_local && options_.app.api_keys.empty())
      logger_.Log(LogLevel::kWarn, "whoever reaches this address can use the server: no --api-key",
                  {{"host", host}});
  }

  void OnLoaded(const Status& status) {
    if (!status) {
      start_status_ = status;
      app_->set_healthy(false);
      return http_->Stop();
    }
    if (signals_ > 0) return;
    app_->set_ready(true);
    grpc_->SetServing(true);
    logger_.Log(LogLevel::kInfo, "ready",
                {{"threads", scheduler_->num_threads()}, {"idle_spin", http_options_.may_spin}});
  }

  // The event loop, which has looked after signals, does so no longer.
  static void EndAtTheNextSignal() {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
      const auto before = std::signal(signal, [](int received) { _exit(128 + received); });
      if (before == SIG_IGN) std::signal(signal, SIG_IGN);
    }
  }

  // Until the drain deadline, and after it for a moment: what is computed may be what nobody waits
  // for any more, on a child that hangs.
  void StopScheduler() {
    if (signals_ == 0) return scheduler_->Stop();
    std::packaged_task<void()> stop([this] { scheduler_->Stop(); });
    const std::future<void> stopped = stop.get_future();
    std::thread thread(std::move(stop));
    if (stopped.wait_until(std::max(drain_deadline_, Clock::now() + kLastMoment)) !=
        std::future_status::ready)
      LeaveAtOnce("what was being computed");
    thread.join();
  }

  // Nobody waits for a folder any more, and a file system that hangs hears nothing. What only fails
  // to start says so, and leaves the thread.
  void StopLookingAtFolders() {
    if (app_->model_files().StopUntil(Clock::now() + kLastMoment)) return;
    if (signals_ > 0) LeaveAtOnce("a model's folder that was being read");
  }

  // A load may wait for a hub or a child for minutes, and what it would serve has gone; so may a
  // batch after the drain deadline or a file system, and whoever waited for it has been told.
  [[noreturn]] void LeaveAtOnce(std::string_view what) {
    SendLastSpans();
    Leave(what);
  }

  // False: the collector, or whoever knows its address, says nothing.
  bool SendLastSpans() {
    if (traces_ == nullptr) return true;
    const auto until_deadline =
        std::chrono::duration_cast<std::chrono::milliseconds>(drain_deadline_ - Clock::now());
    if (traces_->StopWithin(std::max(kLastMoment, std::min(kLastSpans, until_deadline))))
      return true;
    logger_.Log(LogLevel::kWarn, "the trace collector is slow; its last spans are left");
    return false;
  }

  [[noreturn]] void Leave(std::string_view what) {
    logger_.Log(LogLevel::kInfo, "stopped", {{"left", what}});
    logger_.Flush(Logger::kLastMoment);
    _exit(EXIT_SUCCESS);
  }

  // Once a second, whatever the last time threw.
  void KeepHouse() {
    logger_.Flush();
    registry_->DropIdle(ModelRegistry::Clock::now());
    registry_->DropOverBudget(ResidentBytes());
    const bool at_rest = scheduler_->Load().requests == 0 && http_->counts().under_way == 0 &&
                         grpc_->num_writing() == 0;
    if (const auto in_use = MemoryInUse()) idle_memory_.Returned(*in_use);
    const SchedulerCounts counts = scheduler_->Counts();
    const int64_t requests = counts.accepted + counts.refused;
    if (!returning_.valid() && idle_memory_.IsDue(Clock::now(), ResidentBytes(), at_rest, requests))
      ReturnMemoryAside();
  }

  // On a thread of its own, so that the next request does not wait for it.
  void ReturnMemoryAside() {
    try {
      returning_ = std::async(std::launch::async, [] {
        ReturnMemory();
        return ResidentBytes();
      });
    } catch (const std::system_error&) {  // No thread: next time.
    }
  }
  // What ReturnMemoryAside has found, once.
  std::optional<int64_t> MemoryInUse() {
    const bool is_done = returning_.valid() &&
                         returning_.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    return is_done ? std::optional(returning_.get()) : std::nullopt;
  }

  void OnSignal(int signal) {
    if (++signals_ > 1) _exit(128 + signal);
    drain_deadline_ = Clock::now() + options_.drain_delay + options_.drain_deadline;
    app_->set_ready(false);
    grpc_->SetServing(false);
    logger_.Log(LogLevel::kInfo, "draining",
                {{"requests", scheduler_->Load().requests}, {"signal", signal}});
    http_->After(options_.drain_delay, [this] {
      grpc_->Drain();
      http_->Drain();
    });
    http_->After(options_.drain_delay + options_.drain_deadline, [this] {
      logger_.Log(LogLevel::kWarn, "the drain deadline has passed",
                  {{"requests", scheduler_->Load().requests}});
      scheduler_->Abandon();
      app_->model_files().Abandon();
      http_->After(kLastWrites, [this] { http_->Stop(); });
    });
  }

  const ServeOptions& options_;
  HttpOptions http_options_;
  Logger logger_;
  Metrics metrics_;
  Status start_status_;
  int signals_ = 0;
  Clock::time_point drain_deadline_;  // With the first signal.
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<ModelRegistry> registry_;
  std::unique_ptr<TraceExporter> traces_;
  std::unique_ptr<App> app_;
  std::unique_ptr<GrpcPart> grpc_;  // Outlives http_, whose streams are its.
  std::unique_ptr<HttpServer> http_;
  IdleMemory idle_memory_;
  std::future<int64_t> returning_;
};

}  // namespace

Status Serve(const ServeOptions& options) { return Server(options).Run(); }

Status CheckServe(const ServeOptions& options) {
  Logger logger(LogLevel::kInfo, options.log_json);
  LogWarnings(options, logger);
  AKIN_TRY_ASSIGN(const auto scheduler, Scheduler::Start(options.scheduler));
  ModelRegistry registry(options.registry, logger);
  Metrics metrics;
  App app(options.app, registry, *scheduler, metrics, logger);
  GrpcPart grpc(options, app);
  AKIN_TRY_ASSIGN(const auto http, HttpServer::Listen(FitToDescriptors(options, logger), app));
  AKIN_TRY(grpc.ListenOn(*http));  // While HTTP has its port: they may be the same.
  ModelMemory memory(options.registry);
  for (size_t i = 0; i < options.registry.models.size(); ++i) {
    const ModelSpec& spec = options.registry.models[i];
    AKIN_TRY_ASSIGN(const Embedder embedder,
                    Embedder::Load(spec.source, spec.OptionsFrom(options.registry.load)));
    const ModelInfo& info = embedder.Info();
    logger.Log(LogLevel::kInfo, "model is fine",
               {{"model", spec.name},
                {"dimension", info.dimension},
                {"precision", info.precision},
                {"backend", info.backend},
                {"threads", info.num_threads},
                {"batch_tokens", info.batch_tokens},
                {"shape_buckets", ListOf(info.shape_buckets)},
                {"tuned", spec.tuned}});
    LogNotes(logger, spec.name, info);
    memory.Log(logger, i, info);
  }
  int64_t budgets = 0;
  for (const MemoryBudget& budget : MemoryBudgets(options)) budgets += budget.bytes;
  memory.LogSum(logger, budgets, DescribeSystem().memory_limit_bytes);
  return {};
}

}  // namespace akin::server
