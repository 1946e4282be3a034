#include "hub/client/content_hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "base/regular_file.h"
#include "base/strings.h"
#include "hub/hub_name.h"

namespace akin::hub {
namespace {

constexpr size_t kSha256Digits = 64;
constexpr size_t kReadBytes = size_t{256} << 10;  // Half of a small L2 cache.

EVP_MD_CTX* Context(void* state) { return static_cast<EVP_MD_CTX*>(state); }

}  // namespace

void ContentHash::Free::operator()(State* state) const { EVP_MD_CTX_free(Context(state)); }

Result<ContentHash> ContentHash::Start(std::string_view expected, int64_t size) {
  ContentHash hash(reinterpret_cast<State*>(EVP_MD_CTX_new()));
  const bool git = expected.size() != kSha256Digits;
  if (!hash.state_ || EVP_DigestInit_ex(Context(hash.state_.get()), git ? EVP_sha1() : EVP_sha256(),
                                        nullptr) != 1) {
    return Internal("libcrypto has no ", ContentHashName(expected));
  }
  if (git) hash.Update(StrCat("blob ", size, '\0'));
  return hash;
}

void ContentHash::Update(std::string_view bytes) {
  EVP_DigestUpdate(Context(state_.get()), bytes.data(), bytes.size());
}

std::string ContentHash::Finish() {
  constexpr char kDigits[] = "0123456789abcdef";
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(Context(state_.get()), digest, &length);
  std::string text;
  for (unsigned i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

bool IsContentHash(std::string_view text) {
  return IsHexadecimal(text, kSha256Digits) || IsCommitHash(text);
}

std::string_view ContentHashName(std::string_view hash) {
  return hash.size() == kSha256Digits ? "SHA-256" : "git blob id";
}

Result<std::string> HashOfFile(const std::string& path, std::string_view expected) {
  AKIN_TRY_ASSIGN(const UniqueFd file, OpenRegularFile(path, path));
  struct stat status;
  if (fstat(file.get(), &status) != 0) return ModelNotFound(path, ": ", strerror(errno));
  AKIN_TRY_ASSIGN(ContentHash hash, ContentHash::Start(expected, status.st_size));
  std::vector<char> buffer(kReadBytes);
  while (true) {
    const ssize_t count = read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ModelNotFound(path, ": cannot be read: ", strerror(errno));
    if (count == 0) return hash.Finish();
    hash.Update({buffer.data(), static_cast<size_t>(count)});
  }
}

}  // namespace akin::hub
