#include "base/data_caches.h"

#include <gtest/gtest.h>

#include <string>

#include "support/temporary_folder.h"

namespace akin {
namespace {

// A /sys with caches of the first CPU.
class Machine {
 public:
  void AddCache(int index, const std::string& level, const std::string& type,
                const std::string& size, const std::string& cpus) {
    const std::string cache = "sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    folder_.Write(cache + "/level", level + '\n');
    folder_.Write(cache + "/type", type + '\n');
    folder_.Write(cache + "/size", size + '\n');
    folder_.Write(cache + "/shared_cpu_list", cpus + '\n');
  }
  std::vector<DataCache> caches() const { return ListDataCachesIn(folder_.path().string()); }

 private:
  TemporaryFolder folder_;
};

TEST(DataCaches, AreListedWithoutTheInstructionCache) {
  Machine machine;
  machine.AddCache(0, "1", "Data", "48K", "0");
  machine.AddCache(1, "1", "Instruction", "32K", "0");
  machine.AddCache(2, "2", "Unified", "1M", "0,8");
  machine.AddCache(3, "3", "Unified", "32768K", "0-7");
  const std::vector<DataCache> caches = machine.caches();
  ASSERT_EQ(caches.size(), 3u);
  EXPECT_EQ(caches[0].name, "L1d");
  EXPECT_EQ(caches[0].bytes, 48 << 10);
  EXPECT_EQ(caches[0].num_cpus, 1);
  EXPECT_EQ(caches[1].name, "L2");
  EXPECT_EQ(caches[1].bytes, 1 << 20);
  EXPECT_EQ(caches[1].num_cpus, 2);
  EXPECT_EQ(caches[2].name, "L3");
  EXPECT_EQ(caches[2].num_cpus, 8);
}

TEST(DataCaches, OfASystemThatDoesNotTellAreNone) { EXPECT_TRUE(Machine().caches().empty()); }

TEST(DataCaches, WithAnUnreadableSizeAreLeftOut) {
  Machine machine;
  for (int i = 0; const char* size : {"", "K", "48Q", "-48K", "0K", "99999999999999999999K"})
    machine.AddCache(i++, "1", "Data", size, "0");
  EXPECT_TRUE(machine.caches().empty());
}

}  // namespace
}  // namespace akin
