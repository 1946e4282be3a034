// Models from a hub, kept in the cache that Python's huggingface_hub keeps too.
//
//   AKIN_TRY_ASSIGN(akin::PulledModel pulled, akin::PullModel("org/name"));
//   akin::Embedder::Load(pulled.path);  // Or Load("org/name"), which pulls what is missing.
//
// The environment is that of huggingface_hub: HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN,
// HF_HUB_OFFLINE and the usual proxy variables (docs/hub.md).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin {

// How far a pull is.
struct PullProgress {
  int files_done = 0;
  int files = 0;
  int64_t bytes_done = 0;  // Of all files, those that were there already included.
  int64_t bytes = 0;
  bool waiting = false;  // All that is missing is being fetched by another process.
  // While the hub is asked for the list of files and cannot be reached: why not, and when it is
  // asked again.
  std::string trouble;
  double retry_seconds = 0;
};

struct PullOptions {
  // Which files, by patterns as a shell has them ("onnx/*"; '*' matches '/' too). Empty: those that
  // Akin needs to load the model.
  std::vector<std::string> include;
  // Called by the thread that pulls, some ten times a second; false gives up (Cancelled). What was
  // received is kept, and the next pull goes on from there.
  std::function<bool(const PullProgress&)> on_progress;
};

struct PulledModel {
  std::string path;    // The folder of the revision, for Embedder::Load.
  std::string commit;  // What the revision's name stands for, 40 hexadecimal digits.
  int files = 0;
  int64_t bytes = 0;           // Of these files.
  int64_t received_bytes = 0;  // That came over the network this time.
};

// Whether `model` has the form ORG/NAME or ORG/NAME@REVISION.
bool IsHubName(std::string_view model);

// Whether the hub is asked for `model` when it is not on this machine: it has the form of a hub
// name, and ORG/NAME is no path below a folder ORG that is here, mistyped. With a revision it is no
// path in any case.
bool IsPulledIfMissing(std::string_view model);

// The error of such a pull for somebody who may have meant a folder: a ModelNotFound, and that of a
// hub that cannot be reached (ServiceUnavailable), says that there is none, too.
Error NotHereEither(std::string_view model, const Error& error);

// What models are fetched with and backend remote asks with, "libcurl 7.88.1": a library that is
// loaded by the first such request. Errors: ServiceUnavailable (this machine has none, or an old
// one), UnsupportedModel (AKIN_HUB=OFF).
Result<std::string> DescribeHttpClient();

// Fetches `model`, ORG/NAME or ORG/NAME@REVISION (a branch, a tag or a commit; without: main), or
// what of it is missing or has changed. A file gets its name after its size and hash were right,
// and the revision its own after all its files; many processes may pull the same model at once.
// Errors: InvalidInput (the name, a pattern that fits no file), ModelNotFound (no such model or
// revision, or not for this token), InvalidModel (wrong hash or size, a name that leads out of the
// cache), UnsupportedModel (no weights that Akin can read), ServiceUnavailable (the network, the
// disk; another pull resumes), Cancelled.
Result<PulledModel> PullModel(std::string_view model, const PullOptions& options = {});

// A revision of a model in the hub cache.
struct CachedRevision {
  std::string commit;
  std::vector<std::string> names;  // "main", "v1.0": the names that stand for it.
  std::string path;
  int files = 0;
  int64_t bytes = 0;
  bool loadable = false;  // Configuration and weights are there.
};

struct CachedModel {
  std::string name;   // "org/name"
  int64_t bytes = 0;  // On the disk, files that revisions share counted once.
  std::vector<CachedRevision> revisions;
};

// The models in the hub cache, by name. A cache that is not there is empty. Error:
// ServiceUnavailable (the cache cannot be read).
Result<std::vector<CachedModel>> ListCachedModels();

// What is wrong with the files of a cached model: one sentence each, none if all is right. Reads
// everything. Errors: InvalidInput, ModelNotFound.
Result<std::vector<std::string>> VerifyCachedModel(std::string_view model);

// Removes ORG/NAME with all revisions, or with @REVISION only that one and the files that no other
// uses; returns the bytes that are free then. Errors: InvalidInput, ModelNotFound,
// ServiceUnavailable (not allowed, or being downloaded).
Result<int64_t> RemoveCachedModel(std::string_view model);

}  // namespace akin
