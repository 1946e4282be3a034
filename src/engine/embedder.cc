#include "akin/embedder.h"

#include <chrono>
#include <memory>
#include <utility>

#include "akin/system.h"

#include "backends/native/native_backend.h"
#include "base/door.h"
#include "base/thread_count.h"
#include "engine/embedder_impl.h"
#include "engine/load_model.h"

namespace akin {

Embeddings::Embeddings(std::vector<float> values, size_t dimension, std::vector<int32_t> num_tokens,
                       std::vector<int32_t> truncated, Usage usage)
    : values_(std::move(values)),
      dimension_(dimension),
      num_tokens_(std::move(num_tokens)),
      truncated_(std::move(truncated)),
      usage_(usage) {}

Result<Embedder> Embedder::Load(std::string_view model, const LoadOptions& options) {
  return AtTheDoor("cannot load the model", model, [&]() -> Result<Embedder> {
    const auto start = std::chrono::steady_clock::now();
    AKIN_TRY_ASSIGN(engine::LoadedModel loaded, engine::LoadModel(model, options));
    const auto impl = std::make_shared<Impl>(std::move(loaded));
    AKIN_TRY(impl->Health());  // The first text also warms caches, pages and threads up.
    impl->set_load_ms(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
    return Embedder(impl);
  });
}

Result<Embeddings> Embedder::Embed(std::span<const std::string_view> texts,
                                   const EmbedOptions& options) const {
  return AtTheDoor("cannot embed", {}, [&] { return impl_->Embed(texts, options); });
}

Result<Embeddings> Embedder::Embed(std::span<const std::string> texts,
                                   const EmbedOptions& options) const {
  return AtTheDoor("cannot embed", {}, [&] {
    return impl_->Embed(std::vector<std::string_view>(texts.begin(), texts.end()), options);
  });
}

Result<Embeddings> Embedder::Embed(std::initializer_list<std::string_view> texts,
                                   const EmbedOptions& options) const {
  return AtTheDoor("cannot embed", {},
                   [&] { return impl_->Embed({texts.begin(), texts.size()}, options); });
}

const ModelInfo& Embedder::Info() const { return impl_->info(); }

Status Embedder::Health() const {
  return AtTheDoor("cannot embed", {}, [&] { return impl_->Health(); });
}

}  // namespace akin
