// What `akin serve` may be told: on the command line, in the environment, in a file.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "akin/scheduler.h"

#include "cli/onnxruntime_arguments.h"
#include "cli/python_arguments.h"
#include "cli/remote_arguments.h"

namespace akin::cli {

struct ServeArguments {
  std::vector<std::string> models;
  std::string backend = "auto", precision = "auto", isa = "auto", pooling;
  PythonArguments python;
  RemoteArguments remote;
  int threads = 0;
  int max_batch_tokens = 0;
  OnnxRuntimeArguments onnxruntime;
  bool lazy = false, strict_model_names = false;
  int max_loaded_models = 0, model_idle = 0, memory_budget = 0;

  std::string host = "127.0.0.1";
  int port = 8080, grpc_port = -1;
  std::string unix_socket, tls_cert, tls_key;
  int max_connections = 4096, header_timeout = 10, idle_timeout = 75, write_timeout = 30;
  int payload_limit = 2'000'000;

  std::vector<std::string> api_keys;
  std::string api_key_file;
  std::vector<std::string> cors_origins, allowed_hosts;

  int max_concurrent_requests = SchedulerOptions{}.max_requests;
  int max_queue_tokens = static_cast<int>(SchedulerOptions{}.max_tokens);
  int queue_memory = static_cast<int>(SchedulerOptions{}.max_bytes >> 20);
  int max_client_batch_size = 2048;
  int answer_memory = 256;
  int request_timeout = 60;
  int bulk_texts = 16;
  std::string auto_truncate = "true";
  bool accept_token_ids = false;

  std::string log_level = "info", log_format = "text";
  int drain_delay = 0, drain_deadline = 30;
  std::string otlp_endpoint, otlp_service_name = "akin";
  std::string config;
  bool check = false;

  // Declares all of them, which the environment may set, too, as options of `verb`.
  void AddTo(CLI::App& verb);
};

}  // namespace akin::cli
