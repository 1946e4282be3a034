/* The interface of plug-ins: an engine in a shared library of its own, run by `--backend
 * plugin:PATH[,option=value...]` (akin::BackendKind::kPlugin) behind Akin's tokenizer, batching,
 * pooling, command line and server. C11 and C++. docs/plugins.md is the guide,
 * examples/plugin_hash.c a complete plug-in.
 *
 * A plug-in exports one function, `akin_plugin_entry`, which returns a table of functions. It
 * includes this header and links nothing of Akin.
 *
 * Order of calls: entry; then, for each model that is loaded: load, describe, any number of embed
 * and health, close. After a failed load nothing else is called for that model. The library is
 * never unloaded.
 *
 * Threads: load of several models, and describe, embed and health of one, may be called from
 * several threads at once; akin_plugin_description.max_concurrent_calls bounds how many embeds of a
 * model are under way. close comes last and alone. A call may come from any thread; denormals are
 * flushed to zero in it (x86: FTZ and DAZ, aarch64: FZ) when it computes.
 *
 * Ownership: What Akin passes is Akin's and lasts until the call returns, unless it says otherwise;
 * a plug-in keeps copies. What a plug-in passes by the table lasts as long as the process. Nothing
 * is freed by the other side.
 *
 * Errors: A function returns AKIN_PLUGIN_OK or another akin_plugin_code, and puts a text into
 * `error`, which is never null: one line that names what was found and what was expected. No
 * exception, panic or longjmp may leave a function, and none ends the process.
 *
 * What is checked: Akin checks the version and the table when the library is loaded, the
 * description after load, and after each embed the number of rows, their width, and that each value
 * is finite. What fails is an error of that call; it is not tried again.
 *
 * Growth: Structs that begin with struct_size, their size as the side that filled them knew it,
 * grow at their end; a field behind that size is not there. AKIN_PLUGIN_ABI_VERSION changes when
 * anything else does.
 */
#ifndef AKIN_PLUGIN_H_
#define AKIN_PLUGIN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AKIN_PLUGIN_ABI_VERSION 1u

#if defined(_WIN32)
#define AKIN_PLUGIN_EXPORT __declspec(dllexport)
#else
#define AKIN_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

/* The numbers are those of akin::ErrorCode and of gRPC. Any other one is taken for
 * AKIN_PLUGIN_INTERNAL. */
enum akin_plugin_code {
  AKIN_PLUGIN_OK = 0,
  AKIN_PLUGIN_INVALID_INPUT = 3, /* An option's value, a text: the caller's fault. */
  AKIN_PLUGIN_DEADLINE_EXCEEDED = 4,
  AKIN_PLUGIN_MODEL_NOT_FOUND = 5,    /* The model, or a file of it, is missing or unreadable. */
  AKIN_PLUGIN_OVERLOADED = 8,         /* Trying again later can succeed. */
  AKIN_PLUGIN_INVALID_MODEL = 9,      /* Its files are broken or contradict each other. */
  AKIN_PLUGIN_UNSUPPORTED_MODEL = 12, /* Well-formed, but the plug-in cannot run it. */
  AKIN_PLUGIN_INTERNAL = 13,          /* The plug-in's fault, or the machine's (out of memory). */
  AKIN_PLUGIN_UNAVAILABLE = 14        /* What it needs is not there now: a device, a service. */
};

/* Where a plug-in says what went wrong. Zeroed before each call. */
typedef struct akin_plugin_error {
  char message[1024]; /* UTF-8, ends with NUL; without one it ends with the array. */
} akin_plugin_error;

/* A loaded model: the plug-in's own. */
typedef struct akin_plugin_model akin_plugin_model;

typedef struct akin_plugin_option {
  const char* name;
  const char* value; /* Of a declared option: its description for people, one line. */
} akin_plugin_option;

typedef struct akin_plugin_load_args {
  uint32_t struct_size;
  /* Threads that all calls of this model together may keep busy; at least 1. */
  int32_t num_threads;
  /* Tokens of a batch, at most; a longer sequence comes alone. */
  int32_t max_batch_tokens;
  /* The folder of the model, an absolute path. */
  const char* model_path;
  /* What was asked for: "auto", "f32", "bf16", ... A plug-in that runs in another one says so in
   * its description, and Akin tells the user. */
  const char* precision;
  /* As the user gave them: each name is one of the table's, and comes at most once. */
  const akin_plugin_option* options;
  size_t num_options;
} akin_plugin_load_args;

/* What a plug-in wants of a text. */
enum akin_plugin_input {
  AKIN_PLUGIN_TOKEN_IDS = 0, /* Token ids, by the model folder's tokenizer.json. */
  AKIN_PLUGIN_TEXTS = 1      /* The text, too: with its prompt, cut at the limit of tokens. */
};

/* What it gives. */
enum akin_plugin_rows {
  /* [num_sequences, width]: a finished vector of each sequence. No module of the model's folder
   * follows; it has length 1 if the model's vectors have. */
  AKIN_PLUGIN_VECTORS = 0,
  /* [num_tokens, width]: the last layer's state of each token, special tokens included. Akin pools
   * and does what else the model's modules say. */
  AKIN_PLUGIN_TOKEN_STATES = 1,
  /* [num_sequences, width]: a score of each label before the activation, of rerankers and
     classifiers. */
  AKIN_PLUGIN_LOGITS = 2
};

enum akin_plugin_flags {
  /* Sequences are padded to the longest beside them: Akin puts those of like length together. */
  AKIN_PLUGIN_PADS = 1,
  /* A sequence's rows have the same bits alone and in any batch. Only what is true is said here. */
  AKIN_PLUGIN_BATCH_INVARIANT = 2
};

/* What Akin needs to know of a loaded model. Zeroed, but for struct_size, before describe fills it.
 */
typedef struct akin_plugin_description {
  uint32_t struct_size;
  int32_t input; /* akin_plugin_input */
  int32_t rows;  /* akin_plugin_rows */
  int32_t width; /* Values in a row; 1 to 1,048,576. */
  /* Tokens of the longest sequence, special tokens included; at least 1. */
  int32_t max_tokens;
  /* Token ids are 0 to vocab_size - 1; a tokenizer with a greater one is refused. 0: as config.json
   * says. */
  int32_t vocab_size;
  /* The same of token types. 0: they are not read. */
  int32_t type_vocab_size;
  /* Embeds of this model that may be under way at once; 0: any number. */
  int32_t max_concurrent_calls;
  uint32_t flags;         /* Of akin_plugin_flags. */
  int64_t num_parameters; /* 0: not known. */
  /* For people and for JSON; each ends with NUL. */
  char precision[16]; /* What the products run in: "f32". */
  char device[48];    /* Where: "cpu", "cuda:0". */
  char detail[256];   /* What runs what, if there is more to say; may be empty. */
} akin_plugin_description;

typedef struct akin_plugin_text {
  const char* data; /* UTF-8; may hold NUL, and has one behind its end. */
  size_t size_bytes;
} akin_plugin_text;

/* Sequences end to end, without padding. */
typedef struct akin_plugin_batch {
  uint32_t struct_size;
  size_t num_sequences;          /* At least 1, */
  size_t num_tokens;             /* and at least one token each. */
  const int32_t* input_ids;      /* [num_tokens] */
  const int32_t* token_type_ids; /* [num_tokens], or null: all 0. */
  const int32_t* cu_seqlens; /* [num_sequences + 1], from 0: sequence s is tokens [cu_seqlens[s],
                                cu_seqlens[s + 1]). */
  const akin_plugin_text* texts; /* [num_sequences] for AKIN_PLUGIN_TEXTS, else null. */
} akin_plugin_batch;

/* Where embed leaves its rows, in the order of the sequences or of the tokens. */
typedef struct akin_plugin_output {
  uint32_t struct_size;
  float* values;   /* [max_rows, width], row-major, Akin's. */
  size_t max_rows; /* What is expected. */
  size_t num_rows; /* Set by embed: rows written, */
  int32_t width;   /* and values in each of them. */
} akin_plugin_output;

/* The table. */
typedef struct akin_plugin {
  uint32_t abi_version; /* AKIN_PLUGIN_ABI_VERSION */
  uint32_t struct_size; /* sizeof(akin_plugin) */
  const char* name;     /* "candle": letters, digits, '-', '_', '.'; at most 64 bytes. */
  const char* version;  /* The plug-in's own, "1.2.0"; at most 64 bytes. */
  const akin_plugin_option* options; /* Those that it has, with their descriptions; */
  size_t num_options;                /* others are refused before load. */

  /* Loads a model and sets *model, which is not null then. */
  int32_t (*load)(const akin_plugin_load_args* args, akin_plugin_model** model,
                  akin_plugin_error* error);
  int32_t (*describe)(const akin_plugin_model* model, akin_plugin_description* description,
                      akin_plugin_error* error);
  /* Computes a batch's rows. A failed call may leave anything in *output. */
  int32_t (*embed)(akin_plugin_model* model, const akin_plugin_batch* batch,
                   akin_plugin_output* output, akin_plugin_error* error);
  /* Whether what runs the model is there and well, without computing; may be null: it is. */
  int32_t (*health)(akin_plugin_model* model, akin_plugin_error* error);
  void (*close)(akin_plugin_model* model);
} akin_plugin;

/* The one symbol. Called at least once for each library; the table does not change. */
AKIN_PLUGIN_EXPORT const akin_plugin* akin_plugin_entry(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* AKIN_PLUGIN_H_ */
