// Handles of the C interface: numbers in the shape of pointers. A freed one is not used again, so
// that it is known to be none, and an object lives on while a call is under way with it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

namespace akin::c_api {

// Handles of all kinds come from one row of numbers: one of another kind is none, too.
uintptr_t NextHandle();

// The live objects of one kind.
template <typename Opaque, typename Object>
class Handles {
 public:
  // Throws std::bad_alloc.
  Opaque* Add(Object object) {
    auto shared = std::make_shared<const Object>(std::move(object));
    const uintptr_t number = NextHandle();
    const std::unique_lock lock(mutex_);
    objects_.emplace(number, std::move(shared));
    return reinterpret_cast<Opaque*>(number);
  }
  // Null for what is no handle.
  std::shared_ptr<const Object> Find(const Opaque* handle) const {
    const std::shared_lock lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
  void Remove(const Opaque* handle) noexcept {
    std::shared_ptr<const Object> last;  // Destroyed without the lock.
    const std::unique_lock lock(mutex_);
    const auto found = objects_.find(reinterpret_cast<uintptr_t>(handle));
    if (found == objects_.end()) return;
    last = std::move(found->second);
    objects_.erase(found);
  }

 private:
  mutable std::shared_mutex mutex_;
  std::unordered_map<uintptr_t, std::shared_ptr<const Object>> objects_;
};

}  // namespace akin::c_api
