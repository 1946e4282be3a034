// `akin serve`: options from the command line, the environment and a file, in that order, then the
// server.
#include "cli/serve_command.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "akin/system.h"

#include "cli/exit_status.h"
#include "cli/isolated_load.h"
#include "cli/small_file.h"
#include "cli/strings.h"
#include "cli/tune_store.h"
#include "server/config_file.h"
#include "server/serve.h"

namespace akin::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr size_t kMostConfigBytes = size_t{16} << 20;  // Also of a file of keys.

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
  std::vector<std::string> cors_origins;

  int max_concurrent_requests = SchedulerOptions{}.max_requests;
  int max_queue_tokens = static_cast<int>(SchedulerOptions{}.max_tokens);
  int max_client_batch_size = 2048;
  int request_timeout = 60;
  int bulk_texts = 16;
  std::string auto_truncate = "true";
  bool accept_token_ids = false;

  std::string log_level = "info", log_format = "text";
  int drain_delay = 0, drain_deadline = 30;
  std::string otlp_endpoint, otlp_service_name = "akin";
  std::string config;
  bool check = false;
};

constexpr int kMany = 1 << 30;

// --port -> AKIN_PORT
std::string EnvironmentName(const std::string& option) {
  std::string name = "AKIN" + option.substr(1);
  for (char& c : name) {
    c = c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

// Declares options that the environment may set too.
class OptionList {
 public:
  explicit OptionList(CLI::App& verb) : verb_(verb) {}

  void OnnxRuntime(OnnxRuntimeArguments& onnxruntime) {
    onnxruntime.AddTo(verb_);
    Adopt(OnnxRuntimeArguments::kGroup);
  }

  void Group(const std::string& name) { group_ = name; }
  CLI::Option* Text(const std::string& name, std::string& value, const std::string& help,
                    const std::string& type) {
    return Declared(verb_.add_option(name, value, help)->type_name(type), name);
  }
  CLI::Option* Texts(const std::string& name, std::vector<std::string>& values,
                     const std::string& help, const std::string& type) {
    return Declared(verb_.add_option(name, values, help)
                        ->type_name(type)
                        ->delimiter(',')
                        ->allow_extra_args(false)
                        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll),
                    name);
  }
  CLI::Option* Number(const std::string& name, int& value, int least, int most,
                      const std::string& help, const std::string& type = "N") {
    return Declared(verb_.add_option(name, value, help)
                        ->type_name(type)
                        ->capture_default_str()
                        ->check(Between(least, most)),
                    name);
  }
  CLI::Option* Flag(const std::string& name, bool& value, const std::string& help) {
    return Declared(verb_.add_flag(name, value, help), name);
  }
  // Options that others have declared.
  void Adopt(std::string_view group) {
    for (CLI::Option* option : verb_.get_options()) {
      if (option->get_group() != group) continue;
      // The library looks at AKIN_ORT_LIBRARY itself; as an option it would ask for that backend.
      if (option->check_lname("ort-library")) continue;
      option->envname(EnvironmentName("--" + option->get_lnames().front()));
    }
  }

 private:
  CLI::Option* Declared(CLI::Option* option, const std::string& name) {
    return option->envname(EnvironmentName(name.substr(name.find("--"))))->group(group_);
  }
  CLI::App& verb_;
  std::string group_;
};

void AddModelOptions(CLI::App& verb, OptionList& options, ServeArguments& a) {
  options.Group("Models");
  options.Texts(
      "-m,--model", a.models,
      StrCat(
          "Model to serve: a folder, a name in the cache or ORG/NAME of the hub, or "
          "NAME= and one of these; several are possible, the first one is the default (default: ",
          kDefaultModel, ")"),
      "[NAME=]DIR");
  options.Text("--backend", a.backend,
               "What runs the models; a plug-in may have options, plugin:PATH,OPTION=VALUE,...",
               Choices(BackendNames()));
  options.Text("--precision", a.precision, "What the matrix products run in",
               Choices(PrecisionNames()));
  options.Text("--isa", a.isa, "Instruction set; auto is the best this CPU has",
               Choices(IsaNames()));
  options.Text("--pooling", a.pooling, "In place of the models' own pooling",
               Choices(PoolingNames()));
  options.OnnxRuntime(a.onnxruntime);
  a.python.AddTo(verb);
  a.remote.AddTo(verb);
  options.Adopt("Backend python");
  options.Adopt("Backend remote");
  options.Number(
      "--threads", a.threads, 0, 1024,
      "Threads that compute; 0: as akin tune has found for the first model, else as many "
      "as we may use");
  options.Flag("--lazy", a.lazy, "Load a model when it is first asked for, not at start");
  options.Number("--max-loaded-models", a.max_loaded_models, 0, kMany,
                 "Let models go, least recently used first, beyond so many; 0: never");
  options.Number("--model-idle", a.model_idle, 0, kMany,
                 "Let a model go when nobody has used it for so long; 0: never", "SECONDS");
  options.Number("--memory-budget", a.memory_budget, 0, kMany,
                 "Let models go, least recently used first, while the process holds more; 0: never",
                 "MIB");
  options.Flag("--strict-model-names", a.strict_model_names,
               "A name that is not served is an error also when there is one model only");
}

void AddNetworkOptions(OptionList& options, ServeArguments& a) {
  options.Group("Network");
  options.Text("--host", a.host, "Address to listen on; 0.0.0.0 is all", "ADDRESS")
      ->capture_default_str();
  options.Number("-p,--port", a.port, 0, 65535, "Port; 0 takes a free one");
  options
      .Number("--grpc-port", a.grpc_port, 0, 65535,
              "Port for gRPC; 0 takes a free one (default: no gRPC)")
      ->default_str("");
  options.Text("--unix-socket", a.unix_socket, "Listen on a Unix socket, too", "PATH");
  options.Text("--tls-cert", a.tls_cert, "Certificate chain (PEM): serve https", "FILE");
  options.Text("--tls-key", a.tls_key, "Its key (PEM)", "FILE");
  options.Texts("--api-key", a.api_keys,
                "Key that clients must show as a bearer token; several are "
                "possible. Better in the environment or a file than on the command line",
                "KEY");
  options.Text("--api-key-file", a.api_key_file, "File of keys, one a line", "FILE");
  options.Texts("--cors-origin", a.cors_origins, "Origin whose pages may call; * is any", "ORIGIN");
}

void AddLimitOptions(OptionList& options, ServeArguments& a) {
  options.Group("Limits");
  options
      .Number("--max-batch-tokens", a.max_batch_tokens, 1, 1 << 20,
              StrCat("The most tokens computed together (default: as akin tune has found for the "
                     "first model, else ",
                     SchedulerOptions{}.batch_tokens, ')'))
      ->default_str("");
  options.Number("--max-concurrent-requests", a.max_concurrent_requests, 1, kMany,
                 "Requests in the queue; more get 429");
  options.Number("--max-queue-tokens", a.max_queue_tokens, 1, kMany,
                 "Tokens in the queue; more get 429");
  options.Number("--max-client-batch-size", a.max_client_batch_size, 1, kMany,
                 "Texts in one request");
  options.Number("--payload-limit", a.payload_limit, 1, kMany, "Size of a request's body", "BYTES");
  options.Number("--request-timeout", a.request_timeout, 1, 86400,
                 "A request that has not begun by then gets 504", "SECONDS");
  options.Number("--bulk-texts", a.bulk_texts, 0, kMany,
                 "Requests of more texts go behind the others, unless x-priority says otherwise");
  options
      .Text("--auto-truncate", a.auto_truncate,
            "Cut texts that are too long, when a request to TEI's routes does not say",
            "{true,false}")
      ->capture_default_str();
  options.Flag("--accept-token-ids", a.accept_token_ids,
               "Take token ids of the model's own vocabulary in /v1/embeddings");
  options.Number("--max-connections", a.max_connections, 1, 1 << 20, "Open connections");
  options.Number("--header-timeout", a.header_timeout, 1, 3600, "For a request's head", "SECONDS");
  options.Number("--idle-timeout", a.idle_timeout, 1, 86400, "Between requests", "SECONDS");
  options.Number("--write-timeout", a.write_timeout, 1, 3600, "For an answer", "SECONDS");
}

void AddOperationOptions(OptionList& options, ServeArguments& a) {
  options.Group("Operation");
  options.Text("--log-level", a.log_level, "The least that is logged", "{debug,info,warn,error}")
      ->capture_default_str();
  options.Text("--log-format", a.log_format, "A line an event", "{text,json}")
      ->capture_default_str();
  options.Number("--drain-delay", a.drain_delay, 0, 3600,
                 "After SIGTERM go on accepting for so long: behind a load balancer 5", "SECONDS");
  options.Number("--drain-deadline", a.drain_deadline, 0, 3600,
                 "What is not answered by then gets 503", "SECONDS");
  options.Text("--otlp-endpoint", a.otlp_endpoint,
               "Send traces to this OpenTelemetry collector (OTLP over HTTP)", "URL");
  options.Text("--otlp-service-name", a.otlp_service_name, "What traces call this server", "NAME")
      ->capture_default_str();
  options.Text("-c,--config", a.config, "TOML file with these options by their long names", "FILE");
  options.Flag("--check", a.check, "Check options, sockets and models, then exit");
}

// What neither the command line nor the environment has set.
Status ApplyConfigFile(CLI::App& verb, const std::string& path) {
  AKIN_TRY_ASSIGN(const std::string text, ReadSmallFile(path, kMostConfigBytes));
  AKIN_TRY_ASSIGN(const auto entries, server::ParseConfigFile(text, path));
  for (const server::ConfigEntry& entry : entries) {
    CLI::Option* option = verb.get_option_no_throw("--" + entry.key);
    if (option == nullptr || entry.key == "config" || entry.key == "help") {
      return InvalidInput(path, ", line ", entry.line, ": there is no option ", entry.key,
                          " (akin serve --help lists them)");
    }
    if (option->count() > 0) continue;
    try {
      for (const std::string& value : entry.values) option->add_result(value);
      option->run_callback();
    } catch (const CLI::Error& error) {
      return InvalidInput(path, ", line ", entry.line, ": ", entry.key, ": ", error.what());
    }
  }
  return {};
}

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
  std::vector<std::string> keys = a.api_keys;
  if (!a.api_key_file.empty()) {
    AKIN_TRY_ASSIGN(std::string text, ReadSmallFile(a.api_key_file, kMostConfigBytes));
    std::istringstream file(std::move(text));
    for (std::string line; std::getline(file, line);) {
      while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())))
        line.pop_back();
      if (!line.empty() && line[0] != '#') keys.push_back(line);
    }
    if (keys.empty()) return InvalidInput("--api-key-file ", a.api_key_file, " holds no key");
  }
  for (const std::string& key : keys) {
    // An empty one would open the door to everybody.
    if (key.empty()) return InvalidInput("--api-key is empty");
  }
  return keys;
}

Result<bool> ParseBool(std::string_view option, std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return InvalidInput(option, " is '", text, "', expected true or false");
}

// A model as other verbs would load it.
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
  for (const std::string& model : a.models) options.registry.models.push_back(ParseModel(model));
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
  AKIN_TRY(ParseBackend(a.backend, load));  // What it says counts before their options.
  AKIN_TRY_ASSIGN(load.precision, ParsePrecision(a.precision));
  AKIN_TRY_ASSIGN(load.isa, ParseIsa(a.isa));
  if (!a.pooling.empty()) {
    AKIN_TRY_ASSIGN(load.pooling, ParsePoolingMode(a.pooling));
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

Result<server::ServeOptions> ToServeOptions(const ServeArguments& a) {
  server::ServeOptions options;
  AKIN_TRY(AddModels(a, options));
  const LoadOptions& load = options.registry.load;
  // Of a server elsewhere each worker waits for a request of its own.
  const bool remote = a.threads == 0 && load.backend == BackendKind::kRemote;
  options.scheduler = {.num_threads = remote ? load.remote.max_connections : load.num_threads,
                       .batch_tokens = load.batch_tokens,
                       .max_requests = a.max_concurrent_requests,
                       .max_tokens = a.max_queue_tokens};
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
  options.app.max_client_batch_size = static_cast<size_t>(a.max_client_batch_size);
  AKIN_TRY_ASSIGN(options.app.auto_truncate, ParseBool("--auto-truncate", a.auto_truncate));
  options.app.accept_token_ids = a.accept_token_ids;
  options.app.request_timeout = seconds(a.request_timeout);
  options.app.bulk_texts = static_cast<size_t>(a.bulk_texts);
  options.app.scheduler = options.scheduler;
  options.app.payload_limit = a.payload_limit;
  AKIN_TRY_ASSIGN(options.log_level, server::ParseLogLevel(a.log_level));
  if (a.log_format != "text" && a.log_format != "json") {
    return InvalidInput("--log-format is '", a.log_format, "', expected text or json");
  }
  options.log_json = a.log_format == "json";
  if (!a.otlp_endpoint.empty()) {
    AKIN_TRY_ASSIGN(options.otlp, server::ParseOtlpEndpoint(a.otlp_endpoint));
  }
  options.otlp_service_name = a.otlp_service_name;
  options.drain_delay = seconds(a.drain_delay);
  options.drain_deadline = seconds(a.drain_deadline);
  return options;
}

VerbResult RunServe(CLI::App& verb, const ServeArguments& arguments) {
  if (!arguments.config.empty()) AKIN_TRY(ApplyConfigFile(verb, arguments.config));
  AKIN_TRY_ASSIGN(const server::ServeOptions options, ToServeOptions(arguments));
  for (const server::ModelSpec& spec : options.registry.models) {
    if (arguments.onnxruntime.isolate_load) AKIN_TRY(TryLoadInChild(ArgumentsOf(arguments, spec)));
  }
  AKIN_TRY(arguments.check ? server::CheckServe(options) : server::Serve(options));
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin serve\n"
    "  akin serve --model small=models/small --model large=models/large --lazy\n"
    "  AKIN_API_KEY=secret akin serve --host 0.0.0.0 --port 80 --log-format json\n"
    "  akin serve --config akin.toml --check\n"
    "Every option may also come from the environment (--max-batch-tokens is "
    "AKIN_MAX_BATCH_TOKENS) or from the file of --config; the command line wins, then the "
    "environment.\n";

}  // namespace

void AddServeCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb =
      AddVerb(app, "serve",
              "Serve models over HTTP: the APIs of OpenAI, TEI, Cohere, Ollama, AkiDB", kExamples);
  auto arguments = std::make_shared<ServeArguments>();
  OptionList options(verb);
  AddModelOptions(verb, options, *arguments);
  AddNetworkOptions(options, *arguments);
  AddLimitOptions(options, *arguments);
  AddOperationOptions(options, *arguments);
  verbs[&verb] = [arguments, &verb] { return RunServe(verb, *arguments); };
}

}  // namespace akin::cli
