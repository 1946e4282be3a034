#include "server/api/failure.h"

#include <algorithm>
#include <utility>

#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

// One row a problem: the status in each dialect, and the names that OpenAI's and TEI's clients
// match on. The sources are the dialects' own documents; TEI's framework answers bad JSON, a wrong
// type, a missing content type and a body that is too large with plain text.
struct Row {
  Problem problem;
  int openai, tei, cohere, ollama, akidb;
  std::string_view openai_type, openai_code, tei_type, kind;
};

constexpr std::string_view kInvalid = "invalid_request_error";
constexpr std::string_view kServer = "server_error";

constexpr Row kRows[] = {
    {Problem::kBadJson, 400, 400, 400, 400, 400, kInvalid, "", "", "validation"},
    {Problem::kBadShape, 400, 422, 400, 400, 422, kInvalid, "", "", "validation"},
    {Problem::kBadValue, 400, 422, 400, 400, 400, kInvalid, "", "Validation", "validation"},
    {Problem::kBadHeader, 400, 400, 400, 400, 400, kInvalid, "", "Validation", "validation"},
    {Problem::kEmpty, 400, 400, 400, 400, 400, kInvalid, "", "Empty", "validation"},
    {Problem::kTooManyTexts, 400, 422, 400, 400, 400, kInvalid, "", "Validation", "batch_size"},
    {Problem::kTooLong, 400, 422, 400, 400, 400, kInvalid, "context_length_exceeded", "Validation",
     "validation"},
    {Problem::kWrongTask, 400, 424, 400, 400, 400, kInvalid, "", "Backend", "model_type"},
    {Problem::kUnknownModel, 404, 404, 404, 404, 404, "not_found_error", "model_not_found",
     "Validation", "validation"},
    {Problem::kModelFailed, 500, 503, 500, 500, 500, kServer, "", "Unhealthy", "inference"},
    {Problem::kNoKey, 401, 401, 401, 401, 401, "authentication_error", "invalid_api_key", "", ""},
    {Problem::kForeignPage, 403, 403, 403, 403, 403, kInvalid, "", "", ""},
    {Problem::kNoRoute, 404, 404, 404, 404, 404, kInvalid, "", "", ""},
    {Problem::kWrongMethod, 405, 405, 405, 405, 405, kInvalid, "", "", ""},
    {Problem::kMediaType, 415, 415, 415, 415, 415, kInvalid, "", "", ""},
    {Problem::kBodyTooLarge, 413, 413, 413, 413, 413, kInvalid, "", "", ""},
    {Problem::kSlowBody, 408, 408, 408, 408, 408, kInvalid, "", "", ""},
    {Problem::kBadBody, 400, 400, 400, 400, 400, kInvalid, "", "", ""},
    {Problem::kOverloaded, 429, 429, 429, 429, 429, "rate_limit_error", "rate_limit_exceeded",
     "Overloaded", "overloaded"},
    {Problem::kAnswersFull, 429, 429, 429, 429, 429, "rate_limit_error", "rate_limit_exceeded",
     "Overloaded", "answer_memory"},
    {Problem::kUnavailable, 503, 503, 503, 503, 503, kServer, "", "Unhealthy", "overloaded"},
    {Problem::kDeadline, 504, 504, 504, 504, 504, kServer, "", "Backend", "dropped"},
    {Problem::kCancelled, 499, 499, 499, 499, 499, kServer, "", "Backend", "dropped"},
    {Problem::kInternal, 500, 424, 500, 500, 500, kServer, "", "Backend", "inference"},
};

// What requests call otherwise than the library does.
constexpr std::pair<std::string_view, std::string_view> kRenamed[] = {{"texts", "input"}};

const Row& RowOf(Problem problem) { return kRows[static_cast<size_t>(problem)]; }

constexpr bool RowsAreInOrder() {
  for (size_t i = 0; i < std::size(kRows); ++i) {
    if (kRows[i].problem != static_cast<Problem>(i)) return false;
  }
  return std::size(kRows) == static_cast<size_t>(Problem::kInternal) + 1;
}
static_assert(RowsAreInOrder());

int StatusOf(Dialect dialect, const Row& row) {
  switch (dialect) {
    case Dialect::kOpenAi: return row.openai;
    case Dialect::kTei: return row.tei;
    case Dialect::kCohere: return row.cohere;
    case Dialect::kOllama: return row.ollama;
    case Dialect::kAkiDb: return row.akidb;
    case Dialect::kPlain: return row.openai;
  }
  return row.openai;
}

// The field that is wrong, for OpenAI's routes.
std::string_view ParamOf(const Failure& failure) {
  if (failure.problem == Problem::kUnknownModel || failure.problem == Problem::kModelFailed)
    return "model";
  for (const auto& [field, param] : kRenamed) {
    if (failure.param == field) return param;
  }
  return failure.param;
}

std::string OpenAiBody(const Row& row, std::string_view message, std::string_view param) {
  std::string body;
  JsonObject outer(body);
  JsonObject error(outer.Key("error"));
  error.Add("message", message).Add("type", row.openai_type);
  param.empty() ? error.AddNull("param") : error.Add("param", param);
  row.openai_code.empty() ? error.AddNull("code") : error.Add("code", row.openai_code);
  error.Close();
  outer.Close();
  return body;
}

// The words that each dialect's clients look for.
std::string MessageOf(Dialect dialect, const Failure& failure) {
  if (failure.problem != Problem::kTooLong) return failure.message;
  const auto [tokens, limit] = failure.too_many_tokens;
  switch (dialect) {
    case Dialect::kTei:
      return StrCat("Input validation error: `inputs` must have less than ", limit,
                    " tokens. Given: ", tokens);
    case Dialect::kOpenAi:
      return StrCat("This model's maximum context length is ", limit,
                    " tokens, however you requested ", tokens, " tokens");
    case Dialect::kOllama: return "the input length exceeds the context length";
    default: return failure.message;
  }
}

std::string OneMember(std::string_view key, std::string_view message) {
  std::string body;
  JsonObject(body).Add(key, message);
  return body;
}

}  // namespace

HttpResponse FailureResponse(Dialect dialect, const Failure& failure) {
  const Row& row = RowOf(failure.problem);
  HttpResponse response{.status = StatusOf(dialect, row)};
  const std::string message = MessageOf(dialect, failure);
  const auto plain = [&] {
    response.content_type = "text/plain";
    response.body = message;
  };
  switch (dialect) {
    case Dialect::kOpenAi: response.body = OpenAiBody(row, message, ParamOf(failure)); break;
    case Dialect::kTei:
      if (failure.problem == Problem::kNoKey) break;  // An empty body.
      if (row.tei_type.empty()) {
        plain();
      } else {
        JsonObject(response.body).Add("error", message).Add("error_type", row.tei_type);
      }
      break;
    case Dialect::kCohere: response.body = OneMember("message", message); break;
    case Dialect::kOllama: response.body = OneMember("error", message); break;
    case Dialect::kAkiDb:
    case Dialect::kPlain: plain(); break;
  }
  if (failure.problem == Problem::kNoKey) {
    response.headers.push_back({"www-authenticate", "Bearer"});
  }
  if (MayAskAgain(failure.problem)) {
    response.headers.push_back(
        {"retry-after", std::to_string(std::max(1, failure.retry_after_seconds))});
  }
  return response;
}

bool IsOverload(Problem problem) {
  return problem == Problem::kOverloaded || problem == Problem::kAnswersFull;
}

bool MayAskAgain(Problem problem) {
  return IsOverload(problem) || problem == Problem::kUnavailable;
}

FullBound BoundOf(const Failure& failure) {
  if (failure.problem == Problem::kAnswersFull) return {"answers", "--answer-memory"};
  if (failure.full == "max_requests") return {"requests", "--max-concurrent-requests"};
  if (failure.full == "max_tokens") return {"tokens", "--max-queue-tokens"};
  if (failure.full == "max_bytes") return {"bytes", "--queue-memory"};
  return {};
}

bool IsFault(Problem problem) { return RowOf(problem).openai >= 500; }

std::string_view FailureKind(Problem problem) { return RowOf(problem).kind; }

Failure FailureOf(const Error& error) {
  const auto problem = [&] {
    switch (error.code()) {
      case ErrorCode::kCancelled: return Problem::kCancelled;
      case ErrorCode::kInvalidInput:
        return error.too_many_tokens() ? Problem::kTooLong : Problem::kBadValue;
      case ErrorCode::kDeadlineExceeded: return Problem::kDeadline;
      case ErrorCode::kModelNotFound: return Problem::kUnknownModel;
      case ErrorCode::kOverloaded: return Problem::kOverloaded;
      case ErrorCode::kInvalidModel: return Problem::kModelFailed;
      case ErrorCode::kUnsupportedModel: return Problem::kWrongTask;
      case ErrorCode::kServiceUnavailable: return Problem::kUnavailable;
      case ErrorCode::kInternal: return Problem::kInternal;
    }
    return Problem::kInternal;
  }();
  Failure failure{.problem = problem, .message = error.message()};
  if (error.code() == ErrorCode::kInvalidInput) failure.param = error.field();
  if (error.code() == ErrorCode::kOverloaded) failure.full = error.field();
  if (error.too_many_tokens()) failure.too_many_tokens = *error.too_many_tokens();
  return failure;
}

}  // namespace akin::server
