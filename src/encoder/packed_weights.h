// The model's linear layers in the layout of the kernels.
#pragma once

#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/packed_cache.h"
#include "kernels/kernels.h"
#include "model/weights.h"

namespace akin::encoder {

// What one product computes: linear layers with the same input, their outputs side by side (query |
// key | value), or a gate and the values that it is for.
class LinearSource {
 public:
  // The parts outlive this object.
  static LinearSource SideBySide(std::vector<const model::Linear*> parts);
  static LinearSource Gated(const model::Linear& gate, const model::Linear& values);

  // Its shape; `panels` is not set.
  const kernels::PackedLinear& shape() const { return shape_; }
  size_t PackedBytes(const kernels::Kernels& kernels) const {
    return kernels::PackedBytes(kernels, shape_);
  }
  // Packs into `memory`, which has room for PackedBytes and is 64-byte aligned.
  kernels::PackedLinear Pack(const kernels::Kernels& kernels, std::byte* memory) const;

  // What one thread needs to pack panels: a panel's rows of `k` inputs in f32, and their bias.
  struct Scratch {
    std::vector<float> rows, bias;
    static size_t Bytes(const kernels::Kernels& kernels, size_t k) {
      return (k + 1) * kernels.linear.panel_width * sizeof(float);
    }
  };
  // Packs one of the NumPanels panels.
  void PackPanel(const kernels::Kernels& kernels, size_t panel, Scratch& scratch,
                 std::byte* memory) const;

 private:
  // A row of a part's tensors, or none: past the last output.
  struct Row {
    const model::Linear* part = nullptr;
    size_t row = 0;
    Row Next(size_t count) const { return {part, part == nullptr ? 0 : row + count}; }
    bool operator==(const Row&) const = default;
  };
  // That of a panel's column.
  Row Find(size_t panel, size_t column, size_t panel_width) const;

  std::vector<const model::Linear*> parts_;
  kernels::PackedLinear shape_;
};

// All packed weights of an encoder, in the order of use: found in the cache as an earlier process
// left them, or packed by several threads.
class WeightArena {
 public:
  // Less is packed in a millisecond, and a folder full of small files helps nobody.
  static constexpr size_t kLeastKeptBytes = size_t{1} << 20;

  // Of `bytes` in sum. `cache_key`: everything that the bytes depend on; empty: they are not kept.
  WeightArena(const kernels::Kernels& kernels, size_t bytes, std::string cache_key);
  WeightArena(const WeightArena&) = delete;
  WeightArena& operator=(const WeightArena&) = delete;

  size_t bytes() const { return cached_.empty() ? packed_.size_bytes() : cached_.bytes().size(); }

  // The next product. Its panels are there when Fill has returned.
  kernels::PackedLinear Add(LinearSource source);
  // Packs what was added, on up to `num_threads` threads, and begins to keep it for the next time;
  // what is left of that to be done is waited for when the arena goes.
  void Fill(int num_threads);

 private:
  struct Job {
    LinearSource source;
    std::byte* memory;
    size_t end;  // Panels of all jobs up to and with this one.
  };
  void PackPanels(int num_threads);
  // On a thread of its own: the first vector does not wait for the disk.
  void StartKeeping();

  const kernels::Kernels& kernels_;
  std::string cache_key_;
  CachedBytes cached_;    // Either this holds the weights,
  AlignedBuffer packed_;  // or this.
  size_t used_bytes_ = 0;
  std::vector<Job> jobs_;
  std::jthread keeper_;  // Reads packed_: the last member, so that it is joined first.
};

}  // namespace akin::encoder
