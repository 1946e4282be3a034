#include "akin/tokenizer.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "base/strings.h"
#include "tokenizer/pipeline.h"

namespace akin {
namespace {

constexpr std::string_view kFileName = "tokenizer.json";
constexpr uintmax_t kMaxFileBytes = uintmax_t{256} << 20;

// The file that `path` means: itself, or tokenizer.json in it.
std::filesystem::path TokenizerFile(std::string_view path) {
  std::filesystem::path file(path);
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) file /= kFileName;
  return file;
}

// Regular files only: opening a pipe or a device could wait forever.
Result<std::string> ReadFile(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (!std::filesystem::exists(status)) {
    return ModelNotFound(file.string(), " is not there; expected a tokenizer.json");
  }
  if (!std::filesystem::is_regular_file(status)) {
    return InvalidModel(file.string(), " is not a regular file");
  }
  const uintmax_t size = std::filesystem::file_size(file, error);
  if (error) return InvalidModel(file.string(), ": ", error.message());
  if (size > kMaxFileBytes) {
    return InvalidModel(file.string(), " has ", size, " bytes, at most ", kMaxFileBytes,
                        " are allowed");
  }
  std::string text(size, '\0');
  std::ifstream in(file, std::ios::binary);
  in.read(text.data(), static_cast<std::streamsize>(size));
  if (!in) return InvalidModel(file.string(), " cannot be read");
  return text;
}

}  // namespace

class Tokenizer::Impl {
 public:
  explicit Impl(std::unique_ptr<const tokenizer::Pipeline> loaded) : pipeline(std::move(loaded)) {}
  const std::unique_ptr<const tokenizer::Pipeline> pipeline;
};

Result<Tokenizer> Tokenizer::Load(std::string_view path) {
  const std::filesystem::path file = TokenizerFile(path);
  AKIN_TRY_ASSIGN(const std::string json, ReadFile(file));
  AKIN_TRY_ASSIGN(auto pipeline, tokenizer::Pipeline::Load(json, file.filename().string()));
  return Tokenizer(std::make_shared<Impl>(std::move(pipeline)));
}

Result<Encoding> Tokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  thread_local tokenizer::Scratch scratch;
  return impl_->pipeline->Encode(text, options, scratch);
}

std::optional<int32_t> Tokenizer::TokenToId(std::string_view token) const {
  return impl_->pipeline->TokenToId(token);
}

std::optional<std::string> Tokenizer::IdToToken(int32_t id) const {
  return impl_->pipeline->IdToToken(id);
}

size_t Tokenizer::vocab_size() const { return impl_->pipeline->vocab_size(); }

}  // namespace akin
