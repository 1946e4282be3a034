#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "akin/matrix_view.h"

#include "backends/backend.h"

namespace akin::engine {

// What one team needs to compute a batch: the backend's session and the batch's own arrays, all
// reused.
struct BatchSlot {
  std::unique_ptr<backends::Session> session;
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  std::vector<int32_t> cu_seqlens;
  std::vector<float> vectors;  // [num_sequences, dimension]

  RaggedBatch batch() const { return {input_ids, token_type_ids, cu_seqlens}; }
};

// As many slots as batches can be under way at once.
class SessionPool {
 public:
  SessionPool(const backends::Backend& backend, size_t count, size_t max_tokens, size_t team_size) {
    for (size_t i = 0; i < count; ++i) {
      slots_.push_back(std::make_unique<BatchSlot>());
      slots_.back()->session = backend.NewSession(max_tokens, team_size);
    }
  }

  // A slot for as long as it lives.
  class Lease {
   public:
    explicit Lease(const SessionPool& pool) : pool_(pool), slot_(pool.Take()) {}
    ~Lease() { pool_.Return(std::move(slot_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    BatchSlot& operator*() const { return *slot_; }
    BatchSlot* operator->() const { return slot_.get(); }

   private:
    const SessionPool& pool_;
    std::unique_ptr<BatchSlot> slot_;
  };

 private:
  // The worker pool lets no more bodies run than there are slots, so there is always one.
  std::unique_ptr<BatchSlot> Take() const {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<BatchSlot> slot = std::move(slots_.back());
    slots_.pop_back();
    return slot;
  }
  void Return(std::unique_ptr<BatchSlot> slot) const {
    const std::lock_guard lock(mutex_);
    slots_.push_back(std::move(slot));  // The vector's capacity never shrinks: no allocation.
  }

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<BatchSlot>> slots_;  // Guarded by mutex_.
};

}  // namespace akin::engine
