#include "engine/joined_calls.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/embedder_impl.h"

namespace akin::engine {
namespace {

// What a text may come to before it is tokenized: four bytes a token, as English has it.
constexpr size_t kBytesPerToken = 4;

size_t EstimateTokens(size_t bytes, const ModelInfo& info, std::optional<int> max_tokens,
                      Overflow overflow) {
  const bool is_cut = overflow == Overflow::kTruncate || overflow == Overflow::kError;
  const size_t tokens = bytes / kBytesPerToken + 2;
  const int limit = max_tokens.value_or(info.max_tokens);
  return is_cut && limit > 0 ? std::min(static_cast<size_t>(limit), tokens) : tokens;
}

// Gives each sequence's rows to the calls that it stands for.
class Distributor final : public RowSink {
 public:
  explicit Distributor(std::span<const JoinedSequences> joined) : joined_(joined) {}
  Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) override {
    const JoinedSequences& target = joined_[sequence];
    for (const uint32_t i : target.sequences) AKIN_TRY(target.call->Take(i, slot, place));
    return {};
  }

 private:
  const std::span<const JoinedSequences> joined_;
};

}  // namespace

struct EmbedderAccess {
  static const Embedder::Impl& Of(const Embedder& embedder) { return *embedder.impl_; }

  static Result<std::unique_ptr<EmbedCall>> Read(const EmbedRequest& request) {
    const std::vector<std::string_view> texts(request.texts.begin(), request.texts.end());
    return Of(request.embedder).ReadEmbed(texts, request.outputs, request.options);
  }
  static Result<std::unique_ptr<ScoreCall>> Read(const ScoreRequest& request) {
    std::vector<ScoredText> texts;
    for (const ScoreRequest::Input& input : request.inputs)
      texts.push_back({input.first, input.second});
    return Of(request.embedder).ReadScored(texts, request.options);
  }
  static Result<std::unique_ptr<ScoreCall>> Read(const RerankRequest& request) {
    const std::vector<std::string_view> documents(request.documents.begin(),
                                                  request.documents.end());
    return Of(request.embedder).ReadRerank(request.query, documents, request.options);
  }
  static void Rouse(const Embedder& embedder, size_t num_tokens, int num_threads) {
    Of(embedder).Rouse(num_tokens, num_threads);
  }
};

void Rouse(const Embedder& embedder, size_t num_tokens, int num_threads) {
  EmbedderAccess::Rouse(embedder, num_tokens, num_threads);
}

Result<std::unique_ptr<EmbedCall>> ReadCall(const EmbedRequest& request) {
  return EmbedderAccess::Read(request);
}
Result<std::unique_ptr<ScoreCall>> ReadCall(const ScoreRequest& request) {
  return EmbedderAccess::Read(request);
}
Result<std::unique_ptr<ScoreCall>> ReadCall(const RerankRequest& request) {
  return EmbedderAccess::Read(request);
}

size_t EstimateTokens(const EmbedRequest& request) {
  const ModelInfo& info = request.embedder.Info();
  size_t tokens = 0;
  for (const std::string& text : request.texts) {
    tokens +=
        EstimateTokens(text.size(), info, request.options.max_tokens, request.options.overflow);
  }
  return tokens;
}

size_t EstimateTokens(const ScoreRequest& request) {
  const ModelInfo& info = request.embedder.Info();
  size_t tokens = 0;
  for (const ScoreRequest::Input& input : request.inputs) {
    const size_t bytes = input.first.size() + (input.second ? input.second->size() : 0);
    tokens += EstimateTokens(bytes, info, request.options.max_tokens, request.options.overflow);
  }
  return tokens;
}

size_t EstimateTokens(const RerankRequest& request) {
  const ModelInfo& info = request.embedder.Info();
  size_t tokens = 0;
  for (const std::string& document : request.documents) {
    tokens += EstimateTokens(request.query.size() + document.size(), info,
                             request.options.max_tokens, request.options.overflow);
  }
  return tokens;
}

size_t TextBytes(const EmbedRequest& request) {
  size_t bytes = 0;
  for (const std::string& text : request.texts) bytes += text.size();
  return bytes;
}

size_t TextBytes(const ScoreRequest& request) {
  size_t bytes = 0;
  for (const ScoreRequest::Input& input : request.inputs)
    bytes += input.first.size() + (input.second ? input.second->size() : 0);
  return bytes;
}

size_t TextBytes(const RerankRequest& request) {
  size_t bytes = request.query.size();
  for (const std::string& document : request.documents)
    bytes += request.query.size() + document.size();
  return bytes;
}

size_t HeldBytes(const EmbedRequest& request) {
  return TextBytes(request) + request.texts.size() * sizeof(std::string);
}

size_t HeldBytes(const ScoreRequest& request) {
  return TextBytes(request) + request.inputs.size() * sizeof(ScoreRequest::Input);
}

size_t HeldBytes(const RerankRequest& request) {
  size_t bytes = request.query.size();
  for (const std::string& document : request.documents) bytes += document.size();
  return bytes + request.documents.size() * sizeof(std::string);
}

bool WaitsForOthers(const Call& call, uint32_t sequence) {
  return !call.ComputerOf(sequence).network().info().waits_for_nobody;
}

std::optional<double> FlopsOf(const Call& call) {
  double flops = 0;
  for (uint32_t i = 0; i < call.sequences().size(); ++i) {
    if (WaitsForOthers(call, i)) return std::nullopt;
    flops += call.sequences().lengths()[i] * call.ComputerOf(i).network().flops_per_token();
  }
  return flops;
}

uint64_t GroupOf(const Call& call, uint32_t sequence) {
  uint64_t group = reinterpret_cast<uintptr_t>(&call.ComputerOf(sequence));
  for (const bool wanted : call.wanted()) group = group << 1 | (wanted ? 1 : 0);
  return group;
}

Status ComputeJoined(std::span<const JoinedSequences> joined, const ComputeTerms& terms) {
  std::vector<TokenizedTexts::Source> sources;
  for (const JoinedSequences& one : joined)
    sources.push_back({&one.call->sequences(), one.sequences[0]});
  const TokenizedTexts texts = TokenizedTexts::Join(sources);
  const Call& first = *joined[0].call;
  Distributor sink(joined);
  return first.ComputerOf(joined[0].sequences[0]).Compute(texts, first.wanted(), terms, sink);
}

}  // namespace akin::engine
