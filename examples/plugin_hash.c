/* A complete plug-in for Akin in C: random projection. Each token id has a fixed vector of +1 and -1, and a text's
 * vector is the sum of its tokens', scaled to length 1: texts that share words lie near each other, without any weights.
 *
 *   cc -shared -fPIC -I include -o plugin_hash.so examples/plugin_hash.c -lm
 *   akin embed --backend plugin:./plugin_hash.so,dimension=256 "a text"
 */
#include <akin/plugin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct akin_plugin_model { /* Not changed after load: any number of threads may read it. */
  int dimension;
  uint64_t seed;
};

static int fail(akin_plugin_error* error, int code, const char* what, const char* found) {
  snprintf(error->message, sizeof error->message, "%s, not '%s'", what, found);
  return code;
}

static int32_t load(const akin_plugin_load_args* args, akin_plugin_model** model, akin_plugin_error* error) {
  akin_plugin_model made = {384, 1};
  for (size_t i = 0; i < args->num_options; ++i) {
    const akin_plugin_option* option = &args->options[i];
    char* end;
    const unsigned long value = strtoul(option->value, &end, 10);
    if (end == option->value || *end != '\0')
      return fail(error, AKIN_PLUGIN_INVALID_INPUT, "an option is a whole number", option->value);
    if (strcmp(option->name, "seed") == 0) {
      made.seed = value;
    } else { /* Akin lets no other option through. */
      if (value < 1 || value > 65536)
        return fail(error, AKIN_PLUGIN_INVALID_INPUT, "dimension is 1 to 65536", option->value);
      made.dimension = (int)value;
    }
  }
  *model = malloc(sizeof **model);
  if (*model == NULL) return AKIN_PLUGIN_INTERNAL;
  **model = made;
  return AKIN_PLUGIN_OK;
}

static int32_t describe(const akin_plugin_model* model, akin_plugin_description* out, akin_plugin_error* error) {
  (void)error;
  out->input = AKIN_PLUGIN_TOKEN_IDS;
  out->rows = AKIN_PLUGIN_VECTORS;
  out->width = model->dimension;
  out->max_tokens = 1 << 20;
  out->flags = AKIN_PLUGIN_BATCH_INVARIANT;
  strcpy(out->precision, "f32");
  strcpy(out->device, "cpu");
  return AKIN_PLUGIN_OK;
}

/* 64 random bits of a number (splitmix64, Steele et al., 2014). */
static uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

static int32_t embed(akin_plugin_model* model, const akin_plugin_batch* batch, akin_plugin_output* output,
                     akin_plugin_error* error) {
  (void)error;
  for (size_t s = 0; s < batch->num_sequences; ++s) {
    float* row = output->values + s * (size_t)model->dimension;
    double squares = 0;
    memset(row, 0, sizeof(float) * (size_t)model->dimension);
    for (int32_t t = batch->cu_seqlens[s]; t < batch->cu_seqlens[s + 1]; ++t) {
      const uint64_t token = mix(model->seed ^ mix((uint64_t)batch->input_ids[t]));
      for (int j = 0; j < model->dimension; ++j)
        row[j] += mix(token + (uint64_t)(j / 64)) >> (j % 64) & 1 ? 1.0f : -1.0f;
    }
    for (int j = 0; j < model->dimension; ++j) squares += (double)row[j] * row[j];
    for (int j = 0; j < model->dimension && squares > 0; ++j) row[j] = (float)(row[j] / sqrt(squares));
  }
  output->num_rows = batch->num_sequences;
  output->width = model->dimension;
  return AKIN_PLUGIN_OK;
}

static void close_model(akin_plugin_model* model) { free(model); }

static const akin_plugin_option kOptions[] = {{"dimension", "values in a vector; 384"}, {"seed", "another projection; 1"}};
static const akin_plugin kPlugin = {AKIN_PLUGIN_ABI_VERSION, sizeof(akin_plugin), "hash", "1.0.0", kOptions, 2,
                                    load, describe, embed, NULL, close_model};

const akin_plugin* akin_plugin_entry(void) { return &kPlugin; }
