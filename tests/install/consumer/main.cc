// The README's example, with a check of every public header besides.
#include <akin/embedder.h>
#include <akin/matrix_view.h>
#include <akin/options.h>
#include <akin/result.h>
#include <akin/system.h>
#include <akin/tokenizer.h>

#include <cstdio>

// README-BEGIN
akin::Result<float> Similarity(std::string_view model, std::string_view a, std::string_view b) {
  AKIN_TRY_ASSIGN(akin::Embedder embedder, akin::Embedder::Load(model));
  AKIN_TRY_ASSIGN(akin::Embeddings vectors, embedder.Embed({a, b}));
  float cosine = 0;
  for (size_t i = 0; i < vectors.dimension(); ++i) cosine += vectors[0][i] * vectors[1][i];
  return cosine;
}
// README-END

int main(int argc, char** argv) {
  std::printf("akin %s\n", std::string(akin::Version()).c_str());
  const auto cosine = Similarity(argc > 1 ? argv[1] : "/no/such/model", "a cat", "a kitten");
  if (cosine) {
    std::printf("cosine %.4f\n", *cosine);
  } else {
    std::printf("%s: %s\n", std::string(akin::ErrorCodeName(cosine.error().code())).c_str(),
                cosine.error().message().c_str());
  }
  const bool expected =
      argc > 1 ? bool(cosine) : !cosine && cosine.error().code() == akin::ErrorCode::kModelNotFound;
  return expected ? 0 : 1;
}
