#include "engine/call.h"

#include <utility>

#include "base/strings.h"
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

// Takes the rows of a call's sequences from `first` on, counted from there.
class SinkFrom final : public RowSink {
 public:
  SinkFrom(RowSink& sink, uint32_t first) : sink_(sink), first_(first) {}
  Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) override {
    return sink_.Take(first_ + sequence, slot, place);
  }

 private:
  RowSink& sink_;
  const uint32_t first_;
};

}  // namespace

Wanted Only(Output output) {
  Wanted wanted{};
  wanted[static_cast<size_t>(output)] = true;
  return wanted;
}

Status Call::Take(uint32_t sequence, const BatchSlot& slot, size_t place) {
  const Status taken = TakeRows(sequence, slot, place);
  if (taken) return taken;
  return taken.error().Reworded(StrCat(NameOf(sequence), ": ", taken.error().message()));
}

std::string Call::NameOf(uint32_t sequence) const {
  return StrCat("text ", read_.text_of.empty() ? sequence : read_.text_of[sequence]);
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

MaxSimCall::MaxSimCall(Side documents, const Side& query, bool return_ids)
    : ScoreCall(documents.computer, WithBehind(std::move(documents.read), query.read.sequences),
                Only(Output::kMultiVector)),
      return_ids_(return_ids),
      computer_of_query_(query.computer),
      query_(static_cast<uint32_t>(sequences().size() - 1)),
      of_documents_(documents.computer.network(), Output::kMultiVector, query_,
                    std::move(documents.left_out), documents.skip_first_vector, documents.shape),
      of_query_(query.computer.network(), Output::kMultiVector, 1, query.left_out,
                query.skip_first_vector, query.shape) {}

Status MaxSimCall::TakeRows(uint32_t sequence, const BatchSlot& slot, size_t place) {
  return sequence == query_ ? of_query_.Take(0, slot, place)
                            : of_documents_.Take(sequence, slot, place);
}

std::string MaxSimCall::NameOf(uint32_t sequence) const {
  return sequence == query_ ? "the query" : Call::NameOf(sequence);
}

Result<Scores> MaxSimCall::Finish(const Usage& usage) {
  const TokenEmbeddings query = of_query_.Finish({});
  const TokenEmbeddings documents = of_documents_.Finish({});
  std::vector<float> values;
  for (size_t i = 0; i < query_; ++i) values.push_back(MaxSim(query[0], documents[i]));
  return Scores(std::move(values), 1, MakeReport(read_, usage, return_ids_));
}

Status ComputeAlone(Call& call, const ComputeTerms& terms) {
  const TokenizedTexts& all = call.sequences();
  const auto count = static_cast<uint32_t>(all.size());
  for (uint32_t begin = 0, end = 0; begin < count; begin = end) {
    const Computer& computer = call.ComputerOf(begin);
    std::vector<TokenizedTexts::Source> sources;
    for (; end < count && &call.ComputerOf(end) == &computer; ++end) sources.push_back({&all, end});
    if (end - begin == count) return computer.Compute(all, call.wanted(), terms, call);
    SinkFrom sink(call, begin);
    AKIN_TRY(computer.Compute(TokenizedTexts::Join(sources), call.wanted(), terms, sink));
  }
  return {};
}

}  // namespace akin::engine
