#include "backends/onnxruntime/providers.h"

#include <algorithm>
#include <string_view>

#include "base/strings.h"

namespace akin::backends::onnxruntime {
namespace {

constexpr std::string_view kCpu = "CPUExecutionProvider";
// An option of ours, of providers by plug-in: the kind of device, "cpu", "gpu" or "npu".
constexpr std::string_view kDeviceOption = "device";

// The options as the arrays that ONNX Runtime takes.
struct KeysAndValues {
  explicit KeysAndValues(const std::vector<std::pair<std::string, std::string>>& options) {
    for (const auto& [key, value] : options) {
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
  }
  std::vector<const char*> keys, values;
};

// An error at appending: what the provider says of its options is the caller's to correct, all else
// means that it cannot be had here.
Status Appended(const Library& library, const ExecutionProvider& provider, OrtStatus* status) {
  if (status == nullptr) return {};
  const bool wrong_option = library.api().GetErrorCode(status) == ORT_INVALID_ARGUMENT;
  return library.ToError(status,
                         wrong_option ? ErrorCode::kInvalidInput : ErrorCode::kUnsupportedModel,
                         StrCat("execution provider ", provider.name));
}

// The providers whose options are objects made by functions of their own.
template <typename Options>
Status AppendWithObject(const Library& library, const ExecutionProvider& provider,
                        OrtStatus*(ORT_API_CALL* create)(Options**),
                        OrtStatus*(ORT_API_CALL* update)(Options*, const char* const*,
                                                         const char* const*, size_t),
                        OrtStatus*(ORT_API_CALL* append)(OrtSessionOptions*, const Options*),
                        void(ORT_API_CALL* release)(Options*), OrtSessionOptions* options) {
  Options* object = nullptr;
  AKIN_TRY(Appended(library, provider, create(&object)));
  const Handle<Options> handle(object, release);
  const KeysAndValues given(provider.options);
  if (!given.keys.empty()) {
    AKIN_TRY(Appended(library, provider,
                      update(object, given.keys.data(), given.values.data(), given.keys.size())));
  }
  return Appended(library, provider, append(options, object));
}

// The library has a provider of that name.
Status AppendBuiltIn(const Library& library, const ExecutionProvider& provider,
                     OrtSessionOptions* options) {
  const OrtApi& api = library.api();
  if (provider.name == "CUDAExecutionProvider") {
    return AppendWithObject<OrtCUDAProviderOptionsV2>(
        library, provider, api.CreateCUDAProviderOptions, api.UpdateCUDAProviderOptions,
        api.SessionOptionsAppendExecutionProvider_CUDA_V2, api.ReleaseCUDAProviderOptions, options);
  }
  if (provider.name == "TensorrtExecutionProvider") {
    return AppendWithObject<OrtTensorRTProviderOptionsV2>(
        library, provider, api.CreateTensorRTProviderOptions, api.UpdateTensorRTProviderOptions,
        api.SessionOptionsAppendExecutionProvider_TensorRT_V2, api.ReleaseTensorRTProviderOptions,
        options);
  }
  if (provider.name == "DnnlExecutionProvider") {
    return AppendWithObject<OrtDnnlProviderOptions>(
        library, provider, api.CreateDnnlProviderOptions, api.UpdateDnnlProviderOptions,
        api.SessionOptionsAppendExecutionProvider_Dnnl, api.ReleaseDnnlProviderOptions, options);
  }
  if (provider.name == "CANNExecutionProvider") {
    return AppendWithObject<OrtCANNProviderOptions>(
        library, provider, api.CreateCANNProviderOptions, api.UpdateCANNProviderOptions,
        api.SessionOptionsAppendExecutionProvider_CANN, api.ReleaseCANNProviderOptions, options);
  }
  // All others by one function, which wants the names without their ending, most in capitals.
  std::string name = provider.name;
  if (const size_t end = name.find("ExecutionProvider"); end != name.npos) name.erase(end);
  for (const auto& [ours, theirs] :
       {std::pair("Dml", "DML"), std::pair("Xnnpack", "XNNPACK"), std::pair("WebGpu", "WebGPU"),
        std::pair("Azure", "AZURE"), std::pair("NvTensorRTRTX", "NvTensorRtRtx")}) {
    if (name == ours) name = theirs;
  }
  const KeysAndValues given(provider.options);
  return Appended(
      library, provider,
      api.SessionOptionsAppendExecutionProvider(options, name.c_str(), given.keys.data(),
                                                given.values.data(), given.keys.size()));
}

// One device: without the option `device` the first that the provider offers.
Status AppendPlugin(const Library& library, ExecutionProvider provider,
                    const std::vector<EpDevice>& devices, OrtSessionOptions* options) {
  std::string wanted;
  std::erase_if(provider.options, [&](const auto& option) {
    if (option.first != kDeviceOption) return false;
    wanted = option.second;
    return true;
  });
  std::string offered;
  const OrtEpDevice* chosen = nullptr;
  for (const EpDevice& device : devices) {
    if (device.provider != provider.name) continue;
    offered += StrCat(offered.empty() ? "" : ", ", device.type);
    if (chosen == nullptr && (wanted.empty() || wanted == device.type)) chosen = device.device;
  }
  if (chosen == nullptr) {
    return UnsupportedModel("execution provider ", provider.name, " has no device '", wanted,
                            "' here; it has: ", offered);
  }
  const KeysAndValues given(provider.options);
  return Appended(library, provider,
                  library.api().SessionOptionsAppendExecutionProvider_V2(
                      options, library.env(), &chosen, 1, given.keys.data(), given.values.data(),
                      given.keys.size()));
}

}  // namespace

Result<std::vector<std::string>> AvailableProviders(const Library& library) {
  std::vector<std::string> names = library.BuiltInProviders();
  AKIN_TRY_ASSIGN(const std::vector<EpDevice> devices, library.EpDevices());
  for (const EpDevice& device : devices) {
    if (std::ranges::find(names, device.provider) == names.end()) names.push_back(device.provider);
  }
  return names;
}

namespace {

// ONNX Runtime has such a provider, in some build of it.
bool IsKnownName(const std::string& name) { return ShortExecutionProviderName(name) != name; }

// Where a provider comes from that a library lacks: Python packages with libraries that have it
// built in, or with a plug-in ("ep").
struct Source {
  std::string_view provider, package;
  bool is_plugin = false;
  std::string_view also = "";
};
constexpr Source kSources[] = {
    {"CANNExecutionProvider", "onnxruntime-cann"},
    {"CoreMLExecutionProvider", "onnxruntime", false, " for macOS"},
    {"CUDAExecutionProvider", "onnxruntime-gpu", false,
     " (or NuGet's Microsoft.ML.OnnxRuntime.Gpu)"},
    {"DmlExecutionProvider", "onnxruntime-directml", false,
     " for Windows (or NuGet's Microsoft.ML.OnnxRuntime.DirectML)"},
    {"MIGraphXExecutionProvider", "onnxruntime-migraphx"},
    {"MIGraphXExecutionProvider", "onnxruntime-ep-migraphx", true},
    {"NvTensorRTRTXExecutionProvider", "onnxruntime-ep-nv-tensorrt-rtx-cu12", true},
    {"OpenVINOExecutionProvider", "onnxruntime-openvino"},
    {"OpenVINOExecutionProvider", "onnxruntime-ep-openvino", true},
    {"QNNExecutionProvider", "onnxruntime-qnn", false,
     " (or NuGet's Microsoft.ML.OnnxRuntime.QNN)"},
    {"ROCMExecutionProvider", "onnxruntime-rocm"},
    {"TensorrtExecutionProvider", "onnxruntime-gpu", false,
     " (or NuGet's Microsoft.ML.OnnxRuntime.Gpu)"},
    {"WebGpuExecutionProvider", "onnxruntime-webgpu"},
    {"WebGpuExecutionProvider", "onnxruntime-ep-webgpu", true},
};

std::string WayToGet(const std::string& provider) {
  std::string ways;
  for (const Source& source : kSources) {
    if (source.provider != provider) continue;
    ways += StrCat(ways.empty() ? "; " : ", ", "the Python package ", source.package, source.also,
                   source.is_plugin ? " has it as a plug-in, for --ep-library "
                                    : " has a library with it, for --ort-library PATH",
                   source.is_plugin ? ShortExecutionProviderName(provider) : "",
                   source.is_plugin ? "=PATH" : "");
  }
  if (ways.empty())
    ways = "; no package has it, as far as is known: it is built from ONNX Runtime's source";
  return StrCat(ways, " (in Akin's documentation: ONNX Runtime and its execution providers)");
}

// By the name that it was loaded under, which --ep may have in its short form.
bool IsPluginName(const Library& library, const std::string& name) {
  return library.HasPlugin(name) || library.HasPlugin(ShortExecutionProviderName(name));
}

Result<std::string> NamesOfAvailable(const Library& library) {
  std::string names;
  AKIN_TRY_ASSIGN(const std::vector<std::string> available, AvailableProviders(library));
  for (const std::string& name : available) names += StrCat(names.empty() ? "" : ", ", name);
  return names;
}

// A provider that is there refuses: because of its options, if it takes none of them willingly.
Status OptionsToBlame(const Library& library, const ExecutionProvider& provider, Status refused) {
  if (refused || provider.options.empty()) return refused;
  OrtSessionOptions* made = nullptr;
  AKIN_TRY(library.Check(library.api().CreateSessionOptions(&made), ErrorCode::kInternal,
                         "ONNX Runtime's session options"));
  const Handle<OrtSessionOptions> options(made, library.api().ReleaseSessionOptions);
  ExecutionProvider bare = provider;
  bare.options.clear();
  if (!AppendBuiltIn(library, bare, options.get())) return refused;
  return InvalidInput(refused.error().message(), "; without its options it can be had");
}

}  // namespace

Status AppendProvider(const Library& library, const ExecutionProvider& provider,
                      OrtSessionOptions* options) {
  if (provider.name == kCpu) {
    if (!provider.options.empty())
      return InvalidInput("execution provider ", kCpu, " takes no options");
    return {};  // Always there, behind all others.
  }
  const std::vector<std::string> built_in = library.BuiltInProviders();
  if (std::ranges::find(built_in, provider.name) != built_in.end())
    return OptionsToBlame(library, provider, AppendBuiltIn(library, provider, options));
  AKIN_TRY_ASSIGN(const std::vector<EpDevice> devices, library.EpDevices());
  if (std::ranges::find(devices, provider.name, &EpDevice::provider) != devices.end())
    return AppendPlugin(library, provider, devices, options);

  AKIN_TRY_ASSIGN(const std::string names, NamesOfAvailable(library));
  if (IsPluginName(library, provider.name)) {
    return UnsupportedModel("execution provider ", provider.name, ": the plug-in '",
                            ShortExecutionProviderName(provider.name),
                            "' offers no device on this machine; there is: ", names);
  }
  if (!IsKnownName(provider.name)) {
    return InvalidInput("execution provider '", provider.name,
                        "' is none that ONNX Runtime is known to have, and no plug-in is loaded ",
                        "under that name (--ep-library); there is: ", names);
  }
  return UnsupportedModel("execution provider ", provider.name, " is not in ONNX Runtime ",
                          library.version(), " at ", library.path(), ", which has: ", names,
                          WayToGet(provider.name));
}

Result<std::vector<ExecutionProvider>> ProvidersToHave(const Library& library,
                                                       std::span<const ExecutionProvider> wanted,
                                                       std::vector<std::string>& notes) {
  OrtSessionOptions* made = nullptr;
  AKIN_TRY(library.Check(library.api().CreateSessionOptions(&made), ErrorCode::kInternal,
                         "ONNX Runtime's session options"));
  const Handle<OrtSessionOptions> options(made, library.api().ReleaseSessionOptions);
  std::vector<ExecutionProvider> had;
  for (const ExecutionProvider& provider : wanted) {
    const Status status = AppendProvider(library, provider, options.get());
    if (status) {
      had.push_back(provider);
      continue;
    }
    const Error& error = status.error();
    if (provider.required || error.code() == ErrorCode::kInvalidInput)
      return InvalidInput(error.message(), provider.required ? "; it is required" : "");
    notes.push_back(StrCat("not used: ", error.message()));
  }
  return had;
}

}  // namespace akin::backends::onnxruntime
