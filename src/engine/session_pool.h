#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/batch_slot.h"
#include "engine/network.h"

namespace akin::engine {

// As many slots as batches are under way at once, at most `count`.
class SessionPool {
 public:
  // Makes the first slot; the others are made when batches first meet.
  SessionPool(const Network& network, size_t count, size_t max_tokens, size_t team_size)
      : network_(network), max_tokens_(max_tokens), team_size_(team_size) {
    slots_.reserve(count);
    slots_.push_back(NewSlot());
  }

  // A slot for as long as it lives.
  class Lease {
   public:
    // Throws std::bad_alloc.
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
  std::unique_ptr<BatchSlot> NewSlot() const {
    auto slot = std::make_unique<BatchSlot>();
    slot->session = network_.NewSession(max_tokens_, team_size_);
    return slot;
  }
  // The worker pool lets no more bodies run than there is room for slots.
  std::unique_ptr<BatchSlot> Take() const {
    {
      const std::lock_guard lock(mutex_);
      if (!slots_.empty()) {
        std::unique_ptr<BatchSlot> slot = std::move(slots_.back());
        slots_.pop_back();
        return slot;
      }
    }
    return NewSlot();
  }
  void Return(std::unique_ptr<BatchSlot> slot) const {
    const std::lock_guard lock(mutex_);
    slots_.push_back(std::move(slot));  // Reserved for all of them: no allocation.
  }

  const Network& network_;
  const size_t max_tokens_;
  const size_t team_size_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<BatchSlot>> slots_;  // Guarded by mutex_.
};

}  // namespace akin::engine
