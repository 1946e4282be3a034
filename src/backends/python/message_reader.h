// Bytes from a socket -> lines, and the bytes behind them where they belong.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "akin/result.h"

#include "backends/python/protocol.h"

namespace akin::backends::python {

// One request's wait for its answer. `values` belong to the reading thread until `done` is set, to
// the caller afterwards; the rest is guarded by the client's mutex.
struct Exchange {
  size_t rows = 0;            // Expected.
  std::vector<float> values;  // [rows, width]
  bool done = false;
  std::optional<Error> error;
  std::condition_variable changed;
};

// What a message is made into.
class MessageHandler {
 public:
  virtual ~MessageHandler() = default;
  // The line of a message. If bytes follow, `receiver` is whose values they become, already of
  // their size; null: they are dropped. Error: what came is not the protocol.
  virtual Status TakeLine(std::string_view line, size_t& num_bytes,
                          std::shared_ptr<Exchange>& receiver) = 0;
  // All bytes of a message with bytes are there.
  virtual void TakeBytes(const std::shared_ptr<Exchange>& receiver) = 0;
};

class MessageReader {
 public:
  // Reads what is there now, and hands messages over as they are complete. False: the socket is at
  // its end. Errors: ServiceUnavailable (the socket), Internal (a line that is too long), those of
  // the handler.
  Result<bool> Receive(int socket, MessageHandler& handler);

 private:
  Status Take(std::string_view bytes, MessageHandler& handler);
  void TakePayload(std::string_view& bytes, MessageHandler& handler);
  void EndPayload(MessageHandler& handler);

  std::string line_;  // The beginning of one.
  size_t payload_left_ = 0;
  size_t payload_taken_ = 0;
  std::shared_ptr<Exchange> receiver_;
};

}  // namespace akin::backends::python
