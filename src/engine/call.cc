#include "engine/call.h"

#include <utility>

#include "engine/scores.h"

namespace akin::engine {
namespace {

bool Wants(const Wanted& wanted, Output output) { return wanted[static_cast<size_t>(output)]; }

// `texts` with one more sequence.
ReadTexts WithBehind(ReadTexts texts, const TokenizedTexts& one) {
  std::vector<TokenizedTexts::Source> sources;
  for (uint32_t i = 0; i < texts.sequences.size(); ++i) sources.push_back({&texts.sequences, i});
  sources.push_back({&one, 0});
  texts.sequences = TokenizedTexts::Join(sources);
  return texts;
}

// `usage` with what a query came to that was computed while its call was read.
Usage WithQuery(Usage usage, const Usage& query) {
  usage.total_tokens += query.total_tokens;
  usage.truncated_texts += query.truncated_texts;
  usage.truncated_tokens += query.truncated_tokens;
  usage.tokenize_ms -= query.compute_ms;
  usage.compute_ms += query.compute_ms;
  return usage;
}

}  // namespace

Wanted Only(Output output) {
  Wanted wanted{};
  wanted[static_cast<size_t>(output)] = true;
  return wanted;
}

EmbedCall::EmbedCall(const Computer& computer, ReadTexts read, Plan plan)
    : Call(computer, std::move(read), plan.wanted), plan_(std::move(plan)) {
  const Network& network = computer.network();
  const size_t count = sequences().size();
  if (Wants(wanted(), Output::kDense))
    group_.Add(&dense_.emplace(network, Output::kDense, sequences()));
  if (Wants(wanted(), Output::kSparse))
    group_.Add(&sparse_.emplace(network, count, plan_.special_ids, plan_.top_k));
  if (Wants(wanted(), Output::kMultiVector)) {
    group_.Add(&multi_vector_.emplace(network, Output::kMultiVector, count, plan_.left_out_ids,
                                      plan_.skip_first_vector, plan_.multi_vector));
  }
  if (Wants(wanted(), Output::kTokens)) {
    group_.Add(&tokens_.emplace(network, Output::kTokens, count, std::vector<int32_t>(), false,
                                plan_.tokens));
  }
}

Result<AllEmbeddings> EmbedCall::Finish(const Usage& usage) {
  const TextReport report = MakeReport(read_, usage, plan_.return_ids);
  AllEmbeddings all;
  if (dense_) all.dense = FinishDense(report);
  if (sparse_) all.sparse = SparseEmbeddings(sparse_->TakeVectors(), report);
  if (multi_vector_) all.multi_vector = multi_vector_->Finish(report);
  if (tokens_) all.tokens = tokens_->Finish(report);
  return all;
}

Embeddings EmbedCall::FinishDense(const TextReport& report) {
  VectorShape shape = plan_.dense;
  size_t dimension = dense_->rows().cols();
  std::vector<float> values;
  if (read_.weights.empty()) {
    values = dense_->TakeValues();
  } else {
    values = AverageWindows(read_, dense_->rows(), shape.normalize);
    shape.normalize = false;
  }
  dimension = ShapeVectors(shape, dimension, values);
  return Embeddings(std::move(values), dimension, report, std::move(read_.chunks));
}

LogitsCall::LogitsCall(const Computer& computer, ReadTexts read, ScoreActivation activation,
                       bool return_ids)
    : ScoreCall(computer, std::move(read), Only(Output::kScores)),
      activation_(activation),
      return_ids_(return_ids),
      logits_(computer.network(), Output::kScores, sequences()) {}

Result<Scores> LogitsCall::Finish(const Usage& usage) {
  const MatrixView<float> rows = logits_.rows();
  for (size_t i = 0; i < rows.rows(); ++i) ApplyActivation(activation_, rows.row(i));
  return Scores(logits_.TakeValues(), rows.cols(), MakeReport(read_, usage, return_ids_));
}

MaxSimCall::MaxSimCall(const Computer& computer, ReadTexts documents, const ReadTexts& query,
                       const Plan& plan)
    : ScoreCall(computer, WithBehind(std::move(documents), query.sequences),
                Only(Output::kMultiVector)),
      return_ids_(plan.return_ids),
      query_(static_cast<uint32_t>(sequences().size() - 1)),
      of_documents_(computer.network(), Output::kMultiVector, query_, plan.left_out_of_documents,
                    plan.skip_first_vector, plan.shape),
      of_query_(computer.network(), Output::kMultiVector, 1, plan.left_out_of_query,
                plan.skip_first_vector, plan.shape) {}

MaxSimCall::MaxSimCall(const Computer& computer, ReadTexts documents, TokenEmbeddings query,
                       const Plan& plan)
    : ScoreCall(computer, std::move(documents), Only(Output::kMultiVector)),
      return_ids_(plan.return_ids),
      query_(static_cast<uint32_t>(sequences().size())),
      of_documents_(computer.network(), Output::kMultiVector, query_, plan.left_out_of_documents,
                    plan.skip_first_vector, plan.shape),
      of_query_(computer.network(), Output::kMultiVector, 0, {}, false, plan.shape),
      query_vectors_(std::move(query)) {}

Status MaxSimCall::Take(uint32_t sequence, const BatchSlot& slot, size_t place) {
  return sequence == query_ ? of_query_.Take(0, slot, place)
                            : of_documents_.Take(sequence, slot, place);
}

Result<Scores> MaxSimCall::Finish(const Usage& usage) {
  const Usage all = query_vectors_ ? WithQuery(usage, query_vectors_->usage()) : usage;
  const TokenEmbeddings query = query_vectors_ ? *std::move(query_vectors_) : of_query_.Finish({});
  const TokenEmbeddings documents = of_documents_.Finish({});
  std::vector<float> values;
  for (size_t i = 0; i < query_; ++i) values.push_back(MaxSim(query[0], documents[i]));
  return Scores(std::move(values), 1, MakeReport(read_, all, return_ids_));
}

}  // namespace akin::engine
