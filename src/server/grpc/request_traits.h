// Requests that cannot be read. gRPC's callback interface answers such a call with UNIMPLEMENTED
// and no text, and takes such a message of a stream for the stream's end: texts would be missing
// without a word. So reading never fails here; a message that cannot be read comes as an empty one
// with a mark, and its call says what is wrong.
//
// To be included wherever the code that protoc makes for gRPC is compiled, that of the services
// (CMakeLists.txt) and what uses it: it specializes the template by which that code reads.
#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>
#if __has_include(<grpcpp/impl/proto_utils.h>)
#include <grpcpp/impl/proto_utils.h>
#else
#include <grpcpp/impl/codegen/proto_utils.h>
#endif

#include <type_traits>

#include "akidb/embedding/v1/embedding.pb.h"
#include "tei/v1/tei.pb.h"

namespace akin::server {

// The last number that a field may have; none of our messages uses it. A client that sends it is
// told that its message cannot be read.
constexpr int kUnreadableMark = 536'870'911;

template <typename Message>
bool IsUnreadable(const Message& message) {
  const auto& fields = message.GetReflection()->GetUnknownFields(message);
  for (int i = 0; i < fields.field_count(); ++i) {
    if (fields.field(i).number() == kUnreadableMark) return true;
  }
  return false;
}

template <typename Message>
grpc::Status UnreadableStatus() {
  return {grpc::StatusCode::INVALID_ARGUMENT,
          "the message cannot be read as a " + Message::descriptor()->full_name()};
}

template <typename Message>
struct MarkingTraits {
  static grpc::Status Serialize(const Message& message, grpc::ByteBuffer* buffer, bool* own) {
    return grpc::GenericSerialize<grpc::ProtoBufferWriter, Message>(message, buffer, own);
  }
  static grpc::Status Deserialize(grpc::ByteBuffer* buffer, Message* message) {
    const grpc::Status status =
        grpc::GenericDeserialize<grpc::ProtoBufferReader, Message>(buffer, message);
    if (status.ok()) return status;
    message->Clear();
    message->GetReflection()->MutableUnknownFields(message)->AddVarint(kUnreadableMark, 1);
    return grpc::Status::OK;
  }
};

// Whether code that includes this reads a Request so; those of all calls are listed below.
template <typename Request>
constexpr bool kIsMarked =
    std::is_base_of_v<MarkingTraits<Request>, grpc::SerializationTraits<Request>>;

}  // namespace akin::server

namespace grpc {

template <>
class SerializationTraits<tei::v1::InfoRequest, void>
    : public akin::server::MarkingTraits<tei::v1::InfoRequest> {};
template <>
class SerializationTraits<tei::v1::EmbedRequest, void>
    : public akin::server::MarkingTraits<tei::v1::EmbedRequest> {};
template <>
class SerializationTraits<tei::v1::EmbedSparseRequest, void>
    : public akin::server::MarkingTraits<tei::v1::EmbedSparseRequest> {};
template <>
class SerializationTraits<tei::v1::EmbedAllRequest, void>
    : public akin::server::MarkingTraits<tei::v1::EmbedAllRequest> {};
template <>
class SerializationTraits<tei::v1::PredictRequest, void>
    : public akin::server::MarkingTraits<tei::v1::PredictRequest> {};
template <>
class SerializationTraits<tei::v1::PredictPairRequest, void>
    : public akin::server::MarkingTraits<tei::v1::PredictPairRequest> {};
template <>
class SerializationTraits<tei::v1::RerankRequest, void>
    : public akin::server::MarkingTraits<tei::v1::RerankRequest> {};
template <>
class SerializationTraits<tei::v1::RerankStreamRequest, void>
    : public akin::server::MarkingTraits<tei::v1::RerankStreamRequest> {};
template <>
class SerializationTraits<tei::v1::EncodeRequest, void>
    : public akin::server::MarkingTraits<tei::v1::EncodeRequest> {};
template <>
class SerializationTraits<tei::v1::DecodeRequest, void>
    : public akin::server::MarkingTraits<tei::v1::DecodeRequest> {};
template <>
class SerializationTraits<akidb::embedding::v1::EmbedRequest, void>
    : public akin::server::MarkingTraits<akidb::embedding::v1::EmbedRequest> {};
template <>
class SerializationTraits<akidb::embedding::v1::ModelInfoRequest, void>
    : public akin::server::MarkingTraits<akidb::embedding::v1::ModelInfoRequest> {};

}  // namespace grpc
