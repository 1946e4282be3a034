// One call of an Embedder in three steps: texts are read, the network makes rows of their
// sequences, the rows become results. The middle step may be taken together with other calls.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "akin/embeddings.h"
#include "akin/options.h"
#include "akin/result.h"

#include "engine/collectors.h"
#include "engine/computer.h"
#include "engine/network.h"
#include "engine/text_reader.h"

namespace akin::engine {

class Call : public RowSink {
 public:
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // What is to make the rows of a sequence: that of the model, or of the route of it that the call
  // chose.
  virtual const Computer& ComputerOf(uint32_t /*sequence*/) const { return computer_; }
  const TokenizedTexts& sequences() const { return read_.sequences; }
  // What the network is to make of each sequence.
  const Wanted& wanted() const { return wanted_; }
  // An error names the text: "text 3: ...".
  Status Take(uint32_t sequence, const BatchSlot& slot, size_t place) final;

 protected:
  Call(const Computer& computer, ReadTexts read, const Wanted& wanted)
      : computer_(computer), read_(std::move(read)), wanted_(wanted) {}

  // As Take.
  virtual Status TakeRows(uint32_t sequence, const BatchSlot& slot, size_t place) = 0;
  // What a sequence is of, for messages.
  virtual std::string NameOf(uint32_t sequence) const;

  const Computer& computer_;
  ReadTexts read_;
  const Wanted wanted_;
};

Wanted Only(Output output);

// Vectors of texts.
class EmbedCall final : public Call {
 public:
  // What a model and the options of a call make of the rows.
  struct Plan {
    Wanted wanted{};
    VectorShape dense, multi_vector, tokens;
    std::vector<bool> special_ids;      // That have no weight in sparse vectors,
    std::optional<int> top_k;           // of which the largest are kept.
    std::vector<int32_t> left_out_ids;  // Of multi-vectors, sorted,
    bool skip_first_vector = false;     // likewise.
    bool return_ids = false;
  };
  EmbedCall(const Computer& computer, ReadTexts read, Plan plan);

  // After the rows of all sequences were taken; once. `usage` has the times.
  Result<AllEmbeddings> Finish(const Usage& usage);

 private:
  Status TakeRows(uint32_t sequence, const BatchSlot& slot, size_t place) override {
    return group_.Take(sequence, slot, place);
  }
  Embeddings FinishDense(const TextReport& report);

  const Plan plan_;
  CollectorGroup group_;
  std::optional<RowCollector> dense_;
  std::optional<SparseCollector> sparse_;
  std::optional<TokenCollector> multi_vector_, tokens_;
};

// Scores of texts or of pairs.
class ScoreCall : public Call {
 public:
  using Call::Call;
  // As above.
  virtual Result<Scores> Finish(const Usage& usage) = 0;
};

// By a model that gives scores.
class LogitsCall final : public ScoreCall {
 public:
  LogitsCall(const Computer& computer, ReadTexts read, ScoreActivation activation, bool return_ids);
  Result<Scores> Finish(const Usage& usage) override;

 private:
  Status TakeRows(uint32_t sequence, const BatchSlot& slot, size_t place) override {
    return logits_.Take(sequence, slot, place);
  }

  const ScoreActivation activation_;
  const bool return_ids_;
  RowCollector logits_;
};

// Of documents for a query, by a multi-vector model. The query is the sequence behind the
// documents; another route of the model may be to make its vectors.
class MaxSimCall final : public ScoreCall {
 public:
  // Of the documents, or of the query.
  struct Side {
    const Computer& computer;
    ReadTexts read;
    VectorShape shape;
    std::vector<int32_t> left_out;  // Sorted ids.
    bool skip_first_vector = false;
  };
  MaxSimCall(Side documents, const Side& query, bool return_ids);
  const Computer& ComputerOf(uint32_t sequence) const override {
    return sequence == query_ ? computer_of_query_ : computer_;
  }
  Result<Scores> Finish(const Usage& usage) override;

 private:
  Status TakeRows(uint32_t sequence, const BatchSlot& slot, size_t place) override;
  std::string NameOf(uint32_t sequence) const override;

  const bool return_ids_;
  const Computer& computer_of_query_;
  const uint32_t query_;  // Its sequence.
  TokenCollector of_documents_, of_query_;
};

// Makes all rows of a call; each of its networks has threads of its own.
Status ComputeAlone(Call& call, const ComputeTerms& terms);

}  // namespace akin::engine
