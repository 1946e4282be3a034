#include "encoder/packed_weights.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <new>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

namespace akin::encoder {
LinearSource LinearSource::SideBySide(std::vector<const model::Linear*> parts) {
  LinearSource source;
  for (const model::Linear* part : parts) {
    source.shape_.n += static_cast<size_t>(part->outputs());
    source.shape_.k = static_cast<size_t>(part->inputs());
  }
  source.parts_ = std::move(parts);
  return source;
}

LinearSource LinearSource::Gated(const model::Linear& gate, const model::Linear& values) {
  LinearSource source;
  source.parts_ = {&gate, &values};
  source.shape_ = {.n = static_cast<size_t>(values.outputs()),
                   .k = static_cast<size_t>(values.inputs()),
                   .gated = true};
  return source;
}

LinearSource::Row LinearSource::Find(size_t panel, size_t column, size_t panel_width) const {
  Row found;
  size_t output = panel * panel_width + column;
  if (shape_.gated) {
    const size_t half = panel_width / 2;
    output = panel * half + column % half;
    if (output < shape_.n) found = {parts_[column / half], output};
  } else {
    for (const model::Linear* part : parts_) {
      const size_t outputs = static_cast<size_t>(part->outputs());
      if (output < outputs) {
        found = {part, output};
        break;
      }
      output -= outputs;
    }
  }
  if (found.part != nullptr && !found.part->rows.empty())
    found.row = static_cast<size_t>(found.part->rows[found.row]);
  return found;
}

void LinearSource::PackPanel(const kernels::Kernels& kernels, size_t panel, Scratch& scratch,
                             std::byte* memory) const {
  const size_t width = kernels.linear.panel_width, k = shape_.k;
  scratch.rows.resize(std::max(scratch.rows.size(), width * k));
  scratch.bias.assign(width, 0.0f);
  for (size_t column = 0, count; column < width; column += count) {
    const Row source = Find(panel, column, width);
    // Rows that follow one another in the file are one read: it costs as much as copying a row.
    for (count = 1; column + count < width; ++count)
      if (Find(panel, column + count, width) != source.Next(count)) break;
    const std::span<float> out = std::span(scratch.rows).subspan(column * k, count * k);
    if (source.part == nullptr) {
      std::ranges::fill(out, 0.0f);
      continue;
    }
    model::ReadF32(source.part->weight, static_cast<int64_t>(source.row * k), out);
    if (!source.part->bias.empty())
      model::ReadF32(source.part->bias, static_cast<int64_t>(source.row),
                     std::span(scratch.bias).subspan(column, count));
  }
  kernels.linear.pack_panel({scratch.rows.data(), width, k}, scratch.bias,
                            memory + panel * kernels.linear.panel_bytes(k));
}

kernels::PackedLinear LinearSource::Pack(const kernels::Kernels& kernels, std::byte* memory) const {
  Scratch scratch;
  for (size_t panel = 0; panel < kernels::NumPanels(kernels, shape_); ++panel)
    PackPanel(kernels, panel, scratch, memory);
  kernels::PackedLinear packed = shape_;
  packed.panels = memory;
  return packed;
}

WeightArena::WeightArena(const kernels::Kernels& kernels, size_t bytes, std::string cache_key)
    : kernels_(kernels),
      cache_key_(bytes >= kLeastKeptBytes ? std::move(cache_key) : std::string()) {
  if (!cache_key_.empty()) cached_ = FindPacked(cache_key_, bytes);
  if (cached_.empty()) packed_ = AlignedBuffer(bytes);
}

kernels::PackedLinear WeightArena::Add(LinearSource source) {
  kernels::PackedLinear packed = source.shape();
  const size_t bytes = source.PackedBytes(kernels_);
  if (!cached_.empty()) {
    packed.panels = cached_.bytes().data() + used_bytes_;
  } else {
    std::byte* const memory = packed_.As<std::byte>().data() + used_bytes_;
    packed.panels = memory;
    const size_t before = jobs_.empty() ? 0 : jobs_.back().end;
    const size_t panels = kernels::NumPanels(kernels_, source.shape());
    jobs_.push_back({std::move(source), memory, before + panels});
  }
  used_bytes_ += bytes;
  return packed;
}

void WeightArena::Fill(int num_threads) {
  if (!cached_.empty()) return;
  PackPanels(num_threads);
  jobs_ = std::vector<Job>();  // Not {}, which keeps the memory.
  if (!cache_key_.empty()) StartKeeping();
}

void WeightArena::StartKeeping() {
  const auto keep = [this] {
    try {
      StorePacked(cache_key_, packed_.As<std::byte>());
    } catch (const std::bad_alloc&) {
      // The next start packs again.
    }
  };
  try {
    keeper_ = std::jthread(keep);
  } catch (const std::system_error&) {
    keep();
  }
}

void WeightArena::PackPanels(int num_threads) {
  std::atomic<size_t> next{0};
  std::atomic<bool> out_of_memory{false};
  const size_t end = jobs_.empty() ? 0 : jobs_.back().end;
  const auto work = [&] {
    try {
      LinearSource::Scratch scratch;
      for (size_t i; !out_of_memory && (i = next.fetch_add(1)) < end;) {
        const auto job = std::ranges::upper_bound(jobs_, i, {}, &Job::end);
        const size_t first = job == jobs_.begin() ? 0 : std::prev(job)->end;
        job->source.PackPanel(kernels_, i - first, scratch, job->memory);
      }
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  };
  {
    std::vector<std::jthread> helpers;
    try {
      helpers.reserve(static_cast<size_t>(num_threads));
      for (int t = 1; t < num_threads; ++t) helpers.emplace_back(work);
    } catch (const std::system_error&) {
      // The system has no more threads: those that there are pack everything.
    }
    work();
  }
  if (out_of_memory) throw std::bad_alloc();
}

}  // namespace akin::encoder
