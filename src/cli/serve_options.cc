#include "cli/serve_options.h"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "akin/system.h"

#include "cli/environment.h"
#include "cli/option_value.h"
#include "cli/small_file.h"
#include "cli/strings.h"
#include "cli/tune_store.h"
#include "cli/typed_values.h"
#include "server/keys.h"
#include "server/local_host.h"

namespace akin::cli {
namespace {

using std::chrono::seconds;

constexpr size_t kMostKeyFileBytes = size_t{16} << 20;

// "name=folder", "folder" (its last part is the name), or a name in the cache.
server::ModelSpec ParseModel(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals != std::string::npos && text.find('/') > equals) {
    return {text.substr(0, equals), text.substr(equals + 1)};
  }
  std::string path = text;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return {path.substr(path.rfind('/') + 1), text};
}

Result<std::vector<std::string>> ReadKeys(const ServeArguments& a) {
  std::vector<std::string> keys;
  for (const std::string& text : a.api_keys) {
    auto key = server::ParseKey(text);  // An empty one would open the door to everybody.
    if (!key) return InvalidInput("--api-key: ", key.error().message());
    keys.push_back(std::move(*key));
  }
  if (a.api_key_file.empty()) return keys;
  AKIN_TRY_ASSIGN(const std::string text, ReadSmallFile(a.api_key_file, kMostKeyFileBytes));
  auto of_file = server::ParseKeyFile(text);
  if (!of_file)
    return InvalidInput("--api-key-file ", a.api_key_file, ", ", of_file.error().message());
  std::ranges::move(*of_file, std::back_inserter(keys));
  if (keys.empty()) return InvalidInput("--api-key-file ", a.api_key_file, " holds no key");
  return keys;
}

Result<bool> ParseBool(std::string_view option, std::string_view text) {
  if (const auto value = ParseFlagWord(text)) return *value;
  return InvalidInput(option, " is '", text, "', expected ", kFlagWords);
}

// What the log begins with. Some variables are read by other verbs: AKIN_BATCH_TOKENS.
std::vector<std::string> WarningsOfEnvironment() {
  std::vector<std::string> warnings;
  for (const UnknownVariable& variable : UnknownVariables("serve")) {
    warnings.push_back(StrCat("akin serve does not read ", variable.name, " of the environment",
                              variable.meant.empty() ? "" : "; did you mean ", variable.meant,
                              variable.meant.empty() ? "" : "?"));
  }
  return warnings;
}

// For the log: "threads batch_tokens shape_buckets" of a model, or those of them that are as
// `akin tune` has found them, for the first model and for this one.
std::string TunedSettings(const ServeArguments& a, const std::optional<Tuning>& of_first,
                          const std::optional<Tuning>& own) {
  std::string names;
  const auto add = [&](bool is_tuned, std::string_view name) {
    if (is_tuned) names += StrCat(names.empty() ? "" : " ", name);
  };
  add(of_first && a.threads == 0, "threads");
  add(of_first && a.max_batch_tokens == 0, "batch_tokens");
  add(own && !own->shape_buckets.empty() && a.onnxruntime.shape_buckets.empty(), "shape_buckets");
  return names;
}

// What `akin tune` has found: lengths to pad to are each model's own and put into `models`; threads
// and the token budget are the server's, so that those of the first model are returned.
std::optional<Tuning> FindTunings(const ServeArguments& a, std::vector<server::ModelSpec>& models) {
  std::optional<Tuning> of_first;
  for (server::ModelSpec& spec : models) {
    std::optional<Tuning> tuning;
    spec.shape_buckets = WithTuning(ArgumentsOf(a, spec), &tuning).onnxruntime.shape_buckets;
    if (&spec == &models.front()) of_first = tuning;
    spec.tuned = TunedSettings(a, of_first, tuning);
  }
  return of_first;
}

Status AddModels(const ServeArguments& a, server::ServeOptions& options) {
  for (const std::string& model : a.models) {
    if (model.empty()) return InvalidInput("--model: The value is empty");
    options.registry.models.push_back(ParseModel(model));
  }
  if (a.models.empty()) {
    options.registry.models.push_back({std::string(kDefaultModel), std::string(kDefaultModel)});
  }
  auto names = options.registry.models;
  std::ranges::sort(names, {}, &server::ModelSpec::name);
  const auto twice = std::ranges::adjacent_find(names, {}, &server::ModelSpec::name);
  if (twice != names.end()) {
    return InvalidInput("two models are called '", twice->name, "'; --model NAME=DIR names them");
  }
  const std::optional<Tuning> tuning = FindTunings(a, options.registry.models);
  LoadOptions& load = options.registry.load;
  load.python = a.python.ToOptions();
  AKIN_TRY_ASSIGN(load.remote, a.remote.ToOptions());
  AKIN_TRY(ValueOf("--backend",
                   ParseBackend(a.backend, load)));  // What it says counts before their options.
  AKIN_TRY(a.onnxruntime.CheckFits(load.backend));
  if (load.backend == BackendKind::kAuto && !a.onnxruntime.GivenOption().empty())
    load.backend = BackendKind::kOnnxRuntime;
  AKIN_TRY_ASSIGN(load.precision, ValueOf("--precision", ParsePrecision(a.precision)));
  AKIN_TRY_ASSIGN(load.isa, ValueOf("--isa", ParseIsa(a.isa)));
  if (!a.pooling.empty()) {
    AKIN_TRY_ASSIGN(load.pooling, ValueOf("--pooling", ParsePoolingMode(a.pooling)));
  }
  AKIN_TRY_ASSIGN(load.onnxruntime, a.onnxruntime.ToOptions());
  load.num_threads = a.threads == 0 && tuning ? tuning->threads : a.threads;
  load.batch_tokens = a.max_batch_tokens > 0 ? a.max_batch_tokens
                      : tuning               ? tuning->batch_tokens
                                             : SchedulerOptions{}.batch_tokens;
  options.registry.lazy = a.lazy;
  options.registry.max_loaded = static_cast<size_t>(a.max_loaded_models);
  options.registry.idle = seconds(a.model_idle);
  options.registry.memory_budget_bytes = int64_t{a.memory_budget} << 20;
  options.registry.strict_names = a.strict_model_names;
  return {};
}

}  // namespace

ModelArguments ArgumentsOf(const ServeArguments& a, const server::ModelSpec& spec) {
  return {.model = spec.source,
          .backend = a.backend,
          .precision = a.precision,
          .isa = a.isa,
          .threads = a.threads,
          .batch_tokens = a.max_batch_tokens,
          .pooling = a.pooling,
          .onnxruntime = a.onnxruntime};
}

Result<server::ServeOptions> ToServeOptions(const ServeArguments& a) {
  server::ServeOptions options;
  AKIN_TRY(AddModels(a, options));
  const LoadOptions& load = options.registry.load;
  // Of a server elsewhere each worker waits for a request of its own.
  const bool remote = a.threads == 0 && load.backend == BackendKind::kRemote;
  options.scheduler = {.num_threads = remote ? load.remote.max_connections : load.num_threads,
                       .batch_tokens = load.batch_tokens,
                       .max_requests = a.max_concurrent_requests,
                       .max_tokens = a.max_queue_tokens,
                       .max_bytes = int64_t{a.queue_memory} << 20};
  options.http = {.host = a.host,
                  .port = static_cast<uint16_t>(a.port),
                  .unix_socket = a.unix_socket,
                  .tls_cert = a.tls_cert,
                  .tls_key = a.tls_key,
                  .max_body_bytes = static_cast<size_t>(a.payload_limit),
                  .max_connections = static_cast<size_t>(a.max_connections),
                  .header_timeout = seconds(a.header_timeout),
                  .idle_timeout = seconds(a.idle_timeout),
                  .write_timeout = seconds(a.write_timeout)};
  if (a.grpc_port >= 0) options.grpc_port = static_cast<uint16_t>(a.grpc_port);
  AKIN_TRY_ASSIGN(options.app.api_keys, ReadKeys(a));
  options.app.cors_origins = a.cors_origins;
  // Others' pages may come by any name where anybody may reach the server, or needs a key.
  if (server::IsLoopback(a.host) && options.app.api_keys.empty())
    options.app.allowed_hosts = a.allowed_hosts;
  options.app.max_client_batch_size = static_cast<size_t>(a.max_client_batch_size);
  AKIN_TRY_ASSIGN(options.app.auto_truncate, ParseBool("--auto-truncate", a.auto_truncate));
  options.app.accept_token_ids = a.accept_token_ids;
  options.app.request_timeout = seconds(a.request_timeout);
  options.app.bulk_texts = static_cast<size_t>(a.bulk_texts);
  options.app.scheduler = options.scheduler;
  options.app.payload_limit = a.payload_limit;
  options.app.answer_bytes = int64_t{a.answer_memory} << 20;
  AKIN_TRY_ASSIGN(options.log_level, ValueOf("--log-level", server::ParseLogLevel(a.log_level)));
  if (a.log_format != "text" && a.log_format != "json") {
    return InvalidInput("--log-format is '", a.log_format, "', expected text or json");
  }
  options.warnings = WarningsOfEnvironment();
  options.log_json = a.log_format == "json";
  if (!a.otlp_endpoint.empty()) {
    AKIN_TRY_ASSIGN(options.otlp, server::ParseOtlpEndpoint(a.otlp_endpoint));
  }
  options.otlp_service_name = a.otlp_service_name;
  options.drain_delay = seconds(a.drain_delay);
  options.drain_deadline = seconds(a.drain_deadline);
  return options;
}

}  // namespace akin::cli
