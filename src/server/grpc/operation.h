// Operations on messages of protobuf as operations on their bytes.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/grpc/method.h"
#include "server/text.h"

namespace akin::server {

template <typename Response>
using CallDone = std::function<void(GrpcStatus, Response)>;

inline GrpcStatus UnreadableStatus(const google::protobuf::MessageLite& message) {
  return {GrpcCode::kInvalidArgument,
          StrCat("the message cannot be read as a ", message.GetTypeName())};
}

template <typename Response>
CallDone<Response> Into(ReplyPtr reply) {
  return [reply = std::move(reply)](const GrpcStatus& status, const Response& response) {
    status.ok() ? reply->Answer(response) : reply->Fail(status);
  };
}

// Of one message.
template <typename Request, typename Response, typename Operate>
auto OperationOf(Operate operate) {
  return [operate = std::move(operate)](const CallInfo& info, std::span<const std::string> messages,
                                        ReplyPtr reply) {
    Request request;
    if (!request.ParseFromString(messages[0])) return reply->Fail(UnreadableStatus(request));
    operate(info, request, Into<Response>(std::move(reply)));
  };
}

// Of all that have come.
template <typename Request, typename Response, typename Operate>
auto GatheringOperationOf(Operate operate) {
  return [operate = std::move(operate)](const CallInfo& info, std::span<const std::string> messages,
                                        ReplyPtr reply) {
    std::vector<Request> requests(messages.size());
    for (size_t i = 0; i < messages.size(); ++i) {
      if (!requests[i].ParseFromString(messages[i]))
        return reply->Fail(UnreadableStatus(requests[i]));
    }
    operate(info, requests, Into<Response>(std::move(reply)));
  };
}

}  // namespace akin::server
