#include "hub/client/file_selection.h"

#include <fnmatch.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/strings.h"

namespace akin::hub {
namespace {

constexpr std::string_view kOptionalFiles[] = {
    "added_tokens.json",         "config_sentence_transformers.json", "modules.json",
    "sentence_bert_config.json", "special_tokens_map.json",           "tokenizer_config.json"};

std::string_view FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? std::string_view() : path.substr(0, slash);
}

std::string_view NameOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == path.npos ? path : path.substr(slash + 1);
}

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

// Folders of exports for other programs, and deeper ones, hold no part of the model itself.
bool IsModuleFolder(std::string_view folder) {
  return folder.find('/') == folder.npos && !folder.starts_with('.') &&
         !IsOneOf(folder, {"onnx", "openvino", "coreml", "gguf", "original"});
}

// "pytorch_model.bin.index.json" and the like belong to formats that are not fetched.
bool IsConfiguration(std::string_view name) {
  if (name.ends_with(".index.json")) return name == "model.safetensors.index.json";
  return name.ends_with(".json") || name.ends_with(".jinja") ||
         IsOneOf(name, {"vocab.txt", "merges.txt", "sentencepiece.bpe.model", "spiece.model",
                        "tokenizer.model"});
}

std::vector<HubFile> Where(std::span<const HubFile> files,
                           const std::function<bool(const HubFile&)>& wanted) {
  std::vector<HubFile> chosen;
  std::ranges::copy_if(files, std::back_inserter(chosen), wanted);
  return chosen;
}

bool IsShard(std::string_view name) {
  return name.starts_with("model-") && name.find("-of-") != name.npos;
}

// The safetensors of each folder: the plain file before its shards before others (variants such as
// model.fp16.safetensors, or a single file by another name).
std::vector<HubFile> Safetensors(std::span<const HubFile> files) {
  const std::vector<HubFile> all = Where(files, [](const HubFile& file) {
    return file.path.ends_with(".safetensors") && IsModuleFolder(FolderOf(file.path));
  });
  const auto rank = [](const HubFile& file) {
    const std::string_view name = NameOf(file.path);
    return name == "model.safetensors" ? 0 : IsShard(name) ? 1 : 2;
  };
  std::map<std::string_view, int> best;
  for (const HubFile& file : all) {
    const auto [entry, added] = best.try_emplace(FolderOf(file.path), rank(file));
    entry->second = std::min(entry->second, rank(file));
  }
  return Where(all, [&](const HubFile& file) { return rank(file) == best[FolderOf(file.path)]; });
}

// model.onnx in the first folder that has it, with the data beside it and what describes it.
std::vector<HubFile> OnnxGraph(std::span<const HubFile> files) {
  for (const std::string_view folder : {"onnx", ""}) {
    const std::string graph = StrCat(folder, folder.empty() ? "" : "/", "model.onnx");
    if (std::ranges::find(files, graph, &HubFile::path) == files.end()) continue;
    return Where(files, [&](const HubFile& file) {
      const bool beside = FolderOf(file.path) == folder;
      return beside &&
             (file.path.starts_with(graph) || (!folder.empty() && file.path.ends_with(".json")));
    });
  }
  return {};
}

}  // namespace

std::span<const std::string_view> OptionalFiles() { return kOptionalFiles; }

Result<std::vector<HubFile>> SelectNeeded(std::span<const HubFile> files, std::string_view model) {
  std::vector<HubFile> weights = Safetensors(files);
  if (weights.empty()) weights = OnnxGraph(files);
  if (weights.empty()) {
    const bool pickles = std::ranges::any_of(files, [](const HubFile& file) {
      return file.path.ends_with(".bin") || file.path.ends_with(".pt") ||
             file.path.ends_with(".ckpt");
    });
    return UnsupportedModel(model, " has neither safetensors nor an ONNX graph",
                            pickles ? ", only pickled weights, which could run code: they are not "
                                      "loaded; convert them to safetensors"
                                    : "");
  }
  std::vector<HubFile> chosen = Where(files, [](const HubFile& file) {
    return IsModuleFolder(FolderOf(file.path)) && IsConfiguration(NameOf(file.path));
  });
  for (HubFile& file : weights) {
    if (std::ranges::find(chosen, file.path, &HubFile::path) == chosen.end())
      chosen.push_back(std::move(file));
  }
  return chosen;
}

Result<std::vector<HubFile>> SelectIncluded(std::span<const HubFile> files,
                                            std::span<const std::string> patterns,
                                            std::string_view model) {
  const auto fits = [](const std::string& pattern, const HubFile& file) {
    return fnmatch(pattern.c_str(), file.path.c_str(), 0) == 0;
  };
  for (const std::string& pattern : patterns) {
    if (std::ranges::none_of(files, [&](const HubFile& file) { return fits(pattern, file); }))
      return InvalidInput("--include '", pattern, "' fits none of the ", files.size(), " files of ",
                          model);
  }
  return Where(files, [&](const HubFile& file) {
    return std::ranges::any_of(patterns,
                               [&](const std::string& pattern) { return fits(pattern, file); });
  });
}

}  // namespace akin::hub
