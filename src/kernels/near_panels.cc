#include "kernels/near_panels.h"

#include <unistd.h>

#include <utility>

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
bool panels_come_near = HasRoomInL1();

}  // namespace

bool PanelsComeNear() { return panels_come_near; }

ScopedPanelsComeNear::ScopedPanelsComeNear(bool near)
    : before_(std::exchange(panels_come_near, near)) {}
ScopedPanelsComeNear::~ScopedPanelsComeNear() { panels_come_near = before_; }

}  // namespace akin::kernels
