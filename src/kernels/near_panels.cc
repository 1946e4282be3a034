#include "kernels/near_panels.h"

#include <unistd.h>

namespace akin::kernels {
namespace {

bool HasRoomInL1() {
#if defined(__x86_64__) && defined(_SC_LEVEL1_DCACHE_SIZE)
  constexpr long kRoom = long{48} << 10;
  return sysconf(_SC_LEVEL1_DCACHE_SIZE) >= kRoom;
#else
  return false;
#endif
}

// As the program starts: a product has no time for it.
const bool has_room_in_l1 = HasRoomInL1();

}  // namespace

bool PanelsComeNear() { return has_room_in_l1; }

}  // namespace akin::kernels
