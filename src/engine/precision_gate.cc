#include "engine/precision_gate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/floating_point.h"
#include "base/strings.h"
#include "engine/gate_record.h"
#include "kernels/kernels.h"
#include "pooling/pooling.h"

namespace akin::engine {
namespace {

// Plain sentences, and what strains a model: other scripts, code, numbers, shouting, a single
// letter. The worst of them decides.
constexpr std::string_view kTexts[] = {
    "A cat sleeps on the warm windowsill.",
    "How do I reset my password?",
    "The central bank raised interest rates by a quarter of a percentage point on Thursday, citing "
    "persistent inflation in services and a labour market that has cooled less than it expected.",
    "Photosynthesis converts light energy into chemical energy, which is stored in glucose "
    "molecules made of carbon dioxide and water.",
    "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }",
    "SELECT name, COUNT(*) FROM orders GROUP BY name HAVING COUNT(*) > 10;",
    "a",
    "?!",
    "3.14159 2.71828 1.41421 1.61803 0.57721",
    "REFUND NOW!!! WORST SERVICE EVER",
    "Der schnelle braune Fuchs springt über den faulen Hund.",
    "Le café est fermé le lundi, mais la boulangerie d'à côté reste ouverte.",
    "これは日本語の文章です。",
    "Быстрая коричневая лиса прыгает через ленивую собаку.",
    "مرحبا بالعالم",
    "\U0001F600 \U0001F680 \U0001F468\u200D\U0001F469\u200D\U0001F467",
    "https://example.com/a/b?c=d&e=f#g",
    "Patient presents with acute dyspnea, bilateral crackles and elevated troponin.",
    "Buy two, get one free on all winter jackets until Sunday.",
    "In 1969 Neil Armstrong became the first person to walk on the Moon.",
    "error: undefined reference to `main' collect2: error: ld returned 1 exit status",
    "the the the the the the the the the the the the the the the the",
    "x = (-b \u00b1 \u221a(b\u00b2 \u2212 4ac)) / 2a",
    "She sells sea shells by the sea shore; the shells she sells are surely seashells.",
};

// The texts' vectors [texts, dimension], or those of all their tokens.
class GateVectors {
 public:
  static Result<GateVectors> Compute(const GateInput& input, const Network& network) {
    GateVectors vectors;
    std::vector<int32_t> ids, types, cu_seqlens{0};
    std::vector<pooling::Segment> segments;
    tokenizer::Scratch scratch;
    const int limit = std::min(input.max_tokens, network.info().max_positions);
    for (const std::string_view text : kTexts) {
      int32_t truncated = 0;
      AKIN_TRY(
          input.tokenizer.Encode(text, {.max_tokens = limit}, scratch, ids, &types, truncated));
      const int32_t begin = cu_seqlens.back(), end = static_cast<int32_t>(ids.size());
      if (begin == end) continue;  // A text may have no token.
      segments.push_back(
          {.begin = static_cast<size_t>(begin), .length = static_cast<size_t>(end - begin)});
      cu_seqlens.push_back(end);
    }
    const RaggedBatch batch{ids, types, cu_seqlens};
    const pooling::RowShape& shape = network.chain(input.output)->output();
    const size_t num_rows = pooling::BatchView{batch, segments}.num_rows(shape.per_token);
    vectors.dimension_ = shape.width;
    vectors.values_.resize(num_rows * vectors.dimension_);
    if (segments.empty()) return vectors;
    const auto session = network.NewSession(batch.num_tokens(), 1);
    network.Reserve(batch, *session);
    const ScopedFlushDenormals flush_denormals;
    const MatrixView<float> rows(vectors.values_.data(), num_rows, vectors.dimension_);
    OutputRows wanted{};
    wanted[static_cast<size_t>(input.output)] = rows;
    AKIN_TRY(network.Compute({batch, segments}, {}, *session, wanted));
    for (size_t i = 0; i < rows.rows(); ++i) pooling::Normalize(rows.row(i));
    return vectors;
  }

  // NaN where a vector is not finite.
  double LeastCosine(const GateVectors& other) const {
    double least = 1.0;
    for (size_t first = 0; first < values_.size(); first += dimension_) {
      double dot = 0.0;
      bool zeros = true;  // Sparse vectors may be: equal ones are as near as can be.
      for (size_t i = first; i < first + dimension_; ++i) {
        dot += double{values_[i]} * double{other.values_[i]};
        zeros = zeros && values_[i] == 0.0f && other.values_[i] == 0.0f;
      }
      if (zeros) continue;
      if (!(dot >= least)) least = dot;
      if (std::isnan(least)) return least;
    }
    return least;
  }

 private:
  size_t dimension_ = 0;
  std::vector<float> values_;
};

bool WithinGate(double cosine) { return cosine >= kLeastCosine; }

using Candidates = std::span<const Precision>;

std::optional<double> CosineOf(Precision precision, const GateRecord::Cosines& cosines) {
  const auto known = std::ranges::find(cosines, precision, &GateRecord::Cosine::precision);
  return known == cosines.end() ? std::nullopt : std::optional(known->cosine);
}

// Of the candidates in their order; a record may know others, which are none on this CPU.
std::string Describe(Candidates candidates, const GateRecord::Cosines& cosines) {
  std::string text;
  for (const Precision candidate : candidates) {
    const auto cosine = CosineOf(candidate, cosines);
    if (!cosine) continue;
    char number[32];
    std::snprintf(number, sizeof number, "%.5f", *cosine);
    text += StrCat(text.empty() ? "least cosine to f32: " : ", ", PrecisionName(candidate), ' ',
                   number, WithinGate(*cosine) ? "" : " (below 0.9995)");
  }
  return text;
}

// The first of the tier's candidates that is known to stay within the gate, or f32 if all are known
// not to; nothing while one that comes first is not known.
std::optional<Precision> Decide(Candidates candidates, const GateRecord::Cosines& cosines) {
  for (const Precision candidate : candidates) {
    const auto cosine = CosineOf(candidate, cosines);
    if (!cosine) return std::nullopt;
    if (WithinGate(*cosine)) return candidate;
  }
  return Precision::kF32;
}

}  // namespace

GateOutlook LookAtGate(const model::ModelDirectory& directory, std::string_view route,
                       std::optional<PoolingMode> pooling, Isa isa) {
  GateOutlook outlook{.candidates = kernels::FasterThanF32(isa), .known = std::nullopt};
  outlook.known =
      outlook.candidates.empty()
          ? Precision::kF32
          : Decide(outlook.candidates, GateRecord(directory, route, pooling, isa).Read());
  return outlook;
}

Result<GateResult> LoadWithinGate(const GateInput& input) {
  const std::vector<Precision> candidates = kernels::FasterThanF32(input.isa);
  if (candidates.empty()) {
    AKIN_TRY_ASSIGN(Network network, input.load(Precision::kF32));
    return GateResult{std::move(network), "nothing is faster on this instruction set"};
  }
  const GateRecord record(input.directory, input.route, input.pooling, input.isa);
  GateRecord::Cosines cosines = record.Read();
  if (const auto known = Decide(candidates, cosines)) {
    AKIN_TRY_ASSIGN(Network network, input.load(*known));
    return GateResult{std::move(network), Describe(candidates, cosines)};
  }

  AKIN_TRY_ASSIGN(Network reference, input.load(Precision::kF32));
  AKIN_TRY_ASSIGN(const GateVectors expected, GateVectors::Compute(input, reference));
  // Those before the first that is not known are known to lose too much.
  for (const Precision candidate : candidates) {
    const auto known = CosineOf(candidate, cosines);
    if (known && !WithinGate(*known)) continue;
    AKIN_TRY_ASSIGN(Network network, input.load(candidate));
    if (!known) {
      AKIN_TRY_ASSIGN(const GateVectors vectors, GateVectors::Compute(input, network));
      cosines.push_back({candidate, vectors.LeastCosine(expected)});
      if (!WithinGate(cosines.back().cosine)) continue;
    }
    record.Add(cosines);
    return GateResult{std::move(network), Describe(candidates, cosines)};
  }
  record.Add(cosines);
  return GateResult{std::move(reference), Describe(candidates, cosines)};
}

}  // namespace akin::engine
