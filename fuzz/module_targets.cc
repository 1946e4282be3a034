#include "fuzz/module_targets.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "akin/quantize.h"

#include "fuzz/support.h"
#include "model/model_directory.h"
#include "model/module_rows.h"
#include "model/sentence_modules.h"

namespace akin::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = "--- ";
constexpr std::string_view kFiles[] = {"modules.json",
                                       "config.json",
                                       "router_config.json",
                                       "sentence_bert_config.json",
                                       "tokenizer_config.json",
                                       "config_sentence_transformers.json",
                                       "1_Pooling/config.json",
                                       "2_Dense/config.json",
                                       "2_Router/router_config.json",
                                       "2_Router/query_0_Dense/config.json"};

// With the folders of all kFiles.
class ModelFolder : public Folder {
 public:
  ModelFolder() {
    for (const std::string_view file : kFiles)
      fs::create_directories((path() / file).parent_path());
  }

  // Removes what an input before wrote.
  void Fill(std::string_view input) const {
    for (const std::string_view file : kFiles) fs::remove(path() / file);
    while (!input.empty()) {
      const size_t end = std::min(input.find('\n'), input.size());
      const std::string_view line = input.substr(0, end);
      input.remove_prefix(std::min(end + 1, input.size()));
      const size_t next = std::min(input.find(kMark), input.size());
      if (line.starts_with(kMark)) WriteKnown(line.substr(kMark.size()), input.substr(0, next));
      input.remove_prefix(next);
    }
  }

 private:
  void WriteKnown(std::string_view file, std::string_view content) const {
    if (std::ranges::find(kFiles, file) != std::end(kFiles)) Write(file, content);
  }
};

}  // namespace

void LoadModules(std::string_view input) {
  static const ModelFolder folder;
  folder.Fill(input);
  const auto directory = model::ModelDirectory::Open(folder.path().string());
  Require(directory.has_value());
  const auto routes = model::ReadRoutes(*directory);
  if (!routes) return;
  std::vector<std::string> names = routes->names;
  Require(routes->default_name.empty() ||
          std::ranges::find(names, routes->default_name) != names.end());
  for (const model::Routes::Task& task : routes->tasks) {
    Require(std::ranges::find(names, task.route) != names.end());
  }
  if (names.empty()) names.emplace_back();
  for (const std::string& route : names) {
    const auto modules = model::LoadSentenceModules(*directory, std::nullopt, route);
    if (modules) Require(!modules->heads.empty());
  }
}

void LoadRanges(std::string_view input) {
  const auto ranges = QuantizationRanges::FromJson(input, "ranges.json");
  if (!ranges) return;
  const size_t dimension = ranges->dimension();
  Require(dimension > 0 && ranges->max.size() == dimension);
  std::vector<int8_t> quantized(dimension);
  for (const float x : {0.0f, -1e30f, 1e30f, ranges->min[0], ranges->max[0]}) {
    const std::vector<float> vector(dimension, x);
    Require(ToInt8(vector, *ranges, quantized).has_value());
  }
  const auto again = QuantizationRanges::FromJson(ranges->ToJson(), "ranges.json");
  Require(again.has_value() && again->min == ranges->min && again->max == ranges->max);
}

}  // namespace akin::fuzz
