// The C interface over the C++ one: handles, sizes of structs, and no exception across.
#include "akin/c.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "akin/embedder.h"
#include "akin/system.h"

#include "c_api/handles.h"

namespace {

using akin::Error;
using akin::ErrorCode;
using akin::Result;
using akin::Status;

constexpr size_t kMostErrorBytes = 2048;  // Of an Error's message.
thread_local char last_error[kMostErrorBytes + 1] = "";

akin_code Fail(akin_code code, std::string_view message) noexcept {
  const size_t size = std::min(message.size(), kMostErrorBytes);
  std::memcpy(last_error, message.data(), size);
  last_error[size] = '\0';
  return code;
}

Error InvalidInput(std::string message) {
  return Error(ErrorCode::kInvalidInput, std::move(message));
}

// Runs `body`, which returns a Status, and makes a code of what it returns or throws.
template <typename Body>
akin_code AtTheDoor(Body&& body) noexcept {
  last_error[0] = '\0';
  try {
    const Status status = body();
    if (status) return AKIN_OK;
    return Fail(static_cast<akin_code>(status.error().code()), status.error().message());
  } catch (const std::bad_alloc&) {
    return Fail(AKIN_INTERNAL, "out of memory");
  } catch (const std::exception& error) {
    return Fail(AKIN_INTERNAL, error.what());
  } catch (...) {
    return Fail(AKIN_INTERNAL, "an unknown exception");
  }
}

// --- Handles. They live as long as the process: threads may outlast static objects. ---

auto& Embedders() {
  static auto& handles = *new akin::c_api::Handles<akin_embedder, akin::Embedder>;
  return handles;
}
auto& AllEmbeddings() {
  struct Kept {
    akin::Embeddings embeddings;
    std::vector<int32_t> num_tokens, truncated;
  };
  static auto& handles = *new akin::c_api::Handles<akin_embeddings, Kept>;
  return handles;
}

Error NoHandle(const char* kind, const void* handle) {
  return InvalidInput(std::string(handle == nullptr ? "null is no " : "this is no ") + kind +
                      (handle == nullptr ? "" : ", or one that was freed"));
}

// --- Structs ---

// What the caller's header knew of `T`, the rest zero. All fields of today are fields of the first
// version: nothing smaller was ever whole.
template <typename T>
Result<T> ReadStruct(const T* given, const char* name) {
  T known{};
  if (given == nullptr) return known;
  const size_t size = given->struct_size;
  if (size < sizeof(T)) {
    return InvalidInput(std::string(name) + ": struct_size is " + std::to_string(size) +
                        ", expected at least " + std::to_string(sizeof(T)) + " (use the macro " +
                        "that sets it)");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) {
      return InvalidInput(std::string(name) +
                          ": a field is set that this library is too old to know");
    }
  }
  std::memcpy(&known, given, sizeof(T));
  return known;
}

// Fills what the caller's header knows of `T`.
template <typename T>
Status WriteStruct(T filled, T* out, const char* name) {
  if (out == nullptr) return InvalidInput(std::string(name) + " is null");
  AKIN_TRY(ReadStruct(out, name));
  filled.struct_size = out->struct_size;
  std::memcpy(out, &filled, sizeof(T));
  return {};
}

std::string_view TextOf(const char* text) { return text == nullptr ? "" : text; }

Result<akin::LoadOptions> ToLoadOptions(const akin_load_options* given) {
  AKIN_TRY_ASSIGN(const akin_load_options from, ReadStruct(given, "akin_load_options"));
  akin::LoadOptions options;
  if (from.backend != nullptr) AKIN_TRY(akin::ParseBackend(from.backend, options));
  if (from.precision != nullptr) {
    AKIN_TRY_ASSIGN(options.precision, akin::ParsePrecision(from.precision));
  }
  if (from.isa != nullptr) {
    AKIN_TRY_ASSIGN(options.isa, akin::ParseIsa(from.isa));
  }
  if (from.pooling != nullptr) {
    AKIN_TRY_ASSIGN(options.pooling, akin::ParsePoolingMode(from.pooling));
  }
  options.num_threads = from.num_threads;
  options.batch_tokens = from.batch_tokens;
  return options;
}

Result<akin::EmbedOptions> ToEmbedOptions(const akin_embed_options* given) {
  AKIN_TRY_ASSIGN(const akin_embed_options from, ReadStruct(given, "akin_embed_options"));
  akin::EmbedOptions options;
  const auto set = [](int32_t value, std::optional<int>& option) {
    if (value != 0) option = value;
  };
  set(from.max_tokens, options.max_tokens);
  set(from.dimensions, options.dimensions);
  set(from.truncate_dim, options.truncate_dim);
  if (from.normalize < AKIN_NORMALIZE_AS_MODEL || from.normalize > AKIN_NORMALIZE_NO)
    return InvalidInput("normalize is " + std::to_string(from.normalize) +
                        ", expected a value of akin_normalize");
  if (from.normalize != AKIN_NORMALIZE_AS_MODEL)
    options.normalize = from.normalize == AKIN_NORMALIZE_YES;
  if (from.overflow != nullptr) {
    AKIN_TRY_ASSIGN(options.overflow, akin::ParseOverflow(from.overflow));
    if (options.overflow == akin::Overflow::kChunks || options.overflow == akin::Overflow::kLate)
      return InvalidInput("overflow is \"" + std::string(from.overflow) +
                          "\", which makes several vectors of a text; the C interface takes "
                          "truncate, error and average");
  }
  options.prompt_name = TextOf(from.prompt_name);
  if (from.prompt != nullptr) options.prompt = from.prompt;
  return options;
}

Result<std::vector<std::string_view>> ToTexts(const char* const* texts, const size_t* sizes,
                                              size_t num_texts) {
  if (texts == nullptr && num_texts > 0) return InvalidInput("texts is null");
  std::vector<std::string_view> views;
  for (size_t i = 0; i < num_texts; ++i) {
    const bool empty = sizes != nullptr && sizes[i] == 0;
    if (texts[i] == nullptr && !empty)
      return InvalidInput("text " + std::to_string(i) + " is null");
    views.push_back(empty              ? std::string_view()
                    : sizes == nullptr ? std::string_view(texts[i])
                                       : std::string_view(texts[i], sizes[i]));
  }
  return views;
}

}  // namespace

const char* akin_version(void) {
  static const std::string version(akin::Version());
  return version.c_str();
}

const char* akin_code_name(akin_code code) {
  switch (code) {
    case AKIN_OK: return "Ok";
    case AKIN_CANCELLED: return "Cancelled";
    case AKIN_INVALID_INPUT: return "InvalidInput";
    case AKIN_DEADLINE_EXCEEDED: return "DeadlineExceeded";
    case AKIN_MODEL_NOT_FOUND: return "ModelNotFound";
    case AKIN_OVERLOADED: return "Overloaded";
    case AKIN_INVALID_MODEL: return "InvalidModel";
    case AKIN_UNSUPPORTED_MODEL: return "UnsupportedModel";
    case AKIN_INTERNAL: return "Internal";
    case AKIN_UNAVAILABLE: return "ServiceUnavailable";
  }
  return "Unknown";
}

const char* akin_last_error(void) { return last_error; }

akin_code akin_embedder_load(const char* model, const akin_load_options* options,
                             akin_embedder** embedder) {
  return AtTheDoor([&]() -> Status {
    if (model == nullptr) return InvalidInput("model is null");
    if (embedder == nullptr) return InvalidInput("embedder is null");
    AKIN_TRY_ASSIGN(const akin::LoadOptions load, ToLoadOptions(options));
    AKIN_TRY_ASSIGN(akin::Embedder loaded, akin::Embedder::Load(model, load));
    *embedder = Embedders().Add(std::move(loaded));
    return {};
  });
}

void akin_embedder_free(akin_embedder* embedder) { Embedders().Remove(embedder); }

akin_code akin_embedder_health(const akin_embedder* embedder) {
  return AtTheDoor([&]() -> Status {
    const auto found = Embedders().Find(embedder);
    if (found == nullptr) return NoHandle("akin_embedder", embedder);
    return found->Health();
  });
}

akin_code akin_embedder_info(const akin_embedder* embedder, akin_model_info* out) {
  return AtTheDoor([&]() -> Status {
    const auto found = Embedders().Find(embedder);
    if (found == nullptr) return NoHandle("akin_embedder", embedder);
    const akin::ModelInfo& info = found->Info();
    return WriteStruct({.dimension = info.dimension,
                        .max_tokens = info.max_tokens,
                        .max_positions = info.max_positions,
                        .num_threads = info.num_threads,
                        .normalized = info.normalize ? 1 : 0,
                        .batch_invariant = info.batch_invariant ? 1 : 0,
                        .num_parameters = info.num_parameters,
                        .load_ms = info.load_ms,
                        .model = info.model.c_str(),
                        .path = info.path.c_str(),
                        .architecture = info.architecture.c_str(),
                        // Names of enumerators are literals, and so end with NUL.
                        .kind = akin::ModelKindName(info.kind).data(),
                        .pooling = info.pooling.c_str(),
                        .backend = info.backend.c_str(),
                        .backend_detail = info.backend_detail.c_str(),
                        .precision = info.precision.c_str(),
                        .isa = info.isa.c_str()},
                       out, "akin_model_info");
  });
}

akin_code akin_embedder_embed(const akin_embedder* embedder, const char* const* texts,
                              const size_t* sizes, size_t num_texts,
                              const akin_embed_options* options, akin_embeddings** embeddings) {
  return AtTheDoor([&]() -> Status {
    const auto found = Embedders().Find(embedder);
    if (found == nullptr) return NoHandle("akin_embedder", embedder);
    if (embeddings == nullptr) return InvalidInput("embeddings is null");
    AKIN_TRY_ASSIGN(const akin::EmbedOptions embed, ToEmbedOptions(options));
    AKIN_TRY_ASSIGN(const std::vector<std::string_view> views, ToTexts(texts, sizes, num_texts));
    AKIN_TRY_ASSIGN(akin::Embeddings made,
                    found->Embed(std::span<const std::string_view>(views), embed));
    std::vector<int32_t> num_tokens, truncated;
    for (size_t i = 0; i < made.num_texts(); ++i) {
      num_tokens.push_back(made.num_tokens(i));
      truncated.push_back(made.truncated(i));
    }
    *embeddings =
        AllEmbeddings().Add({std::move(made), std::move(num_tokens), std::move(truncated)});
    return {};
  });
}

void akin_embeddings_free(akin_embeddings* embeddings) { AllEmbeddings().Remove(embeddings); }

akin_code akin_embeddings_get(const akin_embeddings* embeddings, akin_embeddings_view* view) {
  return AtTheDoor([&]() -> Status {
    const auto found = AllEmbeddings().Find(embeddings);
    if (found == nullptr) return NoHandle("akin_embeddings", embeddings);
    const akin::Embeddings& made = found->embeddings;
    const akin::Usage& usage = made.usage();
    return WriteStruct({.dimension = static_cast<int32_t>(made.dimension()),
                        .num_texts = made.size(),
                        .values = made.vectors().data(),
                        .num_tokens = found->num_tokens.data(),
                        .truncated = found->truncated.data(),
                        .total_tokens = usage.total_tokens,
                        .duration_ms = usage.duration_ms,
                        .tokenize_ms = usage.tokenize_ms,
                        .compute_ms = usage.compute_ms},
                       view, "akin_embeddings_view");
  });
}
