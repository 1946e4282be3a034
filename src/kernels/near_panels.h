// Which cache a product asks for its panels.
#pragma once

namespace akin::kernels {

// Whether the L1 cache has room for a panel's next lines beside the rows of a tile: 48 KiB and more
// (Intel since Ice Lake), not the 32 KiB of Zen 4 (docs/design/003-one-micro-kernel.md). False
// where the system does not say; of cores of two kinds it is the one that the program started on.
bool PanelsComeNear();

// What PanelsComeNear says as long as this lives, and no product runs meanwhile on another thread:
// for tests, which have both on every CPU.
class ScopedPanelsComeNear {
 public:
  explicit ScopedPanelsComeNear(bool near);
  ~ScopedPanelsComeNear();
  ScopedPanelsComeNear(const ScopedPanelsComeNear&) = delete;
  ScopedPanelsComeNear& operator=(const ScopedPanelsComeNear&) = delete;

 private:
  const bool before_;
};

}  // namespace akin::kernels
