/* Akin in C: the library's frozen binary interface, for C and for every language that calls C. Link
 * libakin_c.
 *
 *   akin_embedder* embedder;
 *   akin_embeddings* embeddings;
 *   const char* texts[] = {"a text", "another"};
 *   if (akin_embedder_load("all-MiniLM-L6-v2", NULL, &embedder) != AKIN_OK ||
 *       akin_embedder_embed(embedder, texts, NULL, 2, NULL, &embeddings) != AKIN_OK)
 *     puts(akin_last_error());
 *
 * Errors: A function that can fail returns an akin_code. Unless it is AKIN_OK, out-parameters are
 * as they were, and akin_last_error() is the reason. No exception leaves a function, none prints or
 * ends the process, and any argument gives a defined answer as long as pointers are null or lead to
 * what the declaration says.
 *
 * Handles: akin_embedder and akin_embeddings are opaque. Each is freed once; freeing null does
 * nothing. A freed handle is no handle: calls with it give AKIN_INVALID_INPUT.
 *
 * Threads: Any function may be called from any number of threads at once, with the same handle,
 * too. An embedder that is freed while other threads embed with it goes when they have returned.
 *
 * Ownership: What a call is given is read until it returns and not kept. Pointers in
 * akin_model_info and akin_embeddings_view lead into the object that they were asked of, and are
 * valid until it is freed.
 *
 * Growth: Structs begin with their size, which the *_INIT macros set, and grow at their end only: a
 * program that was built with an older header runs with a newer library, and with an older library
 * it is told (AKIN_INVALID_INPUT) when it sets a field that is not known there. Fields that are 0
 * or null are the model's or the machine's own.
 */
#ifndef AKIN_C_H_
#define AKIN_C_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define AKIN_C_API __declspec(dllimport)
#elif defined(__GNUC__)
#define AKIN_C_API __attribute__((visibility("default")))
#else
#define AKIN_C_API
#endif

/* The numbers are those of akin::ErrorCode and of gRPC. */
typedef enum akin_code {
  AKIN_OK = 0,
  AKIN_CANCELLED = 1,
  AKIN_INVALID_INPUT = 3, /* The caller's text, option or handle is wrong. */
  AKIN_DEADLINE_EXCEEDED = 4,
  AKIN_MODEL_NOT_FOUND = 5, /* The model, or a file of it, is missing or unreadable. */
  AKIN_OVERLOADED = 8,
  AKIN_INVALID_MODEL = 9,      /* The model's files are broken or contradict each other. */
  AKIN_UNSUPPORTED_MODEL = 12, /* Well-formed, but it uses something that is not implemented. */
  AKIN_INTERNAL = 13,          /* A fault of Akin's, or of the machine (out of memory). */
  AKIN_UNAVAILABLE = 14
} akin_code;

typedef struct akin_embedder akin_embedder;
typedef struct akin_embeddings akin_embeddings;

/* "0.1.0" */
AKIN_C_API const char* akin_version(void);
/* "InvalidModel"; "Ok"; "Unknown" for what is none. */
AKIN_C_API const char* akin_code_name(akin_code code);
/* Why the last call of this thread failed, one line of UTF-8; empty if none has. Valid until the
 * thread's next call. */
AKIN_C_API const char* akin_last_error(void);

/* --- Models --- */

typedef struct akin_load_options {
  uint32_t struct_size;
  int32_t
      num_threads; /* That compute, the caller's own included. 0: as many as the machine allows. */
  int32_t batch_tokens;  /* The most tokens computed together; 0: the default. */
  const char* backend;   /* "auto", "native", "onnxruntime", "plugin:PATH[,option=value...]",
                            "remote:URL[,dialect=tei]", "python:CHILD", ... */
  const char* precision; /* "auto", "f32", "bf16x3", "bf16", "int16", "w8", "int8" */
  const char* isa;       /* "auto", "avx2", ... */
  const char* pooling;   /* In place of the model's own: "mean", "cls", ... */
} akin_load_options;
#define AKIN_LOAD_OPTIONS_INIT {.struct_size = sizeof(akin_load_options)}

/* `model` is a folder, the name of a model in the cache, or "org/name[@revision]" of the hub.
 * `options` may be null. */
AKIN_C_API akin_code akin_embedder_load(const char* model, const akin_load_options* options,
                                        akin_embedder** embedder);
AKIN_C_API void akin_embedder_free(akin_embedder* embedder);

/* Embeds one tiny text end to end, and asks the backend whether it is well. */
AKIN_C_API akin_code akin_embedder_health(const akin_embedder* embedder);

typedef struct akin_model_info {
  uint32_t struct_size;
  int32_t dimension;     /* Values in a vector; 0: the model gives none. */
  int32_t max_tokens;    /* A longer text is cut, */
  int32_t max_positions; /* unless a call raises the limit; to this at most. */
  int32_t num_threads;
  int32_t normalized;      /* 1: vectors have length 1. */
  int32_t batch_invariant; /* 1: a text's vector has the same bits alone and in any batch. */
  int64_t num_parameters;
  double load_ms;
  const char* model;
  const char* path;
  const char* architecture;
  const char* kind; /* "dense", "reranker", ... */
  const char* pooling;
  const char* backend;
  const char* backend_detail; /* What runs which file, of a backend that is not Akin's; or empty. */
  const char* precision;
  const char* isa;
} akin_model_info;
#define AKIN_MODEL_INFO_INIT {.struct_size = sizeof(akin_model_info)}

AKIN_C_API akin_code akin_embedder_info(const akin_embedder* embedder, akin_model_info* info);

/* --- Vectors --- */

enum akin_normalize { AKIN_NORMALIZE_AS_MODEL = 0, AKIN_NORMALIZE_YES = 1, AKIN_NORMALIZE_NO = 2 };

typedef struct akin_embed_options {
  uint32_t struct_size;
  int32_t max_tokens;      /* Special tokens included. */
  int32_t normalize;       /* akin_normalize */
  int32_t dimensions;      /* Keep the first values, scaled to length 1 again; */
  int32_t truncate_dim;    /* or as they are. Not both. */
  const char* overflow;    /* What becomes of a longer text: "truncate", "error", "average". */
  const char* prompt_name; /* One of the model's prompts, put in front of every text; */
  const char* prompt;      /* or this text. "" is none at all. Not both. */
} akin_embed_options;
#define AKIN_EMBED_OPTIONS_INIT {.struct_size = sizeof(akin_embed_options)}

/* One vector a text, in their order. `texts` are UTF-8, of `sizes` bytes each; with `sizes` null
 * they end with NUL. `options` may be null. */
AKIN_C_API akin_code akin_embedder_embed(const akin_embedder* embedder, const char* const* texts,
                                         const size_t* sizes, size_t num_texts,
                                         const akin_embed_options* options,
                                         akin_embeddings** embeddings);
AKIN_C_API void akin_embeddings_free(akin_embeddings* embeddings);

typedef struct akin_embeddings_view {
  uint32_t struct_size;
  int32_t dimension;
  size_t num_texts;
  const float* values;       /* [num_texts, dimension], row-major. */
  const int32_t* num_tokens; /* [num_texts]: computed, special tokens included; */
  const int32_t* truncated;  /* [num_texts]: cut, because the text was too long. */
  int64_t total_tokens;      /* Computed, in sum. */
  double duration_ms;        /* Of the whole call, */
  double tokenize_ms;        /* and its stages: text to ids, */
  double compute_ms;         /* ids to vectors. */
} akin_embeddings_view;
#define AKIN_EMBEDDINGS_VIEW_INIT {.struct_size = sizeof(akin_embeddings_view)}

AKIN_C_API akin_code akin_embeddings_get(const akin_embeddings* embeddings,
                                         akin_embeddings_view* view);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* AKIN_C_H_ */
