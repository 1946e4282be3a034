// `akin tokenize`: what the model sees of a text.
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "akin/system.h"
#include "akin/tokenizer.h"

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/exit_status.h"
#include "cli/input_arguments.h"
#include "cli/json_writer.h"
#include "cli/line_reader.h"
#include "cli/model_access.h"
#include "cli/pull_progress.h"
#include "cli/strings.h"
#include "cli/terminal.h"
#include "cli/tokenize_answer.h"
#include "cli/tokenize_request.h"
#include "cli/utf8.h"

namespace akin::cli {
namespace {

struct TokenizeArguments {
  InputArguments input;
  std::string model;
  std::string tokenizer;
  int max_tokens = 0;
  bool no_special = false;
  bool json = false;
  bool quiet = false;
  bool ids = false;
  bool count = false;
  bool jsonl = false;

  EncodeOptions ToEncodeOptions() const {
    EncodeOptions options;
    options.add_special_tokens = !no_special;
    if (max_tokens > 0) {
      options.max_tokens = max_tokens;
    } else {
      options.truncation = Off{};
    }
    // What the model sees: Akin pads nothing, whatever tokenizer.json says.
    options.padding = Off{};
    options.with_offsets = !ids && !count;
    return options;
  }
};

Result<Tokenizer> LoadTokenizer(const TokenizeArguments& arguments) {
  if (!arguments.tokenizer.empty()) return Tokenizer::Load(arguments.tokenizer);
  const std::string_view model =
      arguments.model.empty() ? kDefaultModel : std::string_view(arguments.model);
  AKIN_TRY(PullIfMissing(model, arguments.quiet));
  AKIN_TRY_ASSIGN(const std::string folder, FindModel(model));
  return Tokenizer::Load(folder);
}

std::string IdsLine(const Encoding& encoding, char separator) {
  std::string out;
  for (int32_t id : encoding.ids) {
    if (!out.empty()) out += separator;
    out += StrCat(id);
  }
  return out;
}

std::string JsonLineOf(const std::string& id, const Encoding& encoding) {
  std::string offsets = "[";
  for (const auto& [begin, end] : encoding.offsets) {
    offsets += StrCat(offsets.size() > 1 ? "," : "", '[', begin, ',', end, ']');
  }
  return JsonObject()
             .AddRaw("id", id)
             .AddRaw("ids", StrCat('[', IdsLine(encoding, ','), ']'))
             .AddRaw("tokens", JsonStrings(encoding.tokens))
             .AddRaw("offsets", offsets + ']')
             .Add("truncated_tokens", encoding.truncated)
             .str() +
         '\n';
}

// The piece of `text` between two code points, whatever the offsets are.
std::string_view Slice(std::string_view text, const std::vector<size_t>& code_points,
                       std::pair<int32_t, int32_t> offsets) {
  const auto last = static_cast<int32_t>(code_points.size()) - 1;
  const auto begin = static_cast<size_t>(std::clamp(offsets.first, 0, last));
  const auto end = static_cast<size_t>(std::clamp(offsets.second, 0, last));
  if (end <= begin) return {};
  return text.substr(code_points[begin], code_points[end] - code_points[begin]);
}

// The text, and under it a line for every token.
std::string ForPeople(std::string_view text, const Encoding& encoding, const Style& style,
                      int width) {
  constexpr int kIdColumns = 8;
  constexpr int kOffsetColumns = 14;
  constexpr int kMostToken = 24;
  const std::vector<size_t> code_points = CodePointOffsets(text);
  std::string out = StrCat(style.Bold(FitToWidth(text, width)), '\n',
                           Counted(static_cast<int64_t>(encoding.ids.size()), "token"));
  if (encoding.truncated > 0) out += StrCat(", ", encoding.truncated, " more cut");
  out += StrCat(
      "\n",
      style.Dim(StrCat(PadToWidth("  id", 2 + kIdColumns), PadToWidth("offsets", kOffsetColumns),
                       PadToWidth("token", kMostToken + 2), "text")),
      '\n');
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const bool special = encoding.special_tokens_mask[i] != 0;
    const auto [begin, end] = encoding.offsets[i];
    const std::string_view piece =
        special ? std::string_view() : Slice(text, code_points, {begin, end});
    out += StrCat("  ", PadToWidth(StrCat(encoding.ids[i]), kIdColumns),
                  PadToWidth(special ? "-" : StrCat(begin, "..", end), kOffsetColumns),
                  PadToWidth(encoding.tokens[i], kMostToken), piece.empty() ? "" : "  ",
                  FitToWidth(piece, kMostToken), '\n');
  }
  return out;
}

class Printer {
 public:
  explicit Printer(const TokenizeArguments& arguments)
      : arguments_(arguments), style_(1), width_(TerminalWidth(1)) {}

  std::string Print(const std::string& text, const std::string& id, const Encoding& encoding) {
    if (arguments_.json) return JsonLineOf(id, encoding);
    if (arguments_.ids) return IdsLine(encoding, ' ') + '\n';
    if (arguments_.count) return StrCat(encoding.ids.size(), '\n');
    const std::string between = first_ ? "" : "\n";
    first_ = false;
    return between + ForPeople(text, encoding, style_, width_);
  }

 private:
  const TokenizeArguments& arguments_;
  const Style style_;
  const int width_;
  bool first_ = true;
};

Status CheckShape(const Encoding& encoding, const EncodeOptions& options) {
  const size_t n = encoding.ids.size();
  if (!options.with_offsets || (encoding.tokens.size() == n && encoding.offsets.size() == n &&
                                encoding.special_tokens_mask.size() == n)) {
    return {};
  }
  return MakeError(ErrorCode::kInternal, "the tokenizer gave fewer offsets than tokens");
}

// Requests from a program, one a line, until the input ends. What is answered is written as soon as
// no further request is there, so that a caller may wait for each answer.
VerbResult ServeRequests(const TokenizeArguments& arguments) {
  if (!arguments.input.texts.empty()) {
    return InvalidInput(
        "--jsonl reads requests from standard input or --input, not from arguments");
  }
  if (!arguments.input.file.format.empty() || !arguments.input.file.field.empty()) {
    return InvalidInput("--jsonl reads requests, which are JSON lines with fields of their own: ",
                        arguments.input.file.format.empty() ? "--field is" : "--input-format is",
                        " for texts");
  }
  if (arguments.no_special || arguments.max_tokens > 0) {
    return InvalidInput(
        "with --jsonl each request has its own \"add_special_tokens\" and "
        "\"truncation\": --no-special and --max-tokens are for texts");
  }
  AKIN_TRY_ASSIGN(const Tokenizer tokenizer, LoadTokenizer(arguments));
  FileDescriptor file;
  const std::string& input = arguments.input.file.input;
  const bool is_file = !input.empty() && input != "-";
  if (is_file) {
    AKIN_TRY_ASSIGN(file, OpenInput(input));
  }
  LineReader reader(is_file ? file.get() : STDIN_FILENO, is_file ? input : "standard input",
                    nullptr);
  TokenizeRequestParser parser;
  constexpr size_t kMostWaiting = size_t{1} << 20;
  std::string answers;
  for (std::string_view line;;) {
    if (!answers.empty() && (!reader.has_line() || answers.size() > kMostWaiting)) {
      AKIN_TRY(WriteToStdout(answers));
      answers.clear();
    }
    AKIN_TRY_ASSIGN(const LineReader::Event event, reader.Next(line, false));
    if (event == LineReader::Event::kEnd) return kSuccess;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    AppendAnswer(tokenizer, parser.Parse(line, reader.readable_past_line()), answers);
    answers += '\n';
  }
}

VerbResult Tokenize(const TokenizeArguments& arguments) {
  if (arguments.json + arguments.ids + arguments.count + arguments.jsonl > 1) {
    return InvalidInput("only one of --json, --jsonl, --ids and --count can be given");
  }
  if (arguments.jsonl) return ServeRequests(arguments);
  AKIN_TRY_ASSIGN(auto source,
                  arguments.input.Open("tokenize", arguments.json || arguments.quiet, nullptr));
  AKIN_TRY_ASSIGN(const Tokenizer tokenizer, LoadTokenizer(arguments));
  const EncodeOptions options = arguments.ToEncodeOptions();
  Printer printer(arguments);
  while (true) {
    AKIN_TRY_ASSIGN(const TextChunk chunk, source->Next({}));
    if (chunk.texts.empty()) break;
    std::string out;
    for (size_t i = 0; i < chunk.texts.size(); ++i) {
      const auto encoding = tokenizer.Encode(chunk.texts[i], options);
      if (!encoding) {
        return MakeError(encoding.error().code(), source->NameOf(chunk.places[i]), ": ",
                         encoding.error().message());
      }
      AKIN_TRY(CheckShape(*encoding, options));
      out += printer.Print(chunk.texts[i], chunk.ids[i], *encoding);
    }
    AKIN_TRY(WriteToStdout(out));
  }
  arguments.input.SayIfJson(*source, arguments.json || arguments.quiet);
  return kSuccess;
}

constexpr char kExamples[] =
    "  akin tokenize 'Unbelievable umbrellas.'\n"
    "  akin tokenize --count < lines.txt\n"
    "  akin tokenize --ids --max-tokens 128 --input texts.jsonl\n"
    "  akin tokenize --tokenizer model/tokenizer.json --json 'A text.'\n"
    "  akin tokenize --tokenizer model/tokenizer.json --jsonl < requests.jsonl\n";

}  // namespace

void AddTokenizeCommand(CLI::App& app, Verbs& verbs) {
  CLI::App& verb = AddVerb(app, "tokenize", "Show the tokens of texts", kExamples);
  auto arguments = std::make_shared<TokenizeArguments>();
  arguments->input.AddTo(verb);
  auto* model = AddModelOption(verb, arguments->model);
  verb.add_option("--tokenizer", arguments->tokenizer,
                  "A tokenizer.json, or a folder with one, instead of a model")
      ->type_name("FILE")
      ->excludes(model);
  verb.add_option("--max-tokens", arguments->max_tokens,
                  "Cut to N tokens, special tokens included (default: not cut)")
      ->type_name("N")
      ->check(Between(1, 1 << 20));
  verb.add_flag("--no-special", arguments->no_special, "Without [CLS], [SEP] and their like");
  verb.add_flag("--json", arguments->json, "One object a text: ids, tokens, offsets");
  verb.add_flag("--jsonl", arguments->jsonl,
                "Answer requests, JSON lines on standard input (docs/tokenizer.md)");
  verb.add_flag("--ids", arguments->ids, "Only the ids, one text a line");
  verb.add_flag("--count", arguments->count, "Only the number of tokens, one text a line");
  AddQuietOption(verb, arguments->quiet);
  DescribeVariables(verb);
  verbs[&verb] = [arguments] { return Tokenize(*arguments); };
}

}  // namespace akin::cli
