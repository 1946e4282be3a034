// /tokenize and /decode.
#include <algorithm>
#include <utility>

#include "server/answer_size.h"
#include "server/api/options.h"
#include "server/api/tei.h"
#include "server/api/vectors.h"
#include "server/json_writer.h"
#include "server/text.h"

namespace akin::server {
namespace {

// Offsets count code points; special tokens have none.
void AppendTokens(std::string& out, const akin::Encoding& encoding) {
  AppendJsonArray(out, encoding.ids.size(), [&](size_t i) {
    const bool special = encoding.special_tokens_mask[i] != 0;
    JsonObject token(out);
    token.Add("id", static_cast<int64_t>(encoding.ids[i]))
        .Add("text", encoding.tokens[i])
        .Add("special", special);
    if (special) {
      token.AddNull("start").AddNull("stop");
    } else {
      token.Add("start", static_cast<int64_t>(encoding.offsets[i].first))
          .Add("stop", static_cast<int64_t>(encoding.offsets[i].second));
    }
  });
}

// Of one answer.
class Room {
 public:
  explicit Room(AnswerBudget::SharePtr share) : share_(std::move(share)) {}
  // For so many bytes in all.
  Status UpTo(int64_t bytes) {
    const int64_t more = bytes - reserved_;
    if (more <= 0) return {};
    AKIN_TRY(share_->Reserve(more));
    reserved_ = bytes;
    return {};
  }

 private:
  const AnswerBudget::SharePtr share_;
  int64_t reserved_ = 0;
};

// Work on a tokenizer goes through the queue like other work: it is counted, bounded, fair, and off
// the event loop.
struct TokenizerWork {
  std::string model;
  size_t texts = 0;
  int64_t bytes = 0;         // Go in,
  int64_t answer_bytes = 0;  // and about so many come out.
};
void OnTokenizer(App& app, const ExchangePtr& exchange, const TokenizerWork& about,
                 std::function<Result<HttpResponse>(const ServedModel&, Room&)> use) {
  if (auto failure = CheckHeaders(*exchange)) return app.Fail(exchange, *std::move(failure));
  app.WithModel(
      exchange, about.model,
      [&app, exchange, texts = about.texts, bytes = about.bytes, answer_bytes = about.answer_bytes,
       use = std::move(use)](const ServedModelPtr& model) {
        auto work = [&app, exchange, model, answer_bytes, use] {
          Room room(exchange->share);
          if (const Status status = room.UpTo(answer_bytes); !status)
            return app.Fail(exchange, FailureOf(status.error()));
          Result<HttpResponse> response = use(*model, room);
          if (!response) return app.Fail(exchange, FailureOf(response.error()));
          exchange->Respond(*std::move(response));
        };
        const auto ticket =
            app.scheduler().Submit(WorkRequest{.work = std::move(work),
                                               .estimated_tokens = CostOfTokenizing(bytes),
                                               .terms = TermsOf(app, *exchange, texts),
                                               .bytes = bytes},
                                   [&app, exchange](const Status& status) {
                                     if (!status) app.Fail(exchange, FailureOf(status.error()));
                                   });
        if (!ticket) return app.Fail(exchange, FailureOf(ticket.error()));
        exchange->departure.OnLeave([&app, id = *ticket] { app.scheduler().Cancel(id); });
      });
}

}  // namespace

void TokenizeTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(auto texts, body.StringOrStrings("inputs"));
    if (!texts) return InvalidField("inputs", " is missing");
    AKIN_TRY_ASSIGN(const std::string name, ReadModel(body));
    AKIN_TRY_ASSIGN(const auto add_special_tokens, body.Bool("add_special_tokens"));
    AKIN_TRY_ASSIGN(const auto prompt_name, body.String("prompt_name"));
    if (texts->empty()) {
      app.Fail(exchange, Problem::kEmpty, "`inputs` cannot be empty");
      return {};
    }
    if (texts->size() > app.options().max_client_batch_size) {
      app.Fail(exchange, Problem::kTooManyTexts,
               StrCat("batch size ", texts->size(), " > maximum allowed batch size ",
                      app.options().max_client_batch_size));
      return {};
    }
    const EncodeOptions options{.add_special_tokens = add_special_tokens.value_or(true),
                                .with_offsets = true,
                                .truncation = Off{},
                                .padding = Off{}};
    exchange->tally->Begin(body.IsArray("inputs"));
    const size_t num_texts = texts->size();
    const int64_t bytes = TotalBytes(*texts);
    const int64_t tokens = TokensOfBytes(bytes) + 2 * static_cast<int64_t>(num_texts);
    OnTokenizer(
        app, exchange, {name, num_texts, bytes, tokens * kBytesOfToken},
        [texts = std::move(*texts), options, prompt_name = prompt_name.value_or("")](
            const ServedModel& model, Room& room) -> Result<HttpResponse> {
          AKIN_TRY_ASSIGN(const std::string_view prompt, PromptOf(model.info(), prompt_name));
          HttpResponse response;
          Status status;
          AppendJsonArray(response.body, texts.size(), [&](size_t i) {
            if (!status) return;
            const auto encoding = model.tokenizer().Encode(StrCat(prompt, texts[i]), options);
            if (!encoding) {
              status = encoding.error();
              return;
            }
            // Texts may have more tokens than was guessed: one a character, say.
            const auto count = static_cast<int64_t>(encoding->ids.size());
            status = room.UpTo(static_cast<int64_t>(response.body.size()) + count * kBytesOfToken);
            if (status) AppendTokens(response.body, *encoding);
          });
          AKIN_TRY(std::move(status));
          return response;
        });
    return {};
  });
}

void DecodeTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    bool is_list = false;
    AKIN_TRY_ASSIGN(auto ids, body.Ids("ids", is_list));
    if (!ids) return InvalidField("ids", " is missing");
    AKIN_TRY_ASSIGN(const std::string name, ReadModel(body));
    AKIN_TRY_ASSIGN(const auto skip, body.Bool("skip_special_tokens"));
    if (ids->empty()) {
      app.Fail(exchange, Problem::kEmpty, "`ids` cannot be empty");
      return {};
    }
    exchange->tally->Begin(is_list);
    const size_t num_lists = ids->size();
    int64_t count = 0;
    for (const auto& list : *ids) count += static_cast<int64_t>(list.size());
    OnTokenizer(app, exchange, {name, num_lists, 4 * count, 8 * count},
                [ids = std::move(*ids), skip = skip.value_or(true)](
                    const ServedModel& model, Room& room) -> Result<HttpResponse> {
                  HttpResponse response;
                  Status status;
                  AppendJsonArray(response.body, ids.size(), [&](size_t i) {
                    if (!status) return;
                    status = room.UpTo(static_cast<int64_t>(response.body.size()) +
                                       BytesOfIds(model.tokenizer(), ids[i]));
                    if (!status) return;
                    const auto text = model.tokenizer().Decode(ids[i], skip);
                    if (!text) status = text.error();
                    if (!status) return;
                    response.body.reserve(response.body.size() + text->size() + kBytesOfToken);
                    AppendJsonString(response.body, *text);
                  });
                  AKIN_TRY(std::move(status));
                  return response;
                });
    return {};
  });
}

}  // namespace akin::server
