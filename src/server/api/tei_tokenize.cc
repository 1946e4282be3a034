// /tokenize and /decode.
#include <algorithm>
#include <utility>

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

// What `{"id":2054,"text":"word","special":false,"start":0,"stop":4},` takes, and the tokenizer's
// own while it is made.
constexpr int64_t kBytesOfToken = 128;

// Work on a tokenizer goes through the queue like other work: it is counted, bounded, fair, and off
// the event loop. `bytes` of texts go in.
void OnTokenizer(App& app, const ExchangePtr& exchange, int64_t bytes,
                 std::function<Result<HttpResponse>(const ServedModel&)> use) {
  app.WithModel(
      exchange, "", [&app, exchange, bytes, use = std::move(use)](const ServedModelPtr& model) {
        auto work = [&app, exchange, model, use] {
          Result<HttpResponse> response = use(*model);
          if (!response) return app.Fail(exchange, FailureOf(response.error()));
          exchange->Respond(*std::move(response));
        };
        const auto ticket = app.scheduler().Submit(
            WorkRequest{.work = std::move(work),
                        .estimated_tokens = CostOfTokenizing(bytes),
                        .terms = {.client = exchange->client,
                                  .deadline = exchange->who.begin + app.options().request_timeout}},
            [&app, exchange](const Status& status) {
              if (!status) app.Fail(exchange, FailureOf(status.error()));
            });
        if (!ticket) return app.Fail(exchange, FailureOf(ticket.error()));
        exchange->departure.OnLeave([&app, id = *ticket] { app.scheduler().Cancel(id); });
      });
}

int64_t TotalBytes(const std::vector<std::string>& texts) {
  int64_t bytes = 0;
  for (const std::string& text : texts) bytes += static_cast<int64_t>(text.size());
  return bytes;
}

}  // namespace

void TokenizeTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(auto texts, body.StringOrStrings("inputs"));
    if (!texts) return InvalidInput("`inputs` is missing");
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
    const int64_t bytes = TotalBytes(*texts);
    const int64_t tokens = TokensOfBytes(bytes) + 2 * static_cast<int64_t>(texts->size());
    if (!app.Reserve(exchange, tokens * kBytesOfToken)) return {};
    OnTokenizer(
        app, exchange, bytes,
        [texts = std::move(*texts), options,
         prompt_name = prompt_name.value_or("")](const ServedModel& model) -> Result<HttpResponse> {
          AKIN_TRY_ASSIGN(const std::string_view prompt, PromptOf(model.info(), prompt_name));
          HttpResponse response;
          Status status;
          AppendJsonArray(response.body, texts.size(), [&](size_t i) {
            const auto encoding = model.tokenizer().Encode(StrCat(prompt, texts[i]), options);
            if (encoding) return AppendTokens(response.body, *encoding);
            if (status) status = encoding.error();
          });
          AKIN_TRY(std::move(status));
          return response;
        });
    return {};
  });
}

void DecodeTei(App& app, const ExchangePtr& exchange) {
  WithBody(app, exchange, [&](const JsonRequest& body) -> Status {
    AKIN_TRY_ASSIGN(auto ids, body.Ids("ids"));
    if (!ids) return InvalidInput("`ids` is missing");
    AKIN_TRY_ASSIGN(const auto skip, body.Bool("skip_special_tokens"));
    if (ids->empty()) {
      app.Fail(exchange, Problem::kEmpty, "`ids` cannot be empty");
      return {};
    }
    int64_t count = 0;
    for (const auto& list : *ids) count += static_cast<int64_t>(list.size());
    if (!app.Reserve(exchange, 8 * count)) return {};
    OnTokenizer(app, exchange, 4 * count,
                [ids = std::move(*ids),
                 skip = skip.value_or(true)](const ServedModel& model) -> Result<HttpResponse> {
                  HttpResponse response;
                  Status status;
                  AppendJsonArray(response.body, ids.size(), [&](size_t i) {
                    const auto text = model.tokenizer().Decode(ids[i], skip);
                    AppendJsonString(response.body, text ? *text : std::string());
                    if (!text && status) status = text.error();
                  });
                  AKIN_TRY(std::move(status));
                  return response;
                });
    return {};
  });
}

}  // namespace akin::server
