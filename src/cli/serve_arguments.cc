// The options of `akin serve`, in the groups that --help shows.
#include "cli/serve_arguments.h"

#include "akin/system.h"

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/strings.h"
#include "server/budgets/body_rooms.h"

namespace akin::cli {
namespace {

constexpr int kMany = 1 << 30;
constexpr int kMostPayload = server::BodyRooms::kMostBodyBytes;

// Declares options that the environment may set too.
class OptionList {
 public:
  explicit OptionList(CLI::App& verb) : verb_(verb) {}

  void OnnxRuntime(OnnxRuntimeArguments& onnxruntime) {
    onnxruntime.AddTo(verb_);
    GroupFromEnvironment(verb_, OnnxRuntimeArguments::kGroup);
  }

  void Group(const std::string& name) { group_ = name; }
  CLI::Option* Text(const std::string& name, std::string& value, const std::string& help,
                    const std::string& type) {
    return Declared(verb_.add_option(name, value, help)->type_name(type));
  }
  CLI::Option* Texts(const std::string& name, std::vector<std::string>& values,
                     const std::string& help, const std::string& type) {
    return Declared(verb_.add_option(name, values, help)
                        ->type_name(type)
                        ->delimiter(',')
                        ->allow_extra_args(false)
                        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
  }
  CLI::Option* Number(const std::string& name, int& value, int least, int most,
                      const std::string& help, const std::string& type = "N") {
    // 0 is a value here like others; elsewhere it stands for none, and is not shown.
    const bool shown = value == 0 && help.find("default") == help.npos;
    return Declared(verb_.add_option(name, value, shown ? help + " (default: 0)" : help)
                        ->type_name(type)
                        ->check(Between(least, most)));
  }
  CLI::Option* Flag(const std::string& name, bool& value, const std::string& help) {
    return Declared(verb_.add_flag(name, value, help));
  }

 private:
  CLI::Option* Declared(CLI::Option* option) { return FromEnvironment(option)->group(group_); }
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
  options.Text("--isa", a.isa, "Instruction set; auto is this CPU's fastest", Choices(IsaNames()));
  options.Text("--pooling", a.pooling, "In place of the models' own pooling",
               Choices(PoolingNames()));
  options.OnnxRuntime(a.onnxruntime);
  a.python.AddTo(verb);
  a.remote.AddTo(verb);
  GroupFromEnvironment(verb, PythonArguments::kGroup);
  GroupFromEnvironment(verb, RemoteArguments::kGroup);
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
  options.Text("--host", a.host, "Address to listen on; 0.0.0.0 is all", "ADDRESS");
  options.Number("-p,--port", a.port, 0, 65535, "Port; 0 takes a free one");
  options.Number("--grpc-port", a.grpc_port, 0, 65535,
                 "One more port, for clients that expect gRPC on its own; 0 takes a free one "
                 "(default: none; gRPC is on --port, too)");
  options.Text("--unix-socket", a.unix_socket, "Listen on a Unix socket, too", "PATH");
  options.Text("--tls-cert", a.tls_cert, "Certificate chain (PEM): serve https", "FILE");
  options.Text("--tls-key", a.tls_key, "Its key (PEM)", "FILE");
  options.Texts("--api-key", a.api_keys,
                "Key that clients must show as a bearer token; several are "
                "possible. Better in the environment or a file than on the command line",
                "KEY");
  options.Text("--api-key-file", a.api_key_file, "File of keys, one a line", "FILE");
  options.Texts("--cors-origin", a.cors_origins, "Origin whose pages may call; * is any", "ORIGIN");
  options.Texts("--allowed-host", a.allowed_hosts,
                "Name, beside localhost and addresses, under which pages may reach a server that "
                "listens on this machine alone and has no keys; * is any",
                "NAME");
}

void AddLimitOptions(OptionList& options, ServeArguments& a) {
  options.Group("Limits");
  options.Number("--max-batch-tokens", a.max_batch_tokens, 1, 1 << 20,
                 StrCat("The most tokens computed together (default: as akin tune has found for "
                        "the first model, else ",
                        SchedulerOptions{}.batch_tokens, ')'));
  options.Number("--max-concurrent-requests", a.max_concurrent_requests, 1, kMany,
                 "Requests of a client in the queue; several clients share them, more get 429");
  options.Number("--max-queue-tokens", a.max_queue_tokens, 1, kMany,
                 "Tokens of a client in the queue; several clients share them, more get 429");
  options.Number("--queue-memory", a.queue_memory, 1, 1 << 20,
                 "What the texts of requests in the queue take; more get 429", "MIB");
  options.Number("--answer-memory", a.answer_memory, 1, 1 << 20,
                 "The most that one answer takes, and what those that are computed or wait for "
                 "their clients to read them share; more get 429",
                 "MIB");
  options.Number("--max-client-batch-size", a.max_client_batch_size, 1, kMany,
                 "Texts in one request");
  options.Number("--payload-limit", a.payload_limit, 1, kMostPayload,
                 "Size of a request's body, up to 64 MiB", "BYTES");
  options.Number("--request-timeout", a.request_timeout, 1, 86400,
                 "A request that has not begun by then gets 504, and so does one that the backends "
                 "native and onnxruntime still compute",
                 "SECONDS");
  options.Number("--bulk-texts", a.bulk_texts, 0, kMany,
                 "Requests of more texts go behind the others, unless x-priority says otherwise");
  options.Text("--auto-truncate", a.auto_truncate,
               "Cut texts that are too long, when a request to TEI's routes does not say",
               "{true,false}");
  options.Flag("--accept-token-ids", a.accept_token_ids,
               "Take token ids of the model's own vocabulary in /v1/embeddings");
  options.Number("--max-connections", a.max_connections, 1, 1 << 20, "Open connections");
  options.Number("--header-timeout", a.header_timeout, 1, 3600, "For a request's head", "SECONDS");
  options.Number("--idle-timeout", a.idle_timeout, 1, 86400, "Between requests", "SECONDS");
  options.Number("--write-timeout", a.write_timeout, 1, 3600, "For an answer", "SECONDS");
}

void AddOperationOptions(OptionList& options, ServeArguments& a) {
  options.Group("Operation");
  options.Text("--log-level", a.log_level, "The least that is logged", "{debug,info,warn,error}");
  options.Text("--log-format", a.log_format, "A line an event", "{text,json}");
  options.Number("--drain-delay", a.drain_delay, 0, 3600,
                 "After SIGTERM go on accepting for so long: behind a load balancer 5", "SECONDS");
  options.Number("--drain-deadline", a.drain_deadline, 0, 3600,
                 "What is not answered by then gets 503", "SECONDS");
  options.Text("--otlp-endpoint", a.otlp_endpoint,
               "Send traces to this OpenTelemetry collector (OTLP over HTTP)", "URL");
  options.Text("--otlp-service-name", a.otlp_service_name, "What traces call this server", "NAME");
  options.Text("-c,--config", a.config, "TOML file with these options by their long names", "FILE");
  options.Flag("--check", a.check, "Check options, sockets and models, then exit");
}

}  // namespace

void ServeArguments::AddTo(CLI::App& verb) {
  OptionList options(verb);
  AddModelOptions(verb, options, *this);
  AddNetworkOptions(options, *this);
  AddLimitOptions(options, *this);
  AddOperationOptions(options, *this);
}

}  // namespace akin::cli
