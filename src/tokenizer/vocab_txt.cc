#include "tokenizer/vocab_txt.h"

#include <algorithm>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"
#include "formats/json.h"
#include "tokenizer/stage_table.h"

namespace akin::tokenizer {
namespace {

using formats::JsonDocument;
using formats::JsonValue;

constexpr std::string_view kConfigName = "tokenizer_config.json";
constexpr std::string_view kClasses[] = {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer",
                                         "MobileBertTokenizer"};

// What tokenizer_config.json may say, with the defaults of BertTokenizer.
struct BertConfig {
  bool do_lower_case = true;
  bool tokenize_chinese_chars = true;
  std::optional<bool> strip_accents;  // Unset: as do_lower_case.
  std::string unk_token = "[UNK]";
  std::string sep_token = "[SEP]";
  std::string pad_token = "[PAD]";
  std::string cls_token = "[CLS]";
  std::string mask_token = "[MASK]";
};

std::string JsonString(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.append({'\\', c});
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out.append("\\u00").append({kHex[c >> 4], kHex[c & 15]});
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string_view JsonBool(bool value) { return value ? "true" : "false"; }

Status ReadBool(const JsonValue& json, std::string_view key, bool& value) {
  const auto member = json.Find(key);
  if (!member || member->is_null()) return {};
  AKIN_TRY_ASSIGN(value, member->AsBool());
  return {};
}

// A special token is a string, or an object with its "content".
Status ReadToken(const JsonValue& json, std::string_view key, std::string& token) {
  const auto member = json.Find(key);
  if (!member || member->is_null()) return {};
  AKIN_TRY_ASSIGN(const std::string_view text,
                  member->is_object() ? GetString(*member, "content") : member->AsString());
  token = text;
  return {};
}

Status CheckClass(const JsonValue& json) {
  const auto member = json.Find("tokenizer_class");
  if (!member || member->is_null()) return {};
  AKIN_TRY_ASSIGN(std::string_view name, member->AsString());
  if (name.ends_with("Fast")) name.remove_suffix(4);
  if (std::ranges::find(kClasses, name) != std::end(kClasses)) return {};
  return UnsupportedModel(member->Where(), " is ", member->Found(),
                          ", which needs a tokenizer.json: a vocab.txt alone is read for BERT");
}

Result<BertConfig> ReadConfig(const std::optional<std::string>& text) {
  BertConfig config;
  if (!text) return config;
  AKIN_TRY_ASSIGN(
      const JsonDocument document,
      JsonDocument::Parse(*text, std::string(kConfigName), {.max_bytes = size_t{256} << 20}));
  const JsonValue root = document.root();
  AKIN_TRY(root.AsObject());
  AKIN_TRY(CheckClass(root));
  AKIN_TRY(ReadBool(root, "do_lower_case", config.do_lower_case));
  AKIN_TRY(ReadBool(root, "tokenize_chinese_chars", config.tokenize_chinese_chars));
  if (const auto strip = root.Find("strip_accents"); strip && !strip->is_null()) {
    AKIN_TRY_ASSIGN(config.strip_accents, strip->AsBool());
  }
  AKIN_TRY(ReadToken(root, "unk_token", config.unk_token));
  AKIN_TRY(ReadToken(root, "sep_token", config.sep_token));
  AKIN_TRY(ReadToken(root, "pad_token", config.pad_token));
  AKIN_TRY(ReadToken(root, "cls_token", config.cls_token));
  AKIN_TRY(ReadToken(root, "mask_token", config.mask_token));
  return config;
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// The id of a piece is its line; of a piece on two lines the last one counts.
std::optional<size_t> IdOf(const std::vector<std::string_view>& lines, std::string_view token) {
  const auto found = std::find(lines.rbegin(), lines.rend(), token);
  if (found == lines.rend()) return std::nullopt;
  return static_cast<size_t>(lines.rend() - found) - 1;
}

std::string VocabObject(const std::vector<std::string_view>& lines) {
  std::string out = "{";
  for (size_t i = 0; i < lines.size(); ++i) {
    out += StrCat(i == 0 ? "" : ",", JsonString(lines[i]), ":", i);
  }
  return out += '}';
}

std::string AddedTokens(const std::vector<std::string_view>& lines, const BertConfig& config) {
  std::string out = "[";
  for (const std::string* token : {&config.unk_token, &config.sep_token, &config.pad_token,
                                   &config.cls_token, &config.mask_token}) {
    const auto id = IdOf(lines, *token);
    if (!id) continue;  // A model without [MASK] has no use for it.
    out += StrCat(out.size() > 1 ? "," : "", R"({"id":)", *id, R"(,"content":)", JsonString(*token),
                  R"(,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,)",
                  R"("special":true})");
  }
  return out += ']';
}

std::string TokenAndId(std::string_view token, size_t id) {
  return StrCat('[', JsonString(token), ',', id, ']');
}

}  // namespace

Result<std::string> TokenizerJsonFromVocabTxt(std::string_view vocab,
                                              const std::optional<std::string>& config_text) {
  AKIN_TRY_ASSIGN(const BertConfig config, ReadConfig(config_text));
  if (const size_t valid = Utf8ValidUpTo(vocab); valid != vocab.size()) {
    return InvalidModel("vocab.txt: not UTF-8 at byte ", valid);
  }
  const std::vector<std::string_view> lines = Lines(vocab);
  const auto cls = IdOf(lines, config.cls_token), sep = IdOf(lines, config.sep_token);
  for (const std::string* token : {&config.unk_token, &config.cls_token, &config.sep_token}) {
    if (!IdOf(lines, *token)) return InvalidModel("vocab.txt: no line is ", *token);
  }
  const std::string strip_accents(config.strip_accents ? JsonBool(*config.strip_accents) : "null");
  return StrCat(
      R"({"version":"1.0","added_tokens":)", AddedTokens(lines, config),
      R"(,"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":)",
      JsonBool(config.tokenize_chinese_chars), R"(,"strip_accents":)", strip_accents,
      R"(,"lowercase":)", JsonBool(config.do_lower_case),
      R"(},"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"BertProcessing",)",
      R"("sep":)", TokenAndId(config.sep_token, *sep), R"(,"cls":)",
      TokenAndId(config.cls_token, *cls),
      R"(},"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},)",
      R"("model":{"type":"WordPiece","unk_token":)", JsonString(config.unk_token),
      R"(,"continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":)",
      VocabObject(lines), "}}");
}

}  // namespace akin::tokenizer
