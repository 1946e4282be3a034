// How many files may be open (RLIMIT_NOFILE), of which each connection is one. A shell's limit is
// often 1,024: accepting would fail there long before --max-connections, and nobody would give way
// to who comes, since there seemed to be room.
#pragma once

#include <cstddef>

namespace akin::server {

// What the server opens besides connections: listeners, the event loop's own, logs, a collector,
// models while they are read, pipes to a child.
inline constexpr size_t kOtherDescriptors = 64;

// Of `wanted` connections, how many there can be beside `others` descriptors, if `limit` may be
// open; an eighth more are about to end (ConnectionSlots::may_tell). At least 1; where the limit is
// too small for both they have half of it.
size_t ConnectionsWithin(size_t limit, size_t wanted, size_t others);

// The process' own limit, raised as far as `wanted` connections beside `others` need and the hard
// limit lets it. -> the limit as it is now.
size_t RaiseDescriptorLimit(size_t wanted, size_t others);

}  // namespace akin::server
