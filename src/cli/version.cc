#include "cli/version.h"

#include "akin/system.h"

#include "akin_revision.h"  // Written by revision.cmake at every build.
#include "cli/strings.h"

namespace akin::cli {

std::string_view Revision() { return AKIN_REVISION; }

std::string VersionText() {
  const std::string_view revision = Revision();
  return StrCat("akin ", Version(), " (", DescribeSystem().compiler,
                revision.empty() ? "" : ", revision ", revision, ")");
}

}  // namespace akin::cli
