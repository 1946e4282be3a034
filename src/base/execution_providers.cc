#include <algorithm>
#include <iterator>

#include "akin/onnxruntime.h"

#include "base/key_values.h"
#include "base/strings.h"

namespace akin {
namespace {

struct NameRow {
  std::string_view short_name, name;
};
constexpr NameRow kNames[] = {
    {"acl", "ACLExecutionProvider"},
    {"armnn", "ArmNNExecutionProvider"},
    {"azure", "AzureExecutionProvider"},
    {"cann", "CANNExecutionProvider"},
    {"coreml", "CoreMLExecutionProvider"},
    {"cpu", "CPUExecutionProvider"},
    {"cuda", "CUDAExecutionProvider"},
    {"directml", "DmlExecutionProvider"},
    {"dnnl", "DnnlExecutionProvider"},
    {"js", "JsExecutionProvider"},
    {"migraphx", "MIGraphXExecutionProvider"},
    {"nnapi", "NnapiExecutionProvider"},
    {"nvtensorrtrtx", "NvTensorRTRTXExecutionProvider"},
    {"openvino", "OpenVINOExecutionProvider"},
    {"qnn", "QNNExecutionProvider"},
    {"rknpu", "RknpuExecutionProvider"},
    {"rocm", "ROCMExecutionProvider"},
    {"snpe", "SNPEExecutionProvider"},
    {"tensorrt", "TensorrtExecutionProvider"},
    {"tvm", "TvmExecutionProvider"},
    {"vitisai", "VitisAIExecutionProvider"},
    {"vsinpu", "VSINPUExecutionProvider"},
    {"webgpu", "WebGpuExecutionProvider"},
    {"webnn", "WebNNExecutionProvider"},
    {"xnnpack", "XnnpackExecutionProvider"},
};

constexpr std::pair<GraphOptimization, std::string_view> kOptimizations[] = {
    {GraphOptimization::kNone, "none"},
    {GraphOptimization::kBasic, "basic"},
    {GraphOptimization::kExtended, "extended"},
    {GraphOptimization::kAll, "all"}};

bool IsSameWord(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

std::string ExecutionProviderName(std::string_view name) {
  const auto* row = std::ranges::find_if(kNames, [&](const NameRow& known) {
    return IsSameWord(name, known.short_name) || IsSameWord(name, known.name);
  });
  return std::string(row == std::end(kNames) ? name : row->name);
}

std::string ShortExecutionProviderName(std::string_view name) {
  const auto* row = std::ranges::find(kNames, name, &NameRow::name);
  return std::string(row == std::end(kNames) ? name : row->short_name);
}

std::vector<std::string> ShortExecutionProviderNames() {
  std::vector<std::string> names;
  for (const NameRow& row : kNames) names.emplace_back(row.short_name);
  return names;
}

Result<ExecutionProvider> ParseExecutionProvider(std::string_view text) {
  const size_t colon = text.find(':');
  ExecutionProvider provider;
  provider.name = ExecutionProviderName(text.substr(0, colon));
  if (provider.name.empty()) {
    return InvalidInput("execution provider '", text,
                        "' has no name, expected NAME[:required][:key=value,...]");
  }
  if (colon == text.npos) return provider;
  const auto add_options = [&](std::string_view options) -> Status {
    if (options.empty()) return {};
    AKIN_TRY_ASSIGN(const KeyValues more,
                    ParseKeyValues(StrCat("execution provider '", text, "'"),
                                   "NAME[:required][:key=value,...]", SplitAtCommas(options)));
    provider.options.insert(provider.options.end(), more.begin(), more.end());
    return {};
  };
  // A value may have colons of its own: the flag is the word alone between two of them.
  const std::string_view rest = text.substr(colon + 1);
  size_t options_begin = 0;
  for (size_t begin = 0; begin <= rest.size();) {
    const size_t end = std::min(rest.find(':', begin), rest.size());
    if (rest.substr(begin, end - begin) == "required") {
      provider.required = true;
      if (begin > options_begin)
        AKIN_TRY(add_options(rest.substr(options_begin, begin - 1 - options_begin)));
      options_begin = end + 1;
    }
    begin = end + 1;
  }
  if (options_begin < rest.size()) AKIN_TRY(add_options(rest.substr(options_begin)));
  return provider;
}

std::string_view GraphOptimizationName(GraphOptimization level) {
  for (const auto& [known, name] : kOptimizations) {
    if (known == level) return name;
  }
  return "?";
}

Result<GraphOptimization> ParseGraphOptimization(std::string_view name) {
  for (const auto& [level, known] : kOptimizations) {
    if (known == name) return level;
  }
  return InvalidInput("optimization level '", name,
                      "' is not known, expected none, basic, extended or all");
}

}  // namespace akin
