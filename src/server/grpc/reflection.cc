#include "server/grpc/reflection.h"

#include <cstdint>
#include <functional>
#include <utility>

#include "akin/descriptors/descriptors.pb.h"

#include "server/text.h"

namespace akin::server {
namespace {

using grpc::reflection::v1::ServerReflectionRequest;

std::string FullName(std::string_view scope, std::string_view name) {
  return scope.empty() ? std::string(name) : StrCat(scope, '.', name);
}

// Goes through all that has a name in a file.
struct Names {
  std::function<void(const std::string& name)> add;
  std::function<void(const std::string& name)> add_type;  // A message, which may be extended.
  std::function<void(std::string_view type, int32_t number)> add_extension;

  void Of(const std::string& scope, const descriptors::Type& type) const {
    const std::string name = FullName(scope, type.name());
    add(name);
    add_type(name);
    for (const auto& field : type.field()) add(FullName(name, field.name()));
    for (const auto& oneof : type.oneof_decl()) add(FullName(name, oneof.name()));
    for (const auto& nested : type.nested_type()) Of(name, nested);
    for (const auto& nested : type.enum_type()) Of(name, nested);
    for (const auto& extension : type.extension()) Of(name, extension);
  }
  // Values stand beside their enum, as in C++.
  void Of(const std::string& scope, const descriptors::Enum& type) const {
    add(FullName(scope, type.name()));
    for (const auto& value : type.value()) add(FullName(scope, value.name()));
  }
  void Of(const std::string& scope, const descriptors::Field& extension) const {
    add(FullName(scope, extension.name()));
    std::string_view type = extension.extendee();
    if (type.starts_with('.')) type.remove_prefix(1);
    add_extension(type, extension.number());
  }
};

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
  const Names names = {
      .add = [&](const std::string& name) { by_symbol_.try_emplace(name, &bytes); },
      .add_type = [&](const std::string& name) { types_.insert(name); },
      .add_extension = [&](std::string_view type,
                           int32_t number) { extensions_[std::string(type)][number] = &bytes; }};
  const std::string& package = file.package();
  for (size_t end = package.find('.'); !package.empty(); end = package.find('.', end + 1)) {
    names.add(package.substr(0, end));
    if (end == std::string::npos) break;
  }
  for (const auto& type : file.message_type()) names.Of(package, type);
  for (const auto& type : file.enum_type()) names.Of(package, type);
  for (const auto& extension : file.extension()) names.Of(package, extension);
  for (const auto& service : file.service()) {
    const std::string name = FullName(package, service.name());
    names.add(name);
    services_.push_back(name);
    for (const auto& method : service.method()) names.add(FullName(name, method.name()));
  }
}

template <typename Map>
const std::string* Reflection::Find(const Map& files, const typename Map::key_type& key) {
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
    case ServerReflectionRequest::kFileContainingExtension: {
      const auto& asked = request.file_containing_extension();
      const auto type = extensions_.find(asked.containing_type());
      const auto* const file =
          type == extensions_.end() ? nullptr : Find(type->second, asked.extension_number());
      AnswerFile(file, StrCat("extension ", asked.extension_number(), " of"),
                 asked.containing_type(), response);
      break;
    }
    case ServerReflectionRequest::kAllExtensionNumbersOfType: {
      const std::string& name = request.all_extension_numbers_of_type();
      const auto type = extensions_.find(name);
      if (type == extensions_.end() && !types_.contains(name)) {
        AnswerFile(nullptr, "type", name, response);
        break;
      }
      auto& answer = *response.mutable_all_extension_numbers_response();
      answer.set_base_type_name(name);
      if (type == extensions_.end()) break;
      for (const auto& [number, file] : type->second) answer.add_extension_number(number);
      break;
    }
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
