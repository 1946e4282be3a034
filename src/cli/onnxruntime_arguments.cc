#include "cli/onnxruntime_arguments.h"

#include <cstdlib>

#include "cli/command.h"
#include "cli/option_value.h"
#include "cli/strings.h"
#include "cli/suggestion.h"

namespace akin::cli {
namespace {

constexpr double kMostSeconds = 86'400;

using KeyValue = std::pair<std::string, std::string>;

Result<KeyValue> ParsePair(std::string_view option, std::string_view form,
                           const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == text.npos || equals + 1 == text.size())
    return InvalidInput(option, " '", text, "' is not of the form ", form);
  return KeyValue(text.substr(0, equals), text.substr(equals + 1));
}

Result<std::vector<int32_t>> ParseBuckets(const std::vector<int>& lengths) {
  std::vector<int32_t> buckets;
  for (const int length : lengths) {
    if (!buckets.empty() && length <= buckets.back())
      return InvalidInput("--shape-buckets has ", length, " behind ", buckets.back(),
                          ", expected rising lengths");
    buckets.push_back(length);
  }
  return buckets;
}

// A mistyped name is not one that this library happens to lack. With plug-ins, whose providers may
// be called anything, and with full names the library knows.
Status CheckName(const ExecutionProvider& provider, bool with_plugins) {
  const std::string& name = provider.name;
  const bool known = ShortExecutionProviderName(name) != name;
  if (known || with_plugins || name.ends_with("ExecutionProvider")) return {};
  const std::vector<std::string> names = ShortExecutionProviderNames();
  std::string all;
  for (const std::string& one : names) all += StrCat(all.empty() ? "" : ", ", one);
  const auto nearest = NearestName(name, names);
  return InvalidInput("--ep: there is no execution provider '", name, "', expected one of ", all,
                      ", or one of a plug-in (--ep-library)",
                      nearest ? StrCat("; did you mean ", *nearest, '?') : "");
}

}  // namespace

void OnnxRuntimeArguments::AddLibraryTo(CLI::App& verb) {
  verb.add_option("--ort-library", library,
                  "ONNX Runtime's shared library or its folder (default: AKIN_ORT_LIBRARY, beside "
                  "the program, the system's)")
      ->type_name("PATH")
      ->group(kGroup);
  verb.add_option("--ep-library", provider_libraries,
                  "Plug-in with an execution provider, loaded under a name; repeatable")
      ->type_name("NAME=PATH")
      ->allow_extra_args(false)  // What follows its value is a text.
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kGroup);
}

void OnnxRuntimeArguments::AddTo(CLI::App& verb) {
  AddLibraryTo(verb);
  verb.add_option("--onnx-file", onnx_file,
                  "ONNX file in the model folder (default: by --precision)")
      ->type_name("FILE")
      ->group(kGroup);
  verb.add_option("--onnx-output", output,
                  "Output of the graph (default: last_hidden_state, sentence_embedding, ...)")
      ->type_name("NAME")
      ->group(kGroup);
  verb.add_option("--ep", providers,
                  "Execution provider, most wanted first: NAME[:required][:key=value,...]; "
                  "repeatable. What none of them computes, the CPU does")
      ->type_name("NAME")
      ->allow_extra_args(false)  // What follows its value is a text.
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kGroup);
  verb.add_option("--shape-buckets", shape_buckets,
                  "Lengths that texts are padded to, for providers that compile each shape")
      ->type_name("N,...")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(Between(1, 1 << 20))
      ->group(kGroup);
  verb.add_option("--optimization-level", optimization,
                  "How much the graph is rewritten at load; all: Akin computes its layers")
      ->type_name("{none,basic,extended,all}")
      ->group(kGroup);
  verb.add_option("--optimized-model-cache", optimized_cache,
                  "Folder that keeps rewritten graphs for the next load")
      ->type_name("DIR")
      ->group(kGroup);
  auto* on = verb.add_flag("--batch-invariant", batch_invariant,
                           "Run each text alone, so that it has the same vector in any batch "
                           "(default for graphs that are quantized dynamically)")
                 ->group(kGroup);
  auto* off = verb.add_flag("--no-batch-invariant", no_batch_invariant,
                            "Run texts together also where a neighbour changes the vector")
                  ->group(kGroup);
  on->excludes(off);
  verb.add_option("--run-timeout", run_timeout, "End a run that takes longer; 0: never")
      ->type_name("SECONDS")
      ->check(Between(0.0, kMostSeconds))
      ->group(kGroup);
  verb.add_flag("--isolate-load", isolate_load,
                "Let another process load the model first: files that bring the runtime down are "
                "an error then")
      ->group(kGroup);
  verb.add_option("--session-config", session_config,
                  "Entry of ONNX Runtime's session configuration, passed on; repeatable")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)  // What follows its value is a text.
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kGroup);
  for (const CLI::Option* option : verb.get_options()) {
    if (option->get_group() == kGroup) declared.push_back(option);
  }
}

std::string OnnxRuntimeArguments::GivenOption() const {
  for (const CLI::Option* option : declared) {
    if (option->count() == 0) continue;
    const std::string variable = option->get_envname();
    const char* const value = variable.empty() ? nullptr : std::getenv(variable.c_str());
    if (value == nullptr || *value == '\0') return "--" + option->get_lnames().front();
  }
  return "";
}

std::vector<std::string> OnnxRuntimeArguments::Variables() const {
  std::vector<std::string> names;
  for (const CLI::Option* option : declared) {
    if (option->count() > 0 && !option->get_envname().empty())
      names.push_back(option->get_envname());
  }
  return names;
}

Status OnnxRuntimeArguments::CheckFits(BackendKind backend) const {
  if (backend == BackendKind::kAuto || backend == BackendKind::kOnnxRuntime) return {};
  const std::string option = GivenOption();
  if (option.empty()) return {};
  return InvalidInput(option, " is an option of the backend onnxruntime, and --backend is ",
                      BackendKindName(backend), ", which does not use it");
}

std::vector<std::string> OnnxRuntimeArguments::Words() const {
  std::vector<std::string> words;
  const auto add = [&words](const char* option, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {option, value});
  };
  add("--ort-library", library);
  add("--onnx-file", onnx_file);
  add("--onnx-output", output);
  for (const std::string& plugin : provider_libraries) add("--ep-library", plugin);
  for (const std::string& provider : providers) add("--ep", provider);
  for (const std::string& entry : session_config) add("--session-config", entry);
  if (optimization != "all") add("--optimization-level", optimization);
  if (batch_invariant) words.emplace_back("--batch-invariant");
  if (no_batch_invariant) words.emplace_back("--no-batch-invariant");
  return words;
}

Result<OnnxRuntimeOptions> OnnxRuntimeArguments::ToOptions() const {
  OnnxRuntimeOptions options;
  options.ask_for_backend = !GivenOption().empty();
  options.library = library;
  options.onnx_file = onnx_file;
  options.output = output;
  options.optimized_model_cache = optimized_cache;
  options.run_timeout_ms = static_cast<int>(run_timeout * 1e3);
  options.count_nodes = count_nodes;
  for (const std::string& text : providers) {
    AKIN_TRY_ASSIGN(ExecutionProvider provider, ValueOf("--ep", ParseExecutionProvider(text)));
    AKIN_TRY(CheckName(provider, !provider_libraries.empty()));
    options.providers.push_back(std::move(provider));
  }
  for (const std::string& text : provider_libraries) {
    AKIN_TRY_ASSIGN(KeyValue pair, ParsePair("--ep-library", "NAME=PATH", text));
    options.provider_libraries.push_back(std::move(pair));
  }
  for (const std::string& text : session_config) {
    AKIN_TRY_ASSIGN(KeyValue pair, ParsePair("--session-config", "KEY=VALUE", text));
    options.session_config.push_back(std::move(pair));
  }
  AKIN_TRY_ASSIGN(options.shape_buckets, ParseBuckets(shape_buckets));
  AKIN_TRY_ASSIGN(options.optimization,
                  ValueOf("--optimization-level", ParseGraphOptimization(optimization)));
  if (batch_invariant || no_batch_invariant) options.batch_invariant = batch_invariant;
  return options;
}

}  // namespace akin::cli
