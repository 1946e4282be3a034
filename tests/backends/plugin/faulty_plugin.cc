// A plug-in for tests: what is wrong with it, and what it wants and gives, is said by its options.
// faulty_table.cc gives its table, or a wrong one.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "akin/plugin.h"

struct akin_plugin_model {
  std::string fault, input = "ids", rows = "vectors", precision;
  int max_concurrent_calls = 0, max_tokens = 512, width = 4;
  std::atomic<int> calls{0};
};

// Models that are loaded and not closed; the test looks it up.
extern "C" {
AKIN_PLUGIN_EXPORT std::atomic<int> faulty_open_models{0};
}

namespace {

int32_t Fail(akin_plugin_error* error, int32_t code, const char* text) {
  std::snprintf(error->message, sizeof error->message, "%s", text);
  return code;
}

int32_t FailAsAsked(const std::string& fault, akin_plugin_error* error) {
  if (fault == "load-fails")
    return Fail(error, AKIN_PLUGIN_INVALID_MODEL, "weights.bin: has 3 bytes, expected 12");
  if (fault == "load-silent") return AKIN_PLUGIN_UNAVAILABLE;
  if (fault == "load-unknown-code") return Fail(error, 77, "what is 77?");
  if (fault == "load-dirty-text")
    return Fail(error, AKIN_PLUGIN_MODEL_NOT_FOUND, "a\nb \x1b[31m \xff\xfe end");
  if (fault == "load-endless-text") {
    std::memset(error->message, 'x', sizeof error->message);
    return AKIN_PLUGIN_INVALID_INPUT;
  }
  if (fault == "load-throws") throw std::runtime_error("thrown over the fence");
  return AKIN_PLUGIN_OK;
}

int32_t Load(const akin_plugin_load_args* args, akin_plugin_model** model,
             akin_plugin_error* error) {
  auto made = new akin_plugin_model;
  made->precision = args->precision;
  for (size_t i = 0; i < args->num_options; ++i) {
    const std::string_view name = args->options[i].name;
    const char* value = args->options[i].value;
    if (name == "fault") made->fault = value;
    if (name == "input") made->input = value;
    if (name == "rows") made->rows = value;
    if (name == "calls") made->max_concurrent_calls = std::atoi(value);
    if (name == "max-tokens") made->max_tokens = std::atoi(value);
    if (name == "width") made->width = std::atoi(value);
  }
  if (made->fault == "load-no-model") {
    delete made;
    return AKIN_PLUGIN_OK;
  }
  const std::string fault = made->fault;
  if (fault.starts_with("load-")) {
    delete made;
    return FailAsAsked(fault, error);
  }
  ++faulty_open_models;
  *model = made;
  return AKIN_PLUGIN_OK;
}

int32_t Describe(const akin_plugin_model* model, akin_plugin_description* out,
                 akin_plugin_error* error) {
  const std::string& fault = model->fault;
  if (fault == "describe-fails") return Fail(error, AKIN_PLUGIN_INTERNAL, "no idea");
  out->input = model->input == "texts" ? AKIN_PLUGIN_TEXTS : AKIN_PLUGIN_TOKEN_IDS;
  out->rows = model->rows == "states"   ? AKIN_PLUGIN_TOKEN_STATES
              : model->rows == "logits" ? AKIN_PLUGIN_LOGITS
                                        : AKIN_PLUGIN_VECTORS;
  out->width = model->width;
  out->max_tokens = model->max_tokens;
  out->max_concurrent_calls = model->max_concurrent_calls;
  out->flags = AKIN_PLUGIN_PADS;
  std::strcpy(out->precision, "f32");
  std::strcpy(out->device, "cpu");
  std::strcpy(out->detail, "for tests");
  if (fault == "describe-input") out->input = 9;
  if (fault == "describe-rows") out->rows = -1;
  if (fault == "describe-width") out->width = 0;
  if (fault == "describe-wide") out->width = 1 << 30;
  if (fault == "describe-max-tokens") out->max_tokens = 0;
  if (fault == "describe-vocab") out->vocab_size = 2;
  if (fault == "describe-types") out->type_vocab_size = -1;
  if (fault == "describe-flags") out->flags = 1u << 31;
  if (fault == "describe-endless") std::memset(out->detail, 'x', sizeof out->detail);
  if (fault == "describe-control") std::strcpy(out->device, "c\npu");
  return AKIN_PLUGIN_OK;
}

// [size, first byte, last byte, sum of bytes], as many of them as a row has.
void FillFromText(const akin_plugin_text& text, int width, float* row) {
  const auto byte = [&](size_t i) { return float(static_cast<unsigned char>(text.data[i])); };
  float values[4] = {static_cast<float>(text.size_bytes), text.size_bytes > 0 ? byte(0) : 0,
                     text.size_bytes > 0 ? byte(text.size_bytes - 1) : 0, 0};
  for (size_t i = 0; i < text.size_bytes; ++i) values[3] += byte(i);
  for (int j = 0; j < width && j < 4; ++j) row[j] = values[j];
}

// Of each token [id, place, type, 1]; vectors and logits are the sums over the tokens.
void FillFromTokens(const akin_plugin_batch* batch, bool per_token, int width, float* rows) {
  for (size_t s = 0; s < batch->num_sequences; ++s) {
    if (!per_token) std::memset(rows, 0, sizeof(float) * static_cast<size_t>(width));
    for (int32_t t = batch->cu_seqlens[s]; t < batch->cu_seqlens[s + 1]; ++t) {
      if (per_token) std::memset(rows, 0, sizeof(float) * static_cast<size_t>(width));
      const float values[4] = {
          float(batch->input_ids[t]), float(t - batch->cu_seqlens[s]),
          batch->token_type_ids != nullptr ? float(batch->token_type_ids[t]) : 0.0f, 1.0f};
      for (int j = 0; j < width && j < 4; ++j) rows[j] += values[j];
      if (per_token) rows += width;
    }
    if (!per_token) rows += width;
  }
}

int32_t Embed(akin_plugin_model* model, const akin_plugin_batch* batch, akin_plugin_output* output,
              akin_plugin_error* error) {
  const bool per_token = model->rows == "states";
  const size_t num_rows = per_token ? batch->num_tokens : batch->num_sequences;
  output->num_rows = num_rows;
  output->width = model->width;
  if (model->max_concurrent_calls > 0) {
    const int calls = ++model->calls;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --model->calls;
    if (calls > model->max_concurrent_calls)
      return Fail(error, AKIN_PLUGIN_INTERNAL, "more calls at once than described");
  }
  const size_t last = num_rows * static_cast<size_t>(model->width) - 1;
  const float as_given = output->values[last];
  if (model->input == "texts") {
    for (size_t s = 0; s < batch->num_sequences; ++s)
      FillFromText(batch->texts[s], model->width,
                   output->values + s * static_cast<size_t>(model->width));
  } else {
    FillFromTokens(batch, per_token, model->width, output->values);
  }
  if (batch->num_sequences < 2) return AKIN_PLUGIN_OK;  // What is wrong needs company.
  const std::string& fault = model->fault;
  if (fault == "embed-fails") return Fail(error, AKIN_PLUGIN_UNAVAILABLE, "the device is gone");
  if (fault == "embed-throws") throw std::runtime_error("thrown over the fence");
  if (fault == "embed-few-rows") --output->num_rows;
  if (fault == "embed-many-rows") ++output->num_rows;
  if (fault == "embed-width") output->width = model->width + 1;
  if (fault == "embed-nan") output->values[1] = std::numeric_limits<float>::quiet_NaN();
  if (fault == "embed-infinite") output->values[1] = -std::numeric_limits<float>::infinity();
  if (fault == "embed-unwritten") output->values[last] = as_given;
  return AKIN_PLUGIN_OK;
}

int32_t Health(akin_plugin_model* model, akin_plugin_error* error) {
  if (model->fault == "health") return Fail(error, AKIN_PLUGIN_UNAVAILABLE, "not well");
  return AKIN_PLUGIN_OK;
}

void Close(akin_plugin_model* model) {
  --faulty_open_models;
  delete model;
}

const akin_plugin_option kOptions[] = {
    {"fault", "what is wrong"}, {"input", "ids or texts"},   {"rows", "vectors, states or logits"},
    {"calls", "at once"},       {"max-tokens", "of a text"}, {"width", "of a row"}};

}  // namespace

extern const akin_plugin kFaultyPlugin;
const akin_plugin kFaultyPlugin = {AKIN_PLUGIN_ABI_VERSION,
                                   sizeof(akin_plugin),
                                   "faulty",
                                   "0.1.0",
                                   kOptions,
                                   6,
                                   &Load,
                                   &Describe,
                                   &Embed,
                                   &Health,
                                   &Close};
