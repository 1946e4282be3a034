#include "server/grpc/reflection.h"

#include <functional>
#include <utility>

#include "akin/descriptors/descriptors.pb.h"

#include "server/text.h"

namespace akin::server {
namespace {

using grpc::reflection::v1::ServerReflectionRequest;

// Calls `add` with the full name of a type and of all types within it.
void ForEachType(const std::string& scope, const descriptors::Type& type,
                 const std::function<void(const std::string&)>& add) {
  const std::string name = StrCat(scope, '.', type.name());
  add(name);
  for (const auto& nested : type.nested_type()) ForEachType(name, nested, add);
  for (const auto& nested : type.enum_type()) add(StrCat(name, '.', nested.name()));
}

}  // namespace

Reflection::Reflection(std::string_view descriptor_set) {
  descriptors::FileSet set;
  set.ParseFromArray(descriptor_set.data(), static_cast<int>(descriptor_set.size()));
  files_.assign(set.file().begin(), set.file().end());
  for (const std::string& file : files_) AddFile(file);
}

void Reflection::AddFile(const std::string& bytes) {
  descriptors::File file;
  file.ParseFromString(bytes);
  by_name_[file.name()] = &bytes;
  const auto add = [&](const std::string& name) { by_symbol_[name] = &bytes; };
  for (const auto& type : file.message_type()) ForEachType(file.package(), type, add);
  for (const auto& type : file.enum_type()) add(StrCat(file.package(), '.', type.name()));
  for (const auto& service : file.service()) {
    const std::string name = StrCat(file.package(), '.', service.name());
    add(name);
    services_.push_back(name);
    for (const auto& method : service.method()) add(StrCat(name, '.', method.name()));
  }
}

const std::string* Reflection::Find(const Files& files, const std::string& key) {
  const auto it = files.find(key);
  return it == files.end() ? nullptr : it->second;
}

void Reflection::AnswerFile(const std::string* file, std::string_view what, const std::string& name,
                            Response& response) {
  if (file != nullptr) {
    response.mutable_file_descriptor_response()->add_file_descriptor_proto(*file);
    return;
  }
  auto& error = *response.mutable_error_response();
  error.set_error_code(static_cast<int>(GrpcCode::kNotFound));
  error.set_error_message(StrCat("there is no ", what, " ", name.substr(0, 256)));
}

Reflection::Response Reflection::Answer(const ServerReflectionRequest& request) const {
  Response response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      AnswerFile(Find(by_name_, request.file_by_filename()), "file", request.file_by_filename(),
                 response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AnswerFile(Find(by_symbol_, request.file_containing_symbol()), "symbol",
                 request.file_containing_symbol(), response);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      AnswerFile(nullptr, "extension of", request.file_containing_extension().containing_type(),
                 response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      if (Find(by_symbol_, request.all_extension_numbers_of_type()) == nullptr) {
        AnswerFile(nullptr, "type", request.all_extension_numbers_of_type(), response);
      } else {
        response.mutable_all_extension_numbers_response()->set_base_type_name(
            request.all_extension_numbers_of_type());
      }
      break;
    case ServerReflectionRequest::kListServices:
      for (const std::string& service : services_)
        response.mutable_list_services_response()->add_service()->set_name(service);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET: {
      auto& error = *response.mutable_error_response();
      error.set_error_code(static_cast<int>(GrpcCode::kInvalidArgument));
      error.set_error_message("the request asks for nothing that is known");
    }
  }
  return response;
}

std::vector<Method> Reflection::Methods() const {
  std::vector<Method> methods;
  for (const std::string_view service :
       {"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}) {
    methods.push_back({.name = {service, "ServerReflectionInfo"},
                       .kind = MethodKind::kStream,
                       .asks_model = false,
                       .is_open = true,
                       .operation = OperationOf<ServerReflectionRequest, Response>(
                           [this](const CallInfo& info, const ServerReflectionRequest& request,
                                  const CallDone<Response>& done) {
                             Response response = Answer(request);
                             const akin::Status room =
                                 info.share->Reserve(static_cast<int64_t>(response.ByteSizeLong()));
                             if (!room) return done(ToGrpcStatus(room.error()), {});
                             done({}, std::move(response));
                           })});
  }
  return methods;
}

}  // namespace akin::server
