// The CPUs that threads may run on, and holding a thread on one of them (sched_setaffinity(2)).
#pragma once

#include <vector>

#include "akin/result.h"

namespace akin {

// The CPUs in this thread's affinity mask, ascending; empty where the system does not say.
std::vector<int> AllowedCpus();

// The CPU that runs this thread just now; -1 where the system does not say.
int CurrentCpu();

// Holds this thread on `cpu` until it is called again. False, with nothing changed, where that is
// not allowed.
bool PinThisThread(int cpu);

// What AKIN_PIN_THREADS of the environment says: 1 or 0, which is the default.
// Error: InvalidInput when it is something else.
Result<bool> WantsPinnedThreads();

}  // namespace akin
