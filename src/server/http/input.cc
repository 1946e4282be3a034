#include "server/http/input.h"

namespace akin::server {

namespace asio = boost::asio;

asio::awaitable<size_t> Input::ReadMore(size_t most) {
  const size_t old_size = bytes_.size();
  Shrink(2 * most);
  bytes_.resize(old_size + most);
  const size_t count = co_await stream_.ReadSome(asio::buffer(bytes_.data() + old_size, most));
  bytes_.resize(old_size + count);
  co_return count;
}

}  // namespace akin::server
