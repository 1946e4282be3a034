/* The walk of embed_tour.cc through the C interface: load a model, ask how it is and what it is, embed one text and
 * three, and time ten. On any backend:
 *
 *   embed_tour_c [--model MODEL] [--backend BACKEND] [--precision PRECISION]
 */
#define _POSIX_C_SOURCE 199309L
#include <akin/c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kTimedRuns = 10 };
static const double kTargetMs = 20; /* For the 95th percentile of one short text. */

/* Leaves the calling function with the code of a failed call. */
#define TRY(call)                          \
  do {                                     \
    const akin_code try_code = (call);     \
    if (try_code != AKIN_OK) return try_code; \
  } while (0)

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static double norm(const float* vector, int32_t dimension) {
  double squares = 0;
  for (int32_t i = 0; i < dimension; ++i) squares += (double)vector[i] * vector[i];
  return sqrt(squares);
}

static int compare(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

/* The least value that `percent` of the sorted `values` do not exceed (nearest rank). */
static double percentile(const double* values, int count, double percent) {
  const int rank = (int)ceil(percent / 100 * count);
  return values[rank > 0 ? rank - 1 : 0];
}

static akin_code describe_model(const akin_embedder* embedder) {
  akin_model_info info = AKIN_MODEL_INFO_INIT;
  TRY(akin_embedder_info(embedder, &info));
  printf("   model       %s\n", info.model);
  printf("   backend     %s", info.backend);
  if (*info.precision != '\0') printf(", %s", info.precision); /* Not known of all backends. */
  if (*info.isa != '\0') printf(", %s", info.isa);
  printf("\n");
  if (*info.backend_detail != '\0') printf("   it is       %s\n", info.backend_detail);
  printf("   dimension   %d\n", (int)info.dimension);
  printf("   max tokens  %d\n", (int)info.max_tokens);
  return AKIN_OK;
}

static akin_code embed_one(const akin_embedder* embedder) {
  const char* text = "The quick brown fox jumps over the lazy dog.";
  akin_embeddings* one;
  akin_embeddings_view view = AKIN_EMBEDDINGS_VIEW_INIT;
  TRY(akin_embedder_embed(embedder, &text, NULL, 1, NULL, &one));
  const akin_code code = akin_embeddings_get(one, &view);
  if (code == AKIN_OK) {
    printf("   vector      [");
    for (int32_t i = 0; i < 5 && i < view.dimension; ++i) printf("%.4f, ", view.values[i]);
    printf("...], norm %.6f\n", norm(view.values, view.dimension));
    printf("   tokens      %d, in %.2f ms\n", (int)view.num_tokens[0], view.duration_ms);
  }
  akin_embeddings_free(one);
  return code;
}

static akin_code embed_three(const akin_embedder* embedder) {
  static const char* const texts[] = {"Vector databases find what is near.", "Embeddings make texts comparable.",
                                      "A cat sleeps on the warm windowsill."};
  akin_embeddings* three;
  akin_embeddings_view view = AKIN_EMBEDDINGS_VIEW_INIT;
  TRY(akin_embedder_embed(embedder, texts, NULL, 3, NULL, &three));
  const akin_code code = akin_embeddings_get(three, &view);
  if (code == AKIN_OK) {
    for (size_t i = 0; i < view.num_texts; ++i)
      printf("   text %zu      %d values, norm %.6f\n", i + 1, (int)view.dimension,
             norm(view.values + i * (size_t)view.dimension, view.dimension));
    printf("   tokens      %lld, in %.2f ms\n", (long long)view.total_tokens, view.duration_ms);
  }
  akin_embeddings_free(three);
  return code;
}

static akin_code time_ten(const akin_embedder* embedder) {
  const char* text = "How fast is one short query?";
  double times_ms[kTimedRuns];
  for (int run = 0; run < kTimedRuns; ++run) {
    akin_embeddings* vector;
    const double start = now_ms();
    TRY(akin_embedder_embed(embedder, &text, NULL, 1, NULL, &vector));
    times_ms[run] = now_ms() - start;
    akin_embeddings_free(vector);
  }
  qsort(times_ms, kTimedRuns, sizeof *times_ms, &compare);
  const double p95 = percentile(times_ms, kTimedRuns, 95);
  printf("   %d runs     P50 %.3f ms, P95 %.3f ms, P99 %.3f ms\n", kTimedRuns, percentile(times_ms, kTimedRuns, 50),
         p95, percentile(times_ms, kTimedRuns, 99));
  printf("   target      P95 below %.0f ms: %s\n", kTargetMs, p95 < kTargetMs ? "met" : "missed");
  return AKIN_OK;
}

static akin_code walk(const akin_embedder* embedder) {
  printf("2. Health check\n");
  TRY(akin_embedder_health(embedder));
  printf("   healthy     yes\n");
  printf("3. Model information\n");
  TRY(describe_model(embedder));
  printf("4. One embedding\n");
  TRY(embed_one(embedder));
  printf("5. A batch of three\n");
  TRY(embed_three(embedder));
  printf("6. Ten timed runs\n");
  return time_ten(embedder);
}

static akin_code tour(const char* model, const akin_load_options* options) {
  akin_embedder* embedder;
  akin_model_info info = AKIN_MODEL_INFO_INIT;
  printf("Akin %s\n1. Initialize\n", akin_version());
  TRY(akin_embedder_load(model, options, &embedder));
  akin_code code = akin_embedder_info(embedder, &info);
  if (code == AKIN_OK) printf("   loaded      in %.1f ms\n", info.load_ms);
  if (code == AKIN_OK) code = walk(embedder);
  akin_embedder_free(embedder);
  return code;
}

int main(int argc, char** argv) {
  const char* model = "all-MiniLM-L6-v2";
  akin_load_options options = AKIN_LOAD_OPTIONS_INIT;
  for (int i = 1; i < argc; i += 2) {
    const char** value = strcmp(argv[i], "--model") == 0       ? &model
                         : strcmp(argv[i], "--backend") == 0   ? &options.backend
                         : strcmp(argv[i], "--precision") == 0 ? &options.precision
                                                               : NULL;
    if (value == NULL || i + 1 == argc) {
      fprintf(stderr, "embed_tour_c: %s is unknown or needs a value; known: --model --backend --precision\n", argv[i]);
      return 1;
    }
    *value = argv[i + 1];
  }
  if (tour(model, &options) == AKIN_OK) return 0;
  fprintf(stderr, "embed_tour_c: %s\n", akin_last_error());
  return 1;
}
