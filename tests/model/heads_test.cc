#include "model/heads.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "model/tensor_index.h"
#include "support/expect_error.h"

namespace akin::model {
namespace {

// Tensors of zeros, and a config.json beside them.
class Head {
 public:
  explicit Head(std::string_view config)
      : document_(std::make_shared<formats::JsonDocument>(
            formats::JsonDocument::Parse(config, "config.json").value())) {}

  Head& With(std::string name, std::vector<int64_t> shape) {
    tensors_.push_back({.name = std::move(name),
                        .file = "model.safetensors",
                        .shape = std::move(shape),
                        .bytes = kZeros});
    return *this;
  }
  // "name.weight" [outputs, inputs] and "name.bias".
  Head& WithLinear(const std::string& name, int64_t outputs, int64_t inputs) {
    return With(name + ".weight", {outputs, inputs}).With(name + ".bias", {outputs});
  }
  Head& WithNorm(const std::string& name, int64_t size) {
    return With(name + ".weight", {size}).With(name + ".bias", {size});
  }

  Result<ClassificationHead> Classifier() const {
    return LoadClassificationHead(document_->root(), Index());
  }
  Result<ClassificationHead> Labels() const { return ReadClassificationLabels(document_->root()); }
  Result<std::vector<Module>> MaskedLm(VocabularyPooling& decoder) const {
    return LoadMaskedLmHead(document_->root(), Index(), decoder);
  }

 private:
  static constexpr std::array<std::byte, 4096> kZeros{};
  TensorIndex Index() const { return TensorIndex(tensors_, nullptr, "model.safetensors"); }
  std::shared_ptr<const formats::JsonDocument> document_;
  std::vector<Tensor> tensors_;
};

// "cls dense(tanh) dense(identity)": the modules of a head.
std::string Describe(const std::vector<Module>& modules) {
  std::string text;
  for (const Module& module : modules) {
    text += text.empty() ? "" : " ";
    if (const auto* pooling = std::get_if<Pooling>(&module))
      text += PoolingModeName(pooling->modes.at(0));
    if (const auto* dense = std::get_if<Dense>(&module)) {
      const bool plain = dense->activation == RowActivation::kIdentity;
      text += plain                                           ? "dense"
              : dense->activation == RowActivation::kTanh     ? "dense(tanh)"
              : dense->activation == RowActivation::kRelu     ? "dense(relu)"
              : dense->activation == RowActivation::kGelu     ? "dense(gelu)"
              : dense->activation == RowActivation::kGeluTanh ? "dense(gelu_tanh)"
                                                              : "dense(other)";
    }
    if (std::holds_alternative<RowLayerNorm>(module)) text += "norm";
  }
  return text;
}

TEST(Heads, TheTensorsDecideWhichHeadItIs) {
  const auto classifier = [](Head head) { return Describe(head.Classifier().value().modules); };
  EXPECT_EQ(
      classifier(
          Head("{}").WithLinear("classifier.dense", 4, 4).WithLinear("classifier.out_proj", 1, 4)),
      "cls dense(tanh) dense");
  EXPECT_EQ(classifier(Head(R"({"model_type":"electra"})")
                           .WithLinear("classifier.dense", 4, 4)
                           .WithLinear("classifier.out_proj", 1, 4)),
            "cls dense(gelu) dense");
  EXPECT_EQ(
      classifier(Head("{}").WithLinear("pre_classifier", 4, 4).WithLinear("classifier", 2, 4)),
      "cls dense(relu) dense");
  EXPECT_EQ(
      classifier(Head("{}").WithLinear("bert.pooler.dense", 4, 4).WithLinear("classifier", 2, 4)),
      "cls dense(tanh) dense");
  EXPECT_EQ(classifier(Head(R"({"pooler_hidden_act":"gelu_new"})")
                           .WithLinear("pooler.dense", 4, 4)
                           .WithLinear("classifier", 2, 4)),
            "cls dense(gelu_tanh) dense");
  EXPECT_EQ(classifier(Head(R"({"classifier_pooling":"mean"})")
                           .With("head.dense.weight", {4, 4})
                           .With("head.norm.weight", {4})
                           .WithLinear("classifier", 2, 4)),
            "mean dense(gelu) norm dense");
  EXPECT_EQ(classifier(Head("{}").With("score.weight", {1, 4})), "lasttoken dense");
}

TEST(Heads, LabelsAreThoseOfTheFileInTheirOrder) {
  const auto head =
      Head(R"({"id2label":{"1":"no","0":"yes"}})").With("score.weight", {2, 4}).Classifier();
  ASSERT_TRUE(head) << head.error().message();
  EXPECT_EQ(head->labels, (std::vector<std::string>{"yes", "no"}));
  const auto unnamed = Head("{}").With("score.weight", {2, 4}).Classifier();
  EXPECT_EQ(unnamed->labels, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
}

TEST(Heads, LabelsThatContradictTheWeightsAreRefused) {
  ExpectError(Head(R"({"id2label":{"0":"yes"}})").With("score.weight", {2, 4}).Classifier(),
              ErrorCode::kInvalidModel, "id2label", "1 labels", "2 rows");
  for (const char* key : {"7", "-1", "x"}) {
    ExpectError(Head(std::string(R"({"id2label":{"0":"yes",")") + key + R"(":"no"}})")
                    .With("score.weight", {2, 4})
                    .Classifier(),
                ErrorCode::kInvalidModel, "id2label", "0 to 1");
  }
}

TEST(Heads, ScoresGetTheActivationThatTheFolderNames) {
  const auto activation = [](std::string_view config, int64_t labels) {
    return Head(config).With("score.weight", {labels, 4}).Classifier().value().activation;
  };
  EXPECT_EQ(activation("{}", 1), ScoreActivation::kSigmoid);
  EXPECT_EQ(activation("{}", 3), ScoreActivation::kRaw);
  EXPECT_EQ(activation(R"({"sentence_transformers":{"activation_fn":
                          "torch.nn.modules.linear.Identity"}})",
                       1),
            ScoreActivation::kRaw);
  EXPECT_EQ(activation(R"({"sbert_ce_default_activation_function":
                          "torch.nn.modules.activation.Softmax"})",
                       3),
            ScoreActivation::kSoftmax);
  ExpectError(Head(R"({"sbert_ce_default_activation_function":"torch.nn.Hardtanh"})")
                  .With("score.weight", {1, 4})
                  .Classifier(),
              ErrorCode::kUnsupportedModel, "sbert_ce_default_activation_function", "Hardtanh");
}

TEST(Heads, AHeadThatIsNotKnownOrDamagedNamesWhatLacks) {
  ExpectError(Head("{}").With("logits.weight", {2, 4}).Classifier(), ErrorCode::kUnsupportedModel,
              "model.safetensors", "classifier");
  ExpectError(Head("{}").With("score.weight", {2}).Classifier(), ErrorCode::kInvalidModel,
              "score.weight", "expected 2");
  ExpectError(Head("{}").With("score.weight", {2, 4}).With("score.bias", {3}).Classifier(),
              ErrorCode::kInvalidModel, "score.bias", "[3]");
  ExpectError(Head(R"({"classifier_pooling":"max"})")
                  .WithLinear("bert.pooler.dense", 4, 4)
                  .WithLinear("classifier", 2, 4)
                  .Classifier(),
              ErrorCode::kUnsupportedModel, "classifier_pooling", "max");
}

TEST(Heads, LabelsAreKnownWithoutWeights) {
  const auto labels = [](std::string_view config) { return Head(config).Labels()->labels; };
  using Names = std::vector<std::string>;
  EXPECT_EQ(labels(R"({"id2label":{"1":"b","0":"a","2":"c"},"num_labels":9})"),
            (Names{"a", "b", "c"}));
  EXPECT_EQ(labels(R"({"num_labels":1})"), Names{"LABEL_0"});
  EXPECT_EQ(labels("{}"), (Names{"LABEL_0", "LABEL_1"}));  // What transformers does not write.
  EXPECT_EQ(Head(R"({"num_labels":1})").Labels()->activation, ScoreActivation::kSigmoid);
  EXPECT_EQ(Head("{}").Labels()->activation, ScoreActivation::kRaw);
  EXPECT_TRUE(Head("{}").Labels()->modules.empty());
  ExpectError(Head(R"({"num_labels":0})").Labels(), ErrorCode::kInvalidModel, "num_labels");
  ExpectError(Head(R"({"num_labels":1000000000})").Labels(), ErrorCode::kInvalidModel,
              "num_labels");
  ExpectError(Head(R"({"id2label":{"0":"a","7":"b"}})").Labels(), ErrorCode::kInvalidModel,
              "label's number");
}

TEST(Heads, TheVocabularyIsDecodedByItsOwnWeightsOrTheEmbeddings) {
  VocabularyPooling own, tied;
  const auto bert = Head(R"({"hidden_act":"gelu"})")
                        .WithLinear("cls.predictions.transform.dense", 4, 4)
                        .WithNorm("cls.predictions.transform.LayerNorm", 4)
                        .With("cls.predictions.bias", {9})
                        .With("bert.embeddings.word_embeddings.weight", {9, 4});
  const auto modules = bert.MaskedLm(tied);
  ASSERT_TRUE(modules) << modules.error().message();
  EXPECT_EQ(Describe(*modules), "dense(gelu) norm");
  EXPECT_EQ(tied.weight.name, "bert.embeddings.word_embeddings.weight");
  EXPECT_EQ(tied.bias.name, "cls.predictions.bias");
  Head untied(R"({"hidden_act":"gelu"})");
  untied.WithLinear("cls.predictions.transform.dense", 4, 4)
      .WithNorm("cls.predictions.transform.LayerNorm", 4);
  ASSERT_TRUE(untied.WithLinear("cls.predictions.decoder", 9, 4).MaskedLm(own));
  EXPECT_EQ(own.weight.name, "cls.predictions.decoder.weight");
}

TEST(Heads, AMaskedLanguageModelWithoutItsHeadSaysSo) {
  VocabularyPooling decoder;
  ExpectError(Head("{}").With("bert.embeddings.word_embeddings.weight", {9, 4}).MaskedLm(decoder),
              ErrorCode::kUnsupportedModel, "masked-language-model head");
  ExpectError(Head("{}").WithLinear("lm_head.dense", 4, 4).MaskedLm(decoder),
              ErrorCode::kInvalidModel, "lm_head.layer_norm.weight");
}

}  // namespace
}  // namespace akin::model
