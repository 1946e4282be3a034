#include "cli/remote_arguments.h"

#include "cli/command.h"
#include "cli/option_value.h"

namespace akin::cli {
void RemoteArguments::AddTo(CLI::App& verb) {
  verb.add_option("--url", url, "Server that runs the model: http://HOST:PORT")
      ->type_name("URL")
      ->group(kGroup);
  verb.add_option("--dialect", dialect, "How it is asked (default: openai)")
      ->type_name("{openai,tei}")
      ->group(kGroup);
  verb.add_option("--remote-api-key", api_key,
                  "Its key; better in the environment, as AKIN_REMOTE_API_KEY")
      ->type_name("KEY")
      ->group(kGroup);
  verb.add_option("--remote-model", model, "What it calls the model (default: the folder's name)")
      ->type_name("NAME")
      ->group(kGroup);
  verb.add_option("--remote-connections", connections, "Requests under way at once")
      ->type_name("N")
      ->check(Between(1, 256))
      ->group(kGroup);
  verb.add_option("--remote-batch-texts", batch_texts, "Texts in one request to it")
      ->type_name("N")
      ->check(Between(1, 1 << 20))
      ->group(kGroup);
  verb.add_option("--remote-retries", retries, "After failures that may pass")
      ->type_name("N")
      ->check(Between(0, 100))
      ->group(kGroup);
  verb.add_option("--remote-timeout", timeout, "For one batch, with all its retries")
      ->type_name("SECONDS")
      ->check(Between(0.001, 86'400.0))
      ->group(kGroup);
}

Result<RemoteOptions> RemoteArguments::ToOptions() const {
  RemoteOptions options{.url = url,
                        .api_key = api_key,
                        .model = model,
                        .max_connections = connections,
                        .batch_texts = batch_texts,
                        .timeout_ms = static_cast<int>(timeout * 1e3),
                        .max_retries = retries};
  AKIN_TRY_ASSIGN(options.dialect, ValueOf("--dialect", ParseRemoteDialect(dialect)));
  return options;
}

}  // namespace akin::cli
