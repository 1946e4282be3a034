// Linked into a test program, it has several threads share batches however busy the machine is.
#include "engine/team_backoff.h"

namespace {

const akin::engine::ScopedAlwaysTeams kAlwaysTeams;

}  // namespace
