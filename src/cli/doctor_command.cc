// `akin doctor`: does everything needed work here, and if not, what is missing.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>

#include "akin/hub.h"
#include "akin/onnxruntime.h"
#include "akin/system.h"

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/json_writer.h"
#include "cli/model_access.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/utf8.h"
#include "cli/version.h"
#include "cli/writable.h"

namespace akin::cli {
namespace {

struct DoctorArguments {
  ModelArguments model;
  bool json = false;
};

// The model that would be used, tried end to end.
struct ModelCheck {
  std::string name;
  std::string folder;             // Empty: not found.
  std::optional<ModelInfo> info;  // None: not loaded.
  std::optional<Error> error;
  std::optional<Tuning> tuning;  // What of akin tune is used.
};

// Before anything starts a thread, as ONNX Runtime's library does: setenv moves the environment
// under whoever reads it.
void TakeLibraryFromOption(const ModelArguments& arguments) {
  const std::string& library = arguments.onnxruntime.library;
  if (!library.empty()) setenv("AKIN_ORT_LIBRARY", library.c_str(), 1);
}

// Naming the library asks for ONNX Runtime elsewhere; here it says where to look for it, and the
// environment has it. Plug-ins are loaded already.
ModelArguments WithoutLibraries(ModelArguments arguments) {
  OnnxRuntimeArguments& onnxruntime = arguments.onnxruntime;
  onnxruntime.library.clear();
  onnxruntime.provider_libraries.clear();
  std::erase_if(onnxruntime.declared, [](const CLI::Option* option) {
    return option->check_lname("ort-library") || option->check_lname("ep-library");
  });
  return arguments;
}

ModelCheck CheckModel(const ModelArguments& given) {
  const ModelArguments arguments = WithoutLibraries(given);
  ModelCheck check;
  check.name = ModelNameOf(arguments);
  const auto fail = [&check](const Error& error) {
    check.error = error;
    return check;
  };
  const auto folder = FindModel(check.name);
  if (!folder) return fail(folder.error());
  check.folder = *folder;
  const auto embedder = LoadDescribed(arguments, check.tuning);
  if (!embedder) return fail(embedder.error());
  check.info = embedder->Info();
  if (const Status health = embedder->Health(); !health) return fail(health.error());
  return check;
}

std::string IsasJson(const SystemInfo& system) {
  std::vector<std::string> isas;
  for (const IsaStatus& status : system.isas) {
    isas.push_back(JsonObject()
                       .Add("isa", IsaName(status.isa))
                       .Add("usable", status.usable)
                       .Add("reason", status.reason)
                       .str());
  }
  return JsonArray(isas);
}

std::string SystemJson(const SystemInfo& system) {
  return JsonObject()
      .Add("cpu", system.cpu)
      .AddRaw("features", JsonStrings(system.features))
      .AddRaw("isas", IsasJson(system))
      .Add("chosen_isa", IsaName(system.chosen_isa))
      .Add("chosen_isa_reason", system.chosen_isa_reason)
      .Add("threads", system.threads.count)
      .Add("threads_source", system.threads.source)
      .Add("memory_limit_bytes", system.memory_limit_bytes)
      .Add("cache_folder", system.cache_folder)
      .Add("cache_is_writable",
           !system.cache_folder.empty() && WhyNotWritable(system.cache_folder).empty())
      .Add("version", system.version)
      .Add("compiler", system.compiler)
      .Add("revision", Revision())
      .str();
}

std::string LocationsJson(const std::vector<ModelLocation>& locations) {
  std::vector<std::string> out;
  for (const ModelLocation& location : locations) {
    out.push_back(JsonObject()
                      .Add("path", location.path)
                      .Add("exists", location.exists)
                      .AddRaw("models", JsonStrings(location.models))
                      .str());
  }
  return JsonArray(out);
}

std::string ModelJson(const ModelCheck& check) {
  JsonObject out;
  out.Add("name", check.name).Add("folder", check.folder).Add("ok", !check.error);
  out.Add("tuned", check.tuning.has_value());
  if (check.info) {
    out.Add("backend", check.info->backend)
        .Add("backend_detail", check.info->backend_detail)
        .Add("isa", check.info->isa)
        .AddRaw("notes", JsonStrings(check.info->notes))
        .Add("load_ms", check.info->load_ms);
  }
  if (check.error) {
    out.AddRaw("error", JsonObject()
                            .Add("category", CategoryName(check.error->code()))
                            .Add("message", check.error->message())
                            .str());
  }
  return out.str();
}

std::string OnnxRuntimeJson(const Result<OnnxRuntimeInfo>& onnxruntime) {
  if (!onnxruntime) {
    return JsonObject().Add("found", false).Add("reason", onnxruntime.error().message()).str();
  }
  std::vector<std::string> devices;
  for (const auto& [provider, type] : onnxruntime->plugin_devices)
    devices.push_back(JsonObject().Add("provider", provider).Add("device", type).str());
  return JsonObject()
      .Add("found", true)
      .Add("path", onnxruntime->path)
      .Add("version", onnxruntime->version)
      .AddRaw("providers", JsonStrings(onnxruntime->providers))
      .AddRaw("plugin_devices", JsonArray(devices))
      .str();
}

std::string HttpClientJson(const Result<std::string>& client) {
  if (!client)
    return JsonObject().Add("found", false).Add("reason", client.error().message()).str();
  return JsonObject().Add("found", true).Add("version", *client).str();
}

std::string PluginJson(const Result<PluginInfo>& plugin) {
  if (!plugin) {
    return JsonObject().Add("found", false).Add("reason", plugin.error().message()).str();
  }
  std::vector<std::string> options;
  for (const auto& [name, description] : plugin->options)
    options.push_back(JsonObject().Add("name", name).Add("description", description).str());
  return JsonObject()
      .Add("found", true)
      .Add("path", plugin->path)
      .Add("name", plugin->name)
      .Add("version", plugin->version)
      .AddRaw("options", JsonArray(options))
      .str();
}

std::string DoctorJson(const SystemInfo& system, const std::vector<ModelLocation>& locations,
                       const Result<std::string>& http_client,
                       const Result<OnnxRuntimeInfo>& onnxruntime,
                       const std::optional<Result<PluginInfo>>& plugin, const ModelCheck& check,
                       bool library_is_named) {
  JsonObject out;
  const bool is_missing = library_is_named && !onnxruntime;
  out.Add("ok", !check.error && !is_missing)
      .AddRaw("system", SystemJson(system))
      .AddRaw("locations", LocationsJson(locations))
      .AddRaw("http_client", HttpClientJson(http_client))
      .AddRaw("onnxruntime", OnnxRuntimeJson(onnxruntime));
  if (plugin) out.AddRaw("plugin", PluginJson(*plugin));
  return out.AddRaw("model", ModelJson(check)).str() + '\n';
}

class Page {
 public:
  explicit Page(int fd) : style_(fd) {}

  void Heading(std::string_view text) {
    out_ += StrCat(out_.empty() ? "" : "\n", style_.Bold(text), '\n');
  }
  void Line(std::string_view name, std::string_view value) {
    out_ += StrCat("  ", PadToWidth(name, 12), value, '\n');
  }
  void Check(bool ok, std::string_view text) {
    out_ += StrCat("  ", ok ? style_.Good("ok    ") : style_.Bad("FAILED"), "  ", text, '\n');
  }
  // Good to know, no failure: a tier that this CPU lacks.
  void Note(std::string_view text) { out_ += StrCat("  ", style_.Dim("-     "), "  ", text, '\n'); }
  const std::string& text() const { return out_; }

 private:
  const Style style_;
  std::string out_;
};

std::string Joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) out += StrCat(out.empty() ? "" : separator, word);
  return out;
}

// "31 MiB of packed weights in packed/ (AKIN_PACKED_CACHE_MIB bounds it)"
std::string PackedCacheText(const SystemInfo& system) {
  namespace fs = std::filesystem;
  std::error_code error;
  uintmax_t bytes = 0;
  for (fs::directory_iterator entry(fs::path(system.cache_folder) / "packed", error), end;
       !error && entry != end; entry.increment(error)) {
    std::error_code gone;
    const uintmax_t size = entry->file_size(gone);
    bytes += gone ? 0 : size;
  }
  const std::string why = WhyNotWritable(system.cache_folder);
  return StrCat(Grouped(static_cast<int64_t>(bytes >> 20)),
                " MiB of packed weights in packed/ (AKIN_PACKED_CACHE_MIB bounds it)",
                why.empty()
                    ? ""
                    : StrCat("; nothing can be kept there, so that loading takes longer: ", why));
}

void AddMachine(Page& page, const SystemInfo& system) {
  page.Heading("Machine");
  page.Line("cpu", system.cpu);
  page.Line("features", Joined(system.features, " "));
  page.Line("threads", StrCat(system.threads.count, ", from ", system.threads.source));
  page.Line("memory", system.memory_limit_bytes > 0
                          ? StrCat(Grouped(system.memory_limit_bytes >> 20), " MiB")
                          : "limit unknown");
  page.Line("cache", system.cache_folder.empty()
                         ? "none: AKIN_CACHE, XDG_CACHE_HOME and HOME are not set"
                         : StrCat(system.cache_folder, ": ", PackedCacheText(system)));
  page.Line("akin", VersionText());
}

void AddIsas(Page& page, const SystemInfo& system) {
  page.Heading("Instruction sets");
  size_t width = 0;
  for (const IsaStatus& status : system.isas) width = std::max(width, IsaName(status.isa).size());
  for (const IsaStatus& status : system.isas) {
    const std::string name = PadToWidth(IsaName(status.isa), static_cast<int>(width));
    const std::string line = StrCat(name, "  ", status.reason);
    status.usable ? page.Check(true, line) : page.Note(line);
  }
  page.Line("chosen", StrCat(IsaName(system.chosen_isa), ": ", system.chosen_isa_reason));
}

void AddLocations(Page& page, const std::vector<ModelLocation>& locations) {
  page.Heading("Where models are looked for");
  for (const ModelLocation& location : locations) {
    const std::string models = !location.exists          ? "not there"
                               : location.models.empty() ? "no model in it"
                                                         : Joined(location.models, ", ");
    page.Note(StrCat(location.path, ": ", models));
  }
  if (locations.empty()) page.Line("nowhere", "");
}

// Nobody needs it for a model that is here.
void AddHttpClient(Page& page, const Result<std::string>& client) {
  page.Heading("Requests to hubs and servers (akin pull, --backend remote)");
  client ? page.Check(true, *client) : page.Note(client.error().message());
}

// Not having it is no failure: the native backend needs none.
void AddOnnxRuntime(Page& page, const Result<OnnxRuntimeInfo>& onnxruntime) {
  page.Heading("ONNX Runtime");
  if (!onnxruntime) return page.Note(onnxruntime.error().message());
  page.Check(true, StrCat(onnxruntime->version, " at ", onnxruntime->path));
  std::vector<std::string> names;
  for (const std::string& name : onnxruntime->providers)
    names.push_back(ShortExecutionProviderName(name));
  page.Line("providers", Joined(names, ", "));
  for (const auto& [provider, type] : onnxruntime->plugin_devices)
    page.Line("plug-in", type.empty() ? StrCat(provider, " offers no device on this machine")
                                      : StrCat(ShortExecutionProviderName(provider), " on ", type));
}

// Only where one is asked for.
void AddPlugin(Page& page, const Result<PluginInfo>& plugin) {
  page.Heading("Plug-in");
  if (!plugin) return page.Check(false, plugin.error().message());
  page.Check(true, StrCat(plugin->name, ' ', plugin->version, " at ", plugin->path));
  for (const auto& [name, description] : plugin->options) page.Line(name, description);
}

void AddModel(Page& page, const ModelCheck& check) {
  page.Heading("Model");
  if (!check.folder.empty()) {
    page.Check(true, StrCat(check.name, " is in ", check.folder));
  }
  if (check.info) {
    page.Check(true,
               StrCat("loaded in ", Fixed(check.info->load_ms, 1), " ms, runs on ",
                      KnownParts({check.info->backend, check.info->precision, check.info->isa})));
  }
  if (check.info && !check.info->backend_detail.empty()) {
    page.Note(StrCat("it is ", check.info->backend_detail));
  }
  if (check.info) {
    for (const std::string& note : check.info->notes) {
      if (IsSaidUnasked(note)) page.Note(note);
    }
  }
  page.Note(check.tuning ? StrCat("tuned: ", Described(*check.tuning))
                         : "not tuned for this machine (akin tune)");
  if (check.error) {
    page.Check(false, check.error->message());
  } else {
    page.Check(true, "embeds a text");
  }
}

VerbResult Doctor(const DoctorArguments& arguments) {
  AKIN_TRY_ASSIGN(const LoadOptions options, WithoutLibraries(arguments.model).ToLoadOptions());
  AKIN_TRY_ASSIGN(const OnnxRuntimeOptions onnxruntime_options,
                  arguments.model.onnxruntime.ToOptions());
  TakeLibraryFromOption(arguments.model);
  SystemInfo system = DescribeSystem();
  if (options.num_threads > 0) system.threads = {options.num_threads, "option --threads"};
  if (options.isa != Isa::kAuto) {
    system.chosen_isa = options.isa;
    system.chosen_isa_reason = "option --isa";
  }
  const std::vector<ModelLocation> locations = ListModelLocations();
  const Result<std::string> http_client = DescribeHttpClient();
  const Result<OnnxRuntimeInfo> onnxruntime = DescribeOnnxRuntime(onnxruntime_options);
  std::optional<Result<PluginInfo>> plugin;
  if (options.backend == BackendKind::kPlugin) plugin = DescribePlugin(options.plugin.library);
  const ModelCheck check = CheckModel(arguments.model);
  if (arguments.json) {
    AKIN_TRY(WriteToStdout(DoctorJson(system, locations, http_client, onnxruntime, plugin, check,
                                      !arguments.model.onnxruntime.library.empty())));
  } else {
    Page page(STDOUT_FILENO);
    AddMachine(page, system);
    AddIsas(page, system);
    AddLocations(page, locations);
    AddHttpClient(page, http_client);
    AddOnnxRuntime(page, onnxruntime);
    if (plugin) AddPlugin(page, *plugin);
    AddModel(page, check);
    AKIN_TRY(WriteToStdout(page.text()));
  }
  if (check.error) return ExitStatusOf(check.error->code());
  // Who names the library wants that one.
  const bool is_named = !arguments.model.onnxruntime.library.empty();
  return is_named && !onnxruntime ? ExitStatusOf(onnxruntime.error().code()) : kSuccess;
}

constexpr char kExamples[] =
    "  akin doctor\n"
    "  akin doctor --model path/to/model\n"
    "  akin doctor --json | jq .system.threads_source\n";

}  // namespace

void AddDoctorCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "doctor", "Check that everything needed works here", kExamples);
  auto arguments = std::make_shared<DoctorArguments>();
  arguments->model.AddTo(verb);
  verb.add_flag("--json", arguments->json, "Print one object");
  verbs[&verb] = [arguments] { return Doctor(*arguments); };
}

}  // namespace akin::cli
