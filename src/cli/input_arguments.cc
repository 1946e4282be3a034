#include "cli/input_arguments.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>

#include "cli/command.h"
#include "cli/output_file.h"
#include "cli/strings.h"
#include "cli/terminal.h"

namespace akin::cli {
namespace {

constexpr char kPlain[] = "txt", kJson[] = "jsonl";

bool IsFile(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

// ".txt" is that of "TEXTS.TXT".
bool EndsIn(std::string_view name, std::string_view ending) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return name.size() >= ending.size() &&
         std::ranges::equal(name.substr(name.size() - ending.size()), ending, same);
}

LineFormat FormatOfName(const std::string& input) {
  return input.empty() || EndsIn(input, ".txt") ? LineFormat::kPlain : LineFormat::kJson;
}

// How texts are named in an error that says why a line of them has no fields.
std::string PlainName(const std::string& input) {
  return input.empty() ? "standard input" : input == "-" ? "standard input (-)" : input;
}

// What an error about lines that are no JSON ends with.
std::string JsonHint(const FileArguments& file, const SourceOptions& options) {
  const bool is_pair = !options.second_field.empty();
  std::string hint = StrCat(PlainName(file.input), " is read as JSON lines");
  if (!file.format.empty()) hint += " (--input-format jsonl)";
  if (EndsIn(file.input, ".csv") || EndsIn(file.input, ".tsv")) {
    hint += StrCat(", and columns are not read: make each row a line {\"", options.field, "\": ...",
                   is_pair ? StrCat(", \"", options.second_field, "\": ...}") : "}");
    return is_pair ? hint : hint + ", or save the texts alone as .txt";
  }
  return is_pair ? hint : hint + "; --input-format txt reads a text a line";
}

}  // namespace

void FileArguments::AddTo(CLI::App& verb, std::string_view without,
                          std::string_view default_field) {
  verb.add_option("-i,--input", input,
                  StrCat("File of texts: a text a line of a .txt, JSON lines of any other; - is "
                         "standard input, of JSON lines",
                         without.empty() ? "" : StrCat(" (default: ", without, ")")))
      ->type_name("FILE");
  verb.add_option("--input-format", format,
                  "How the input is read, whatever its name is: a text a line, or JSON lines "
                  "(default: by its ending)")
      ->type_name(Choices({kPlain, kJson}));
  verb.add_option("--field", field,
                  StrCat("Field of a JSON line that holds the text (default: ", default_field, ")"))
      ->type_name("NAME");
}

Result<SourceOptions> FileArguments::ToSource() const {
  SourceOptions options;
  options.input = input;
  options.format = FormatOfName(input);
  if (format == kPlain) {
    options.format = LineFormat::kPlain;
  } else if (format == kJson) {
    options.format = LineFormat::kJson;
  } else if (!format.empty()) {
    return InvalidInput("--input-format: \"", format, "\" is none of ", kPlain, ", ", kJson);
  }
  if (!field.empty()) {
    if (options.format == LineFormat::kPlain)
      return InvalidInput("--field ", field, " is of JSON lines, and ", PlainName(input),
                          " is read as a text a line; --input-format jsonl reads JSON lines");
    options.field = field;
  }
  return options;
}

Result<std::vector<std::string>> FileArguments::ReadAll(size_t max_texts) const {
  if (input.empty()) {
    if (format.empty() && field.empty()) return std::vector<std::string>();
    return InvalidInput(format.empty() ? "--field" : "--input-format",
                        " says how a file is read, and none is named: --input FILE");
  }
  AKIN_TRY_ASSIGN(SourceOptions options, ToSource());
  options.json_hint = JsonHint(*this, options);
  AKIN_TRY_ASSIGN(auto source, OpenTextSource(std::move(options), nullptr));
  AKIN_TRY_ASSIGN(TextChunk all, ReadAllTexts(*source, max_texts));
  if (all.texts.empty()) return InvalidInput(input, ": holds no text");
  return std::move(all.texts);
}

void InputArguments::AddTo(CLI::App& verb) {
  // A callback gets the texts as they are: CLI11's own conversion takes "{}" for an empty list.
  const auto take = [this](const CLI::results_t& given) {
    texts = given;
    return true;
  };
  verb.add_option("TEXT", take, "Texts; without any, lines of standard input, a text each")
      ->type_name("")
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args();
  file.AddTo(verb, "", default_field);
  verb.add_flag("--skip-empty", skip_empty, "Leave empty texts out");
}

Result<std::unique_ptr<TextSource>> InputArguments::Open(std::string_view verb, bool quiet,
                                                         const StopSignal* stop) const {
  if (!texts.empty()) {
    if (!file.input.empty())
      return InvalidInput("texts come from arguments or from --input, not from both");
    if (!file.format.empty() || !file.field.empty())
      return InvalidInput(file.format.empty() ? "--field" : "--input-format",
                          " says how lines are read, and the texts are arguments here");
  }
  AKIN_TRY_ASSIGN(SourceOptions options, file.ToSource());
  options.texts = texts;
  options.skip_empty = skip_empty;
  if (file.field.empty()) options.field = default_field;
  options.second_field = second_field;
  if (options.format == LineFormat::kJson) {
    options.json_hint = JsonHint(file, options);
  } else if (!second_field.empty() && texts.empty()) {
    return InvalidInput(PlainName(file.input),
                        " is read as a text a line, and a pair is two: ", "JSON lines have \"",
                        options.field, "\" and \"", second_field, '"');
  }
  if (texts.size() == 1 && !quiet && IsFile(texts[0])) {
    SayOnStderr(StrCat("note: ", texts[0], " is a file, and its name is the text here; --input ",
                       "reads its lines"));
  }
  const bool from_stdin = texts.empty() && (file.input.empty() || file.input == "-");
  if (from_stdin && !quiet && IsTerminal(STDIN_FILENO)) {
    SayOnStderr(StrCat("reading ", options.format == LineFormat::kPlain ? "one text" : "JSON,",
                       " a line from the terminal; Ctrl-D ends (akin ", verb,
                       " --help shows other ways)"));
  }
  return OpenTextSource(std::move(options), stop);
}

void InputArguments::SayIfJson(const TextSource& read, bool quiet) const {
  if (quiet || !file.format.empty() || !read.looked_like_json()) return;
  SayOnStderr(StrCat("note: ", PlainName(file.input),
                     " has lines of JSON, each of which was a text; ",
                     "--input-format jsonl reads the texts in them"));
}

Status InputArguments::CheckOutput(std::string_view option, const std::string& path) const {
  if (!texts.empty()) return {};
  return CheckDistinct({"--input", file.input, STDIN_FILENO}, {option, path, STDOUT_FILENO});
}

}  // namespace akin::cli
