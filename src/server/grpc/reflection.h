// gRPC's server reflection: what the services are, for clients without their proto files.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "grpc/reflection/v1/reflection.pb.h"
#include "server/grpc/operation.h"

namespace akin::server {

class Reflection {
 public:
  // `descriptor_set`: a FileDescriptorSet whose files import nothing.
  explicit Reflection(std::string_view descriptor_set);

  grpc::reflection::v1::ServerReflectionResponse Answer(
      const grpc::reflection::v1::ServerReflectionRequest& request) const;

  // ServerReflectionInfo of v1 and of v1alpha, whose messages are the same. They outlive this no
  // longer than it lives.
  std::vector<Method> Methods() const;
  const std::vector<std::string>& services() const { return services_; }

 private:
  using Response = grpc::reflection::v1::ServerReflectionResponse;

  void AddFile(const std::string& bytes);
  // The file under a key of `files`; null: there is none.
  template <typename Map>
  static const std::string* Find(const Map& files, const typename Map::key_type& key);
  static void AnswerFile(const std::string* file, std::string_view what, const std::string& name,
                         Response& response);

  std::vector<std::string> files_;  // As they are; never changed after the constructor.
  using Files = std::map<std::string, const std::string*>;
  Files by_name_, by_symbol_;    // Into files_. All that has a name, packages included.
  std::set<std::string> types_;  // Messages.
  // By the type that they extend, and their number there.
  std::map<std::string, std::map<int32_t, const std::string*>> extensions_;
  std::vector<std::string> services_;
};

}  // namespace akin::server
