// The server as one call.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"
#include "akin/scheduler.h"

#include "server/app.h"
#include "server/http/http_server.h"
#include "server/log.h"
#include "server/model_registry.h"
#include "server/otlp.h"

namespace akin::server {

struct ServeOptions {
  HttpOptions http;
  std::optional<uint16_t> grpc_port;  // One more; 0: one that is free.
  AppOptions app;
  RegistryOptions registry;
  SchedulerOptions scheduler;
  std::optional<OtlpTarget> otlp;  // Unset: no traces are exported.
  std::string otlp_service_name = "akin";
  LogLevel log_level = LogLevel::kInfo;
  bool log_json = false;
  std::vector<std::string> warnings;  // That the log begins with.
  std::chrono::milliseconds drain_delay{0};
  std::chrono::milliseconds drain_deadline{30'000};
};

// Serves until SIGTERM, SIGINT or SIGHUP and everything accepted is answered. A second signal ends
// the process at once. Errors: those of the sockets, and of loading a model at start.
Status Serve(const ServeOptions& options);

// What Serve would find wrong before it listens: binds nothing for long, loads every model, prints
// lines for each and what they take of memory together. Error: the first one.
Status CheckServe(const ServeOptions& options);

}  // namespace akin::server
