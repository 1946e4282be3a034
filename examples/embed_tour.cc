// The walk through an embedding engine: load a model, ask how it is and what it is, embed one text
// and three, and time ten. On any backend:
//
//   embed_tour [--model MODEL] [--backend BACKEND] [--precision PRECISION]
#include <akin/embedder.h>
#include <akin/system.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kTimedRuns = 10;
constexpr double kTargetMs = 20;  // For the 95th percentile of one short text.

struct Arguments {
  std::string model = std::string(akin::kDefaultModel);
  akin::LoadOptions load;
};

akin::Result<Arguments> ParseArguments(std::span<char*> words) {
  Arguments arguments;
  for (size_t i = 1; i < words.size(); i += 2) {
    const std::string_view option = words[i];
    if (i + 1 == words.size())
      return akin::Error(akin::ErrorCode::kInvalidInput, std::string(option) + " needs a value");
    const char* value = words[i + 1];
    if (option == "--model") {
      arguments.model = value;
    } else if (option == "--backend") {
      AKIN_TRY(akin::ParseBackend(value, arguments.load));
    } else if (option == "--precision") {
      AKIN_TRY_ASSIGN(arguments.load.precision, akin::ParsePrecision(value));
    } else {
      return akin::Error(
          akin::ErrorCode::kInvalidInput,
          "unknown option " + std::string(option) + "; known: --model --backend --precision");
    }
  }
  return arguments;
}

double Norm(std::span<const float> vector) {
  double squares = 0;
  for (const float x : vector) squares += double{x} * double{x};
  return std::sqrt(squares);
}

// The least value that `percent` of the sorted `values` do not exceed (nearest rank).
double Percentile(const std::vector<double>& values, double percent) {
  const auto rank =
      static_cast<size_t>(std::ceil(percent / 100 * static_cast<double>(values.size())));
  return values[std::max<size_t>(rank, 1) - 1];
}

void DescribeModel(const akin::ModelInfo& info) {
  std::printf("   model       %s\n", info.model.c_str());
  std::printf("   backend     %s", info.backend.c_str());
  for (const std::string& fact : {info.precision, info.isa}) {
    if (!fact.empty()) std::printf(", %s", fact.c_str());  // Not all are known of all backends.
  }
  std::printf("\n");
  if (!info.backend_detail.empty()) std::printf("   it is       %s\n", info.backend_detail.c_str());
  std::printf("   dimension   %d\n", info.dimension);
  std::printf("   max tokens  %d\n", info.max_tokens);
}

akin::Status EmbedOne(const akin::Embedder& embedder) {
  AKIN_TRY_ASSIGN(const akin::Embeddings one,
                  embedder.Embed({"The quick brown fox jumps over the lazy dog."}));
  const std::span<const float> vector = one[0];
  std::printf("   vector      [");
  for (const float x : vector.first(std::min<size_t>(5, vector.size()))) std::printf("%.4f, ", x);
  std::printf("...], norm %.6f\n", Norm(vector));
  std::printf("   tokens      %d, in %.2f ms\n", one.num_tokens(0), one.usage().duration_ms);
  return {};
}

akin::Status EmbedThree(const akin::Embedder& embedder) {
  AKIN_TRY_ASSIGN(
      const akin::Embeddings three,
      embedder.Embed({"Vector databases find what is near.", "Embeddings make texts comparable.",
                      "A cat sleeps on the warm windowsill."}));
  for (size_t i = 0; i < three.size(); ++i)
    std::printf("   text %zu      %zu values, norm %.6f\n", i + 1, three[i].size(), Norm(three[i]));
  std::printf("   tokens      %lld, in %.2f ms\n",
              static_cast<long long>(three.usage().total_tokens), three.usage().duration_ms);
  return {};
}

akin::Status TimeTen(const akin::Embedder& embedder) {
  std::vector<double> times_ms;
  for (int run = 0; run < kTimedRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    AKIN_TRY(embedder.Embed({"How fast is one short query?"}));
    times_ms.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::ranges::sort(times_ms);
  const double p95 = Percentile(times_ms, 95);
  std::printf("   %d runs     P50 %.3f ms, P95 %.3f ms, P99 %.3f ms\n", kTimedRuns,
              Percentile(times_ms, 50), p95, Percentile(times_ms, 99));
  std::printf("   target      P95 below %.0f ms: %s\n", kTargetMs,
              p95 < kTargetMs ? "met" : "missed");
  return {};
}

akin::Status Tour(std::span<char*> words) {
  AKIN_TRY_ASSIGN(const Arguments arguments, ParseArguments(words));
  std::printf("Akin %.*s\n", static_cast<int>(akin::Version().size()), akin::Version().data());
  std::printf("1. Initialize\n");
  AKIN_TRY_ASSIGN(const akin::Embedder embedder,
                  akin::Embedder::Load(arguments.model, arguments.load));
  std::printf("   loaded      in %.1f ms\n", embedder.Info().load_ms);
  std::printf("2. Health check\n");
  AKIN_TRY(embedder.Health());
  std::printf("   healthy     yes\n");
  std::printf("3. Model information\n");
  DescribeModel(embedder.Info());
  std::printf("4. One embedding\n");
  AKIN_TRY(EmbedOne(embedder));
  std::printf("5. A batch of three\n");
  AKIN_TRY(EmbedThree(embedder));
  std::printf("6. Ten timed runs\n");
  return TimeTen(embedder);
}

}  // namespace

int main(int argc, char** argv) {
  const akin::Status status = Tour({argv, static_cast<size_t>(argc)});
  if (status) return 0;
  std::fprintf(stderr, "embed_tour: %s\n", status.error().message().c_str());
  return 1;
}
