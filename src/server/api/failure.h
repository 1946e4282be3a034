// What can go wrong with a request, and how each dialect says it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "akin/result.h"

#include "server/http/message.h"

namespace akin::server {

// Whose clients a route is for: the shape of its answers and errors.
enum class Dialect { kOpenAi, kTei, kCohere, kOllama, kAkiDb, kPlain };

enum class Problem {
  kBadJson,    // Not JSON.
  kBadShape,   // JSON, but a field is missing or of another type.
  kBadValue,   // A field's value is out of range.
  kBadHeader,  // A header's value cannot be read.
  kEmpty,      // No text.
  kTooManyTexts,
  kTooLong,    // A text is longer than the limit and may not be cut.
  kWrongTask,  // The model cannot do this.
  kUnknownModel,
  kModelFailed,  // It cannot be loaded.
  kNoKey,        // Without a valid API key.
  kForeignPage,  // Of a page that reached us under a name that is not ours.
  kNoRoute,
  kWrongMethod,
  kMediaType,  // The body is no JSON.
  kBodyTooLarge,
  kSlowBody,
  kBadBody,
  kOverloaded,   // The queue is full,
  kAnswersFull,  // or the memory for answers.
  kUnavailable,  // Loading or draining.
  kDeadline,
  kCancelled,
  kInternal,
};

// Which bound an overload has met: as metrics have it ("bytes"), and the server's option, if it has
// one.
struct FullBound {
  std::string_view of, option;
};

struct Failure {
  Problem problem = Problem::kInternal;
  std::string message;
  std::string param;  // The field that is wrong, where the dialect has a place for it.
  int retry_after_seconds = 0;
  TooManyTokens too_many_tokens;  // kTooLong.
  std::string full;               // Of an overload: the option of SchedulerOptions without room.
};

// The answer in the dialect's words: status, body, Retry-After, WWW-Authenticate.
HttpResponse FailureResponse(Dialect dialect, const Failure& failure);

// Whether it is ours and not the client's, whatever status a dialect has for it.
bool IsFault(Problem problem);

// Whether it is so only for a while.
bool IsOverload(Problem problem);

FullBound BoundOf(const Failure& failure);

// Whether the client is told to ask again, and when.
bool MayAskAgain(Problem problem);

// The label of te_request_failure; empty for what never reaches a model.
std::string_view FailureKind(Problem problem);

// What an error of the library is to a client.
Failure FailureOf(const Error& error);

}  // namespace akin::server
