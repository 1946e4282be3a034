// Which modules of a Router a text takes, as sentence-transformers decides it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/module_rows.h"

namespace akin::model {

// A key of "route_mappings", which is a tuple as Python writes it: ('query', 'text'),
// (None, 'text'), ('query', None), ('query', ('image', 'text')).
struct MappingKey {
  std::optional<std::string> task, modality;  // None: any.
  bool is_for_texts = true;                   // The modality is any or 'text'.
};
// None: not such a tuple.
std::optional<MappingKey> ParseMappingKey(std::string_view key);

struct RouteChoice {
  struct Mapping {
    std::optional<std::string> task, modality;
    std::string route;
  };

  bool Has(std::string_view route) const;
  // The route of a text; of none where only a default, or nothing, is left.
  std::optional<std::string> Of(std::optional<std::string_view> task) const;
  // What all of that comes to.
  Routes OfTexts() const;

  std::vector<std::string> routes;  // In the file's order.
  std::vector<Mapping> mappings;    // Those for texts.
  std::string default_route;        // Empty: none.
};

}  // namespace akin::model
