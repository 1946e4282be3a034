#include "cli/bench_compare.h"

#include <simdjson.h>

#include <cmath>
#include <optional>
#include <vector>

#include "cli/small_file.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr size_t kMostBytes = size_t{16} << 20;

// An older report, by its members; every number in it is checked when it is asked for.
class OldReport {
 public:
  static Result<OldReport> Read(const std::string& path) {
    AKIN_TRY_ASSIGN(const std::string text, ReadSmallFile(path, kMostBytes));
    OldReport report(path);
    int64_t format = 0;
    if (report.parser_->parse(text).get(report.root_) || report.root_["akin_bench"].get(format)) {
      return InvalidInput(path, ": is no report of akin bench --json");
    }
    if (format != kBenchFormat) {
      return InvalidInput(path, ": is a report of format ", format, ", expected ", kBenchFormat);
    }
    return report;
  }

  std::string Text(const char* key) const { return TextOf(root_[key]); }
  std::string Cpu() const { return TextOf(root_["machine"]["cpu"]); }

  std::optional<object> Setting(const SettingReport& wanted) const {
    for (const element& item : ItemsOf(root_["settings"])) {
      object setting;
      int64_t threads = 0;
      if (item.get(setting) || setting["threads"].get(threads)) continue;
      if (TextOf(setting["precision"]) == wanted.precision && threads == wanted.threads)
        return setting;
    }
    return std::nullopt;
  }

  static std::optional<object> Length(const object& setting, int tokens) {
    for (const element& item : ItemsOf(setting["latency"])) {
      object length;
      int64_t its_tokens = 0;
      if (!item.get(length) && !length["tokens"].get(its_tokens) && its_tokens == tokens)
        return length;
    }
    return std::nullopt;
  }

  Result<Spread> Figure(const object& owner, const char* key) const {
    Spread spread;
    object figure;
    const bool bad = owner[key].get(figure) || figure["median"].get(spread.median) ||
                     figure["least"].get(spread.least) || figure["most"].get(spread.most);
    if (bad || !(spread.least > 0 && spread.least <= spread.median &&
                 spread.median <= spread.most && std::isfinite(spread.most))) {
      return InvalidInput(path_, ": ", key, " is no median with its least and most round");
    }
    return spread;
  }

 private:
  explicit OldReport(std::string path)
      : path_(std::move(path)), parser_(std::make_unique<simdjson::dom::parser>()) {}

  static std::string TextOf(simdjson::simdjson_result<element> result) {
    std::string_view text;
    return result.get(text) ? std::string() : std::string(text);
  }
  // None of what is no array: simdjson's own empty array cannot be walked.
  static std::vector<element> ItemsOf(simdjson::simdjson_result<element> result) {
    array items;
    if (result.get(items)) return {};
    return {items.begin(), items.end()};
  }

  std::string path_;
  std::unique_ptr<simdjson::dom::parser> parser_;  // Owns what root_ looks at.
  object root_;
};

bool Apart(const Spread& a, const Spread& b) { return a.most < b.least || b.most < a.least; }

void AddLatency(BenchReport& report, const SettingReport& setting, const LengthLatency& now,
                const Spread& before) {
  report.changes.push_back({.what = StrCat(setting.Name(), ": ", now.tokens, " tokens, P50"),
                            .unit = "ms",
                            .before = before.median,
                            .after = now.p50_ms.median,
                            .speedup = before.median / now.p50_ms.median,
                            .beyond_noise = Apart(before, now.p50_ms)});
}

Status CompareSetting(const OldReport& old, const SettingReport& setting, BenchReport& report) {
  const auto before = old.Setting(setting);
  if (!before) return {};
  for (const LengthLatency& now : setting.latencies) {
    const auto length = OldReport::Length(*before, now.tokens);
    if (!length) continue;
    AKIN_TRY_ASSIGN(const Spread p50, old.Figure(*length, "p50_ms"));
    AddLatency(report, setting, now, p50);
  }
  if (old.Text("corpus") != report.corpus) return {};  // Other texts have another rate.
  AKIN_TRY_ASSIGN(const Spread rate, old.Figure(*before, "texts_per_second"));
  const Spread& now = setting.throughput.texts_per_second;
  report.changes.push_back({.what = StrCat(setting.Name(), ": many texts"),
                            .unit = "texts/s",
                            .before = rate.median,
                            .after = now.median,
                            .speedup = now.median / rate.median,
                            .beyond_noise = Apart(rate, now)});
  return {};
}

void NoteIfOther(BenchReport& report, std::string_view what, const std::string& before,
                 const std::string& now) {
  if (before != now) report.compare_notes.push_back(StrCat(what, " was ", before, ", is ", now));
}

}  // namespace

Status CheckOldReport(const std::string& path) {
  AKIN_TRY(OldReport::Read(path));
  return {};
}

Status CompareWithReport(const std::string& path, BenchReport& report) {
  AKIN_TRY_ASSIGN(const OldReport old, OldReport::Read(path));
  report.compared_with = path;
  NoteIfOther(report, "the CPU", old.Cpu(), report.machine.cpu);
  NoteIfOther(report, "the model", old.Text("model"), report.model.model);
  NoteIfOther(report, "the corpus", old.Text("corpus"), report.corpus);
  for (const SettingReport& setting : report.settings) {
    AKIN_TRY(CompareSetting(old, setting, report));
  }
  if (report.changes.empty()) {
    return InvalidInput(path, ": has none of the settings that were measured now (",
                        report.settings.front().Name(), ')');
  }
  return {};
}

}  // namespace akin::cli
