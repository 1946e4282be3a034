#include <algorithm>
#include <iterator>

#include "akin/onnxruntime.h"

#include "base/strings.h"

namespace akin {
namespace {

struct NameRow {
  std::string_view short_name, name;
};
constexpr NameRow kNames[] = {
    {"acl", "ACLExecutionProvider"},
    {"azure", "AzureExecutionProvider"},
    {"cann", "CANNExecutionProvider"},
    {"coreml", "CoreMLExecutionProvider"},
    {"cpu", "CPUExecutionProvider"},
    {"cuda", "CUDAExecutionProvider"},
    {"directml", "DmlExecutionProvider"},
    {"dnnl", "DnnlExecutionProvider"},
    {"migraphx", "MIGraphXExecutionProvider"},
    {"nnapi", "NnapiExecutionProvider"},
    {"nvtensorrtrtx", "NvTensorRTRTXExecutionProvider"},
    {"openvino", "OpenVINOExecutionProvider"},
    {"qnn", "QNNExecutionProvider"},
    {"tensorrt", "TensorrtExecutionProvider"},
    {"vitisai", "VitisAIExecutionProvider"},
    {"webgpu", "WebGpuExecutionProvider"},
    {"xnnpack", "XnnpackExecutionProvider"},
};

constexpr std::pair<GraphOptimization, std::string_view> kOptimizations[] = {
    {GraphOptimization::kNone, "none"},
    {GraphOptimization::kBasic, "basic"},
    {GraphOptimization::kExtended, "extended"},
    {GraphOptimization::kAll, "all"}};

// Cuts `text` at the commas that no backslash stands before, and takes those backslashes away.
std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
      parts.back() += text[++i];
    } else if (text[i] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  return parts;
}

}  // namespace

std::string ExecutionProviderName(std::string_view name) {
  const auto* row = std::ranges::find(kNames, name, &NameRow::short_name);
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
  std::string_view rest = colon == text.npos ? std::string_view() : text.substr(colon + 1);
  constexpr std::string_view kRequired = "required";
  if (rest == kRequired || rest.starts_with("required:")) {
    provider.required = true;
    rest.remove_prefix(std::min(rest.size(), kRequired.size() + 1));
  }
  if (rest.empty()) return provider;
  for (const std::string& option : SplitAtCommas(rest)) {
    const size_t equals = option.find('=');
    if (equals == 0 || equals == option.npos) {
      return InvalidInput("execution provider '", text, "': '", option,
                          "' is no option, expected NAME[:required][:key=value,...]");
    }
    provider.options.emplace_back(option.substr(0, equals), option.substr(equals + 1));
  }
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
