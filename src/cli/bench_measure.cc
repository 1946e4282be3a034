#include "cli/bench_measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <numeric>

#include "akin/tokenizer.h"

#include "cli/bench_texts.h"
#include "cli/strings.h"

namespace akin::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kCheckedTexts = 32;
constexpr double kUnitTolerance = 1e-5;
constexpr size_t kTextsOfLength = 16;
constexpr int kLeastCalls = 3;  // In a round, however slow they are.
constexpr size_t kNearest = 10;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Error Wrong(std::string_view what) {
  return MakeError(ErrorCode::kInternal, "the check before timing failed: ", what);
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// The words of all built-in texts, in order.
std::vector<std::string_view> BuiltInWords() {
  std::vector<std::string_view> words;
  for (const std::string_view text : BuiltInTexts()) {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find(' ', begin), text.size());
      words.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return words;
}

// The floating-point operations of the matrix products and of attention. A parameter that is not in
// an embedding table takes part in one multiplication and one addition a token, but for norms and
// biases, which are few.
double Operations(const ModelInfo& info, const Embeddings& embeddings) {
  const double tables =
      static_cast<double>(info.vocab_size + info.max_positions) * info.hidden_size;
  const double weights = std::max(0.0, static_cast<double>(info.num_parameters) - tables);
  double tokens = 0, pairs = 0;
  for (size_t i = 0; i < embeddings.size(); ++i) {
    const double n = embeddings.num_tokens(i);
    tokens += n;
    pairs += n * n;
  }
  return 2 * weights * tokens + 4.0 * info.num_layers * info.hidden_size * pairs;
}

// The latencies of one setting and one length, as the rounds go by.
struct LatencyRounds {
  std::vector<double> all_ms;
  std::vector<double> p50_ms;  // One a round.
};

Status MeasureLength(const Embedder& embedder, std::span<const std::string> texts,
                     const EmbedOptions& options, const BenchPlan& plan, LatencyRounds& out) {
  const int calls = std::max(kLeastCalls, plan.calls / plan.rounds);
  std::vector<double> ms;
  const auto begin = Clock::now();
  for (int i = -plan.warmup; i < calls; ++i) {
    const bool late = SecondsSince(begin) > plan.seconds_per_length;
    if (late && i < 0) i = 0;
    if (late && i >= kLeastCalls) break;
    const size_t at = static_cast<size_t>(i + plan.warmup) % texts.size();
    const auto start = Clock::now();
    AKIN_TRY(embedder.Embed(texts.subspan(at, 1), options));
    if (i >= 0) ms.push_back(SecondsSince(start) * 1e3);
  }
  out.p50_ms.push_back(ValueAtPercent(ms, 50));
  out.all_ms.insert(out.all_ms.end(), ms.begin(), ms.end());
  return {};
}

LengthLatency Summary(int tokens, const LatencyRounds& rounds) {
  return {.tokens = tokens,
          .calls = static_cast<int64_t>(rounds.all_ms.size()),
          .p50_ms = SpreadOf(rounds.p50_ms),
          .p95_ms = Percentile(rounds.all_ms, 95),
          .p99_ms = Percentile(rounds.all_ms, 99)};
}

Status MeasureLatencies(std::span<const Embedder> embedders, const EmbedOptions& options,
                        const BenchPlan& plan, const Say& say, BenchReport& report) {
  const ModelInfo& info = embedders.front().Info();
  AKIN_TRY_ASSIGN(const Tokenizer tokenizer, Tokenizer::Load(info.path));
  for (const int tokens : plan.lengths) {
    if (tokens > info.max_positions) break;
    AKIN_TRY_ASSIGN(const auto texts, TextsOfLength(tokenizer, tokens, kTextsOfLength));
    EmbedOptions cut = options;
    cut.max_tokens = tokens;
    cut.overflow = Overflow::kTruncate;
    std::vector<LatencyRounds> rounds(embedders.size());
    for (int round = 0; round < plan.rounds; ++round) {
      for (size_t s = 0; s < embedders.size(); ++s) {
        say(StrCat("one text of ", tokens, " tokens, round ", round + 1, " of ", plan.rounds, ": ",
                   report.settings[s].Name()));
        AKIN_TRY(MeasureLength(embedders[s], texts, cut, plan, rounds[s]));
      }
    }
    for (size_t s = 0; s < embedders.size(); ++s)
      report.settings[s].latencies.push_back(Summary(tokens, rounds[s]));
  }
  return {};
}

// One call with all texts.
struct Call {
  double seconds = 0, tokenize_share = 0, operations = 0;
  int64_t tokens = 0, truncated = 0;
};

Result<Call> EmbedAll(const Embedder& embedder, std::span<const std::string> texts,
                      const EmbedOptions& options) {
  const auto start = Clock::now();
  AKIN_TRY_ASSIGN(const Embeddings embeddings, embedder.Embed(texts, options));
  const double seconds = SecondsSince(start);
  const Usage& usage = embeddings.usage();
  return Call{.seconds = seconds,
              .tokenize_share = usage.duration_ms > 0 ? usage.tokenize_ms / usage.duration_ms : 0,
              .operations = Operations(embedder.Info(), embeddings),
              .tokens = usage.total_tokens,
              .truncated = usage.truncated_texts};
}

Throughput Summary(const std::vector<Call>& calls, size_t num_texts) {
  std::vector<double> rates, shares;
  for (const Call& call : calls) {
    rates.push_back(static_cast<double>(num_texts) / call.seconds);
    shares.push_back(call.tokenize_share);
  }
  Throughput out{.texts_per_second = SpreadOf(rates), .tokenize_share = ValueAtPercent(shares, 50)};
  const double a_second = out.texts_per_second.median / static_cast<double>(num_texts);
  out.tokens_per_second = static_cast<double>(calls.front().tokens) * a_second;
  out.gflops = calls.front().operations * a_second / 1e9;
  return out;
}

Status MeasureThroughput(std::span<const Embedder> embedders, std::span<const std::string> texts,
                         const EmbedOptions& options, const BenchPlan& plan, const Say& say,
                         BenchReport& report) {
  std::vector<std::vector<Call>> calls(embedders.size());
  for (int round = 0; round < plan.rounds; ++round) {
    for (size_t s = 0; s < embedders.size(); ++s) {
      say(StrCat("all texts, round ", round + 1, " of ", plan.rounds, ": ",
                 report.settings[s].Name()));
      AKIN_TRY_ASSIGN(const Call call, EmbedAll(embedders[s], texts, options));
      calls[s].push_back(call);
    }
  }
  for (size_t s = 0; s < embedders.size(); ++s)
    report.settings[s].throughput = Summary(calls[s], texts.size());
  report.texts = static_cast<int64_t>(texts.size());
  report.tokens = calls.front().front().tokens;
  report.truncated_texts = calls.front().front().truncated;
  report.rounds = plan.rounds;
  return {};
}

// The nearest other texts of text `i`, by cosine; vectors of any length.
std::vector<size_t> NearestTo(const Embeddings& e, const std::vector<double>& norms, size_t i) {
  std::vector<double> scores(e.size());
  for (size_t j = 0; j < e.size(); ++j) {
    scores[j] = i == j || norms[j] == 0 ? -2 : Dot(e[i], e[j]) / norms[j];
  }
  std::vector<size_t> order(e.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t k = std::min(kNearest, e.size() - 1);
  std::ranges::partial_sort(
      order, order.begin() + static_cast<ptrdiff_t>(k),
      [&](size_t a, size_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  order.resize(k);
  return order;
}

std::vector<double> Norms(const Embeddings& e) {
  std::vector<double> norms;
  for (size_t i = 0; i < e.size(); ++i) norms.push_back(std::sqrt(Dot(e[i], e[i])));
  return norms;
}

}  // namespace

Result<std::vector<std::string>> TextsOfLength(const Tokenizer& tokenizer, int tokens,
                                               size_t count) {
  const std::vector<std::string_view> words = BuiltInWords();
  const EncodeOptions whole{.truncation = Off{}, .padding = Off{}};
  const auto wanted = static_cast<size_t>(tokens);
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    size_t next = i * words.size() / count;
    std::string text;
    // A word has one token or more, so no step overshoots; a tokenizer that makes none of any word
    // ends at the longest text.
    for (size_t have = 0, taken = 0; taken < wanted;) {
      const size_t more = std::max<size_t>(1, (wanted - have) / 2);
      for (size_t w = 0; w < more; ++w, ++taken) {
        text += StrCat(text.empty() ? "" : " ", words[next++ % words.size()]);
      }
      AKIN_TRY_ASSIGN(have, tokenizer.CountTokens(text, whole));
      if (have >= wanted) break;
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

void AddSettings(std::span<const Embedder> embedders, BenchReport& report) {
  for (const Embedder& embedder : embedders) {
    const ModelInfo& info = embedder.Info();
    report.settings.push_back({.precision = info.precision,
                               .isa = info.isa,
                               .threads = info.num_threads,
                               .batch_tokens = info.batch_tokens,
                               .load_ms = info.load_ms});
  }
}

Status MeasureSettings(std::span<const Embedder> embedders, std::span<const std::string> texts,
                       const EmbedOptions& options, const BenchPlan& plan, const Say& say,
                       BenchReport& report) {
  if (plan.latencies) AKIN_TRY(MeasureLatencies(embedders, options, plan, say, report));
  return MeasureThroughput(embedders, texts, options, plan, say, report);
}

Status CheckVectors(const Embedder& embedder, std::span<const std::string> texts,
                    const EmbedOptions& options, BenchReport& report) {
  const auto checked = texts.first(std::min(texts.size(), kCheckedTexts));
  AKIN_TRY_ASSIGN(const Embeddings together, embedder.Embed(checked, options));
  const bool unit = options.normalize.value_or(embedder.Info().normalize);
  for (size_t i = 0; i < checked.size(); ++i) {
    const double squares = Dot(together[i], together[i]);
    if (!std::isfinite(squares)) return Wrong("a value is not finite");
    const double error = std::abs(std::sqrt(squares) - 1);
    if (unit && error > kUnitTolerance) return Wrong("a vector does not have length 1");
    if (unit) report.worst_length_error = std::max(report.worst_length_error, error);
    AKIN_TRY_ASSIGN(const Embeddings alone, embedder.Embed(checked.subspan(i, 1), options));
    if (embedder.Info().batch_invariant && !SameBits(alone[0], together[i])) {
      return Wrong("a text has other bits alone than in a batch");
    }
  }
  report.checked_texts += checked.size();
  return {};
}

Result<Quality> CompareVectors(const Embeddings& f32, const Embeddings& other) {
  if (f32.size() != other.size() || f32.dimension() != other.dimension() || f32.size() == 0) {
    return Wrong("two precisions gave a different number of values");
  }
  const std::vector<double> f32_norms = Norms(f32), other_norms = Norms(other);
  Quality quality{.least_cosine = 1, .texts = static_cast<int64_t>(f32.size())};
  size_t same = 0, nearest = 0;
  for (size_t i = 0; i < f32.size(); ++i) {
    const double norms = f32_norms[i] * other_norms[i];
    const double cosine = norms > 0 ? Dot(f32[i], other[i]) / norms : 0;
    if (!std::isfinite(cosine)) return Wrong("a value is not finite");
    quality.least_cosine = std::min(quality.least_cosine, cosine);
    quality.mean_cosine += cosine / static_cast<double>(f32.size());
    const auto want = NearestTo(f32, f32_norms, i);
    for (const size_t found : NearestTo(other, other_norms, i)) {
      same += static_cast<size_t>(std::ranges::count(want, found));
    }
    nearest += want.size();
  }
  quality.recall_at_10 = nearest > 0 ? static_cast<double>(same) / static_cast<double>(nearest) : 1;
  return quality;
}

}  // namespace akin::cli
