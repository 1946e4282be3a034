// The same models over gRPC, in the same process, queue and limits: TEI's `tei.v1`, AkiDB's
// `akidb.embedding.v1`, health and reflection.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "akin/result.h"

#include "server/app.h"

namespace akin::server {

struct GrpcOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;              // 0: one that is free.
  std::string tls_cert, tls_key;  // PEM files, both or none.
  // For a client to take an answer.
  std::chrono::milliseconds write_timeout{30'000};
};

class GrpcServer {
 public:
  // Whether Start could listen now: binds the address for a moment, and answers nobody. Error:
  // ServiceUnavailable, with the system's reason.
  static Status CheckAddress(const GrpcOptions& options);
  // Errors: InvalidInput (a certificate), ServiceUnavailable (the address is in use).
  static Result<std::unique_ptr<GrpcServer>> Start(const GrpcOptions& options, App& app);
  virtual ~GrpcServer() = default;

  virtual uint16_t port() const = 0;
  // What the health service says, of all services.
  virtual void SetServing(bool serving) = 0;
  // Cancels the calls whose clients have not taken their answers in time; to be called now and
  // then.
  virtual void Sweep() = 0;
  // Calls whose answers wait for their clients.
  virtual size_t num_writing() const = 0;
  // Accepts no new call; those under way have until the deadline. Blocks.
  virtual void Shutdown(std::chrono::milliseconds deadline) = 0;
};

}  // namespace akin::server
