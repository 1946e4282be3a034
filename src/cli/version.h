// What this program is, for --version and for reports.
#pragma once

#include <string>
#include <string_view>

namespace akin::cli {

std::string_view Revision();  // "1a2b3c4", with "+" behind it for changes not committed; or empty.
std::string VersionText();    // "akin 0.1.0 (GCC 12.2.0, revision 1a2b3c4)"

}  // namespace akin::cli
