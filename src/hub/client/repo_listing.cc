#include "hub/client/repo_listing.h"

#include "base/strings.h"
#include "formats/json.h"
#include "hub/client/content_hash.h"
#include "hub/hub_name.h"

namespace akin::hub {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

constexpr size_t kMaxPageBytes = size_t{64} << 20;
constexpr int kMaxDepth = 32;
constexpr int64_t kMaxFileBytes = int64_t{1} << 50;

Result<JsonDocument> Parse(std::string_view json, const std::string& name) {
  return JsonDocument::Parse(json, name, {.max_bytes = kMaxPageBytes, .max_depth = kMaxDepth});
}

// {"type": "file", "path": .., "size": .., "oid": <git>, "lfs": {"oid": <SHA-256>, "size": ..}}
Result<HubFile> ParseFile(JsonValue entry, std::string path) {
  HubFile file{.path = std::move(path)};
  JsonValue source = entry;
  if (const auto lfs = entry.Find("lfs"); lfs && !lfs->is_null()) source = *lfs;
  AKIN_TRY_ASSIGN(const JsonValue size, source.Get("size"));
  AKIN_TRY_ASSIGN(file.size, size.AsIntIn(0, kMaxFileBytes));
  AKIN_TRY_ASSIGN(const JsonValue oid, source.Get("oid"));
  AKIN_TRY_ASSIGN(const std::string_view hash, oid.AsString());
  if (!IsContentHash(hash)) {
    return InvalidModel(oid.Where(), " is ", oid.Found(),
                        ", expected a SHA-256 or a git blob id to check the file with");
  }
  file.hash = hash;
  return file;
}

}  // namespace

Result<std::string> ParseCommit(std::string_view json, const std::string& name) {
  AKIN_TRY_ASSIGN(const JsonDocument document, Parse(json, name));
  AKIN_TRY_ASSIGN(const JsonValue sha, document.root().Get("sha"));
  AKIN_TRY_ASSIGN(const std::string_view commit, sha.AsString());
  if (!IsCommitHash(commit))
    return InvalidModel(sha.Where(), " is ", sha.Found(), ", expected a commit of 40 digits");
  return std::string(commit);
}

Status ParseTreePage(std::string_view json, const std::string& name, std::vector<HubFile>& files) {
  AKIN_TRY_ASSIGN(const JsonDocument document, Parse(json, name));
  AKIN_TRY_ASSIGN(const JsonValue::Range entries, document.root().AsArray());
  for (const JsonValue entry : entries) {
    AKIN_TRY_ASSIGN(const JsonValue path, entry.Get("path"));
    AKIN_TRY_ASSIGN(const std::string_view text, path.AsString());
    if (!IsSafeRelativePath(text)) {
      return InvalidModel(path.Where(), " is ", path.Found(),
                          ", which is no path inside a folder; the model is refused");
    }
    AKIN_TRY_ASSIGN(const JsonValue type, entry.Get("type"));
    AKIN_TRY_ASSIGN(const std::string_view kind, type.AsString());
    if (kind != "file") continue;
    AKIN_TRY_ASSIGN(HubFile file, ParseFile(entry, std::string(text)));
    files.push_back(std::move(file));
  }
  return {};
}

std::string NextPage(std::string_view link_header) {
  while (!link_header.empty()) {
    const size_t open = link_header.find('<'), close = link_header.find('>');
    if (open == link_header.npos || close == link_header.npos || close < open) return "";
    const std::string_view rest = link_header.substr(close + 1);
    const size_t next = rest.find('<');
    if (rest.substr(0, next).find("rel=\"next\"") != rest.npos)
      return std::string(link_header.substr(open + 1, close - open - 1));
    if (next == rest.npos) return "";
    link_header = rest.substr(next);
  }
  return "";
}

}  // namespace akin::hub
