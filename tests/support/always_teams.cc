// Linked into a test program, it has several threads share batches however busy the machine is.
#include "engine/team_backoff.h"

namespace {

[[maybe_unused]] const bool kAlwaysTeams = [] {
  akin::engine::TeamBackoff::ThisMachine().AlwaysPay();
  return true;
}();

}  // namespace
