// modules.json -> the list of modules that run one after the other.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "akin/result.h"

namespace akin::model {

class ModelDirectory;

// One row of modules.json, or of a Router.
struct ModuleRow {
  std::string type;  // Without the package: "Pooling".
  std::string path;  // Folder, relative to the model folder; empty: the model folder itself.
};

// The lists of modules among which a Router (older files: Asym) chooses by the task of a call:
// "query", "document". It chooses by the modality, too, and here that is text.
struct Routes {
  struct Task {
    std::string name;
    std::string route;
    bool operator==(const Task&) const = default;
  };
  std::vector<std::string> names;  // Of routes that a text can take; empty: there is no Router.
  std::vector<Task> tasks;         // What a call can name.
  std::string default_name;        // Route of calls that name no task; empty: they have to.
};

// Errors of both: InvalidModel, UnsupportedModel (a module that is not known or not supported),
// ModelNotFound (a module's folder).
Result<Routes> ReadRoutes(const ModelDirectory& directory);
// In place of a Router stand the modules of `route`.
Result<std::vector<ModuleRow>> ReadModuleRows(const ModelDirectory& directory,
                                              std::string_view route);

}  // namespace akin::model
