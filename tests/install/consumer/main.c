/* The same in C: consumer_c MODEL embeds one text. */
#include <akin/c.h>
#include <stdio.h>

int main(int argc, char** argv) {
  akin_embedder* embedder;
  akin_embeddings* embeddings;
  akin_embeddings_view view = AKIN_EMBEDDINGS_VIEW_INIT;
  const char* text = "hello";
  if (argc != 2) return 2;
  if (akin_embedder_load(argv[1], NULL, &embedder) != AKIN_OK ||
      akin_embedder_embed(embedder, &text, NULL, 1, NULL, &embeddings) != AKIN_OK ||
      akin_embeddings_get(embeddings, &view) != AKIN_OK) {
    fprintf(stderr, "%s\n", akin_last_error());
    return 1;
  }
  printf("akin %s: %d values\n", akin_version(), (int)view.dimension);
  akin_embeddings_free(embeddings);
  akin_embedder_free(embedder);
  return view.dimension > 0 ? 0 : 1;
}
