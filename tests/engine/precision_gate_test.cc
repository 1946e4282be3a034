#include "engine/precision_gate.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <locale>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/mapped_file.h"
#include "base/strings.h"
#include "engine/gate_record.h"
#include "support/temporary_folder.h"

namespace akin::engine {
namespace {

namespace fs = std::filesystem;

// Gives each text a vector near (1, 0), as far from it as its precision is bad.
class FakeBackend : public backends::Backend {
 public:
  struct FakeSession : backends::Session {
    std::vector<float> rows;
  };

  explicit FakeBackend(double cosine) : cosine_(cosine) {}
  backends::BackendInfo Info() const override {
    return {.precision = std::to_string(cosine_),
            .rows = backends::RowKind::kVectors,
            .width = 2,
            .max_positions = 64};
  }
  std::unique_ptr<backends::Session> NewSession(size_t, size_t) const override {
    return std::make_unique<FakeSession>();
  }
  Result<MatrixView<const float>> Compute(const RaggedBatch& batch, const TeamMember&,
                                          backends::Session& session) const override {
    std::vector<float>& rows = static_cast<FakeSession&>(session).rows;
    rows.clear();
    for (size_t i = 0; i < batch.num_sequences(); ++i) {
      // One text is worse than the others: it decides.
      const double cosine = i == 5 ? cosine_ : 1.0;
      rows.push_back(static_cast<float>(cosine));
      rows.push_back(static_cast<float>(std::sqrt(1.0 - cosine * cosine)));
    }
    return MatrixView<const float>(rows.data(), batch.num_sequences(), 2);
  }

 private:
  double cosine_;
};

Network MakeFakeNetwork(double cosine) {
  const kernels::Kernels kernels = kernels::ScalarKernels(Precision::kF32);
  Network::Chains chains;
  chains[static_cast<size_t>(Output::kDense)] =
      pooling::Chain::Make({}, {.width = 2, .per_token = false}, {kernels, kernels}).value();
  return Network("fake", std::make_unique<FakeBackend>(cosine), std::move(chains));
}

class PrecisionGate : public testing::Test {
 protected:
  void SetUp() override {
    setenv("AKIN_CACHE", cache_.path().c_str(), 1);
    fs::copy(std::string(AKIN_TEST_DATA) + "/models/bert-mean", model_.path(),
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  }
  void TearDown() override { unsetenv("AKIN_CACHE"); }

  // What the gate takes when int8 and int16 have these cosines; counts the loads.
  std::string Take(double int8, double int16, Isa isa = Isa::kAvx512Vnni) {
    loads_.clear();
    const auto directory = model::ModelDirectory::Open(model_.path()).value();
    const auto tokenizer =
        tokenizer::Pipeline::Load(ReadAll(model_ / "tokenizer.json"), "t").value();
    const auto load = [&](Precision precision) -> Result<Network> {
      ++loads_[precision];
      const double cosine = precision == Precision::kInt8    ? int8
                            : precision == Precision::kInt16 ? int16
                                                             : 1.0;
      return MakeFakeNetwork(cosine);
    };
    GateResult result = LoadWithinGate({.directory = directory,
                                        .tokenizer = *tokenizer,
                                        .max_tokens = 64,
                                        .isa = isa,
                                        .load = load})
                            .value();
    reason_ = result.reason;
    // f32 is loaded first, as the reference; it is what is taken when no candidate was.
    for (const auto& [precision, cosine] :
         std::map<Precision, double>{{Precision::kInt8, int8}, {Precision::kInt16, int16}}) {
      if (result.network.info().precision == std::to_string(cosine))
        return std::string(PrecisionName(precision));
    }
    return "f32";
  }

  static std::string ReadAll(const fs::path& path) {
    std::ostringstream content;
    content << std::ifstream(path).rdbuf();
    return content.str();
  }
  GateRecord Record(Isa isa = Isa::kAvx512Vnni) const {
    return {model::ModelDirectory::Open(model_.path()).value(), "", std::nullopt, isa};
  }
  // {"int8": 0.9994}, to five digits.
  static std::map<std::string, double> ByName(const GateRecord::Cosines& cosines) {
    std::map<std::string, double> by_name;
    for (const auto& [precision, cosine] : cosines)
      by_name[std::string(PrecisionName(precision))] = std::round(cosine * 1e5) / 1e5;
    EXPECT_EQ(by_name.size(), cosines.size());
    return by_name;
  }
  std::vector<fs::path> Records() const {
    std::vector<fs::path> files;
    if (!fs::exists(cache_ / "precision")) return files;
    for (const auto& entry : fs::directory_iterator(cache_ / "precision")) {
      if (entry.path().filename() != GateRecord::kLockName) files.push_back(entry.path());
    }
    return files;
  }

  TemporaryFolder cache_, model_;
  std::map<Precision, int> loads_;
  std::string reason_;
};

TEST_F(PrecisionGate, TakesTheFastestThatIsCloseEnough) {
  EXPECT_EQ(Take(0.9996, 0.9999), "int8");
  EXPECT_EQ(loads_.count(Precision::kInt16), 0u) << "int8 passed: no need to look further";
}

TEST_F(PrecisionGate, PassesOverWhatIsNotCloseEnough) {
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_NE(reason_.find("int8 0.99940 (below 0.9995)"), std::string::npos) << reason_;
  EXPECT_NE(reason_.find("int16 0.99980"), std::string::npos) << reason_;
}

TEST_F(PrecisionGate, AvxVnniHasTheCandidatesOfVnni) {
  EXPECT_EQ(Take(0.9996, 0.9999, Isa::kAvx2Vnni), "int8");
  EXPECT_EQ(Take(0.9994, 0.9998, Isa::kAvx2Vnni), "int8") << "as was measured for this model";
  EXPECT_EQ(Records().size(), 1u);
  EXPECT_EQ(Take(0.9994, 0.9998, Isa::kAvx512Vnni), "int16") << "measured anew: another tier";
}

TEST_F(PrecisionGate, FallsBackToF32) { EXPECT_EQ(Take(0.9, 0.99), "f32"); }

TEST_F(PrecisionGate, NotANumberIsNotCloseEnough) {
  EXPECT_EQ(Take(std::nan(""), 0.9999), "int16");
}

TEST_F(PrecisionGate, ATierWithoutFasterProductsMeasuresNothing) {
  EXPECT_EQ(Take(0.9999, 0.99999, Isa::kAvx512), "f32");
  EXPECT_EQ(loads_.size(), 1u);
  EXPECT_TRUE(Records().empty());
}

TEST_F(PrecisionGate, MeasuresOnceAndRemembers) {
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_EQ(loads_[Precision::kF32], 1);
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_EQ(loads_.count(Precision::kF32), 0u);
  EXPECT_EQ(loads_.count(Precision::kInt8), 0u);
  EXPECT_EQ(Records().size(), 1u);
}

TEST_F(PrecisionGate, AChangedModelIsMeasuredAgain) {
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  std::ofstream(model_ / "model.safetensors", std::ios::app) << ' ';
  EXPECT_EQ(Take(0.9999, 0.9998), "int8");
}

TEST_F(PrecisionGate, ADamagedRecordIsMeasuredAgain) {
  for (const std::string& damage :
       {std::string(), std::string("rubbish"), std::string(100000, 'x'), std::string("\0", 1)}) {
    EXPECT_EQ(Take(0.9994, 0.9998), "int16");
    ASSERT_EQ(Records().size(), 1u);
    std::ofstream(Records()[0], std::ios::trunc) << damage;
    EXPECT_EQ(Take(0.9994, 0.9998), "int16");
    EXPECT_EQ(loads_[Precision::kF32], 1) << "measured again";
  }
  const std::string whole = ReadAll(Records()[0]);
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    std::ofstream(Records()[0], std::ios::trunc) << whole.substr(0, cut);
    EXPECT_EQ(Take(0.9994, 0.9998), "int16") << "cut to " << cut << " bytes";
  }
}

// A CPU with fast bf16 has bf16 for a candidate on a tier where another one has not.
TEST_F(PrecisionGate, CpusOfTwoKindsKeepWhatEachHasMeasured) {
  using Names = std::map<std::string, double>;
  Record().Add({{Precision::kInt8, 0.9994}, {Precision::kBf16, 0.99996}});
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_EQ(loads_.count(Precision::kInt8), 0u) << "the other one has measured that it loses much";
  EXPECT_EQ(loads_[Precision::kInt16], 1);
  EXPECT_EQ(reason_, "least cosine to f32: int8 0.99940 (below 0.9995), int16 0.99980");
  EXPECT_EQ(ByName(Record().Read()),
            (Names{{"int8", 0.9994}, {"bf16", 0.99996}, {"int16", 0.9998}}));
  EXPECT_EQ(Records().size(), 1u);
  Record().Add({{Precision::kBf16, 0.9}});
  EXPECT_EQ(ByName(Record().Read()), (Names{{"int8", 0.9994}, {"bf16", 0.9}, {"int16", 0.9998}}));
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_EQ(loads_.size(), 1u) << "known";
}

TEST_F(PrecisionGate, WhatAnotherKindHasMeasuredIsTakenWithoutMeasuring) {
  Record().Add({{Precision::kInt16, 0.9998}});
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_EQ(loads_[Precision::kInt8], 1);
  EXPECT_EQ(ByName(Record().Read()).size(), 2u);
}

TEST_F(PrecisionGate, TiersHaveRecordsOfTheirOwn) {
  Record(Isa::kAvx512Vnni).Add({{Precision::kInt8, 0.9994}});
  Record(Isa::kAmx).Add({{Precision::kInt8, 0.9996}});
  EXPECT_EQ(ByName(Record(Isa::kAvx512Vnni).Read())["int8"], 0.9994);
  EXPECT_EQ(ByName(Record(Isa::kAmx).Read())["int8"], 0.9996);
}

TEST_F(PrecisionGate, NotANumberIsRemembered) {
  EXPECT_EQ(Take(std::nan(""), 0.9999), "int16");
  EXPECT_EQ(Take(std::nan(""), 0.9999), "int16");
  EXPECT_EQ(loads_.size(), 1u);
}

TEST_F(PrecisionGate, ARecordOfTheFirstFormIsRead) {
  Record().Add({{Precision::kInt8, 0.9994}, {Precision::kInt16, 0.9998}});
  std::string text = ReadAll(Records()[0]);
  text.replace(text.find("gate 2"), 6, "gate 1");
  text.erase(text.find("check "));
  std::ofstream(Records()[0], std::ios::trunc) << text;
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_EQ(loads_.size(), 1u) << text;
  Record().Add({{Precision::kBf16, 0.99996}});
  EXPECT_EQ(ByName(Record().Read()).size(), 3u);
}

TEST_F(PrecisionGate, AnyChangedByteMakesARecordThatIsMeasuredAgain) {
  Record().Add({{Precision::kInt8, 0.9994}, {Precision::kInt16, 0.9998}});
  const std::string whole = ReadAll(Records()[0]);
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const char flip : {1, 8}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      std::ofstream(Records()[0], std::ios::trunc) << damaged;
      EXPECT_TRUE(Record().Read().empty()) << "byte " << i << " of " << whole;
    }
  }
}

TEST_F(PrecisionGate, APrecisionTwiceOrAboveOneIsDamage) {
  Record().Add({{Precision::kInt8, 0.9994}});
  const std::string text = ReadAll(Records()[0]);
  const std::string head =
      text.substr(text.find('\n') + 1, text.find("int8") - text.find('\n') - 1);
  for (const char* lines : {"int8 0.9994\nint8 0.9\n", "int8 1.5\n", "int8 inf\n", "int7 0.9\n",
                            "int8\n", "int8 0.9 \n", "\n"}) {
    std::ofstream(Records()[0], std::ios::trunc) << "akin precision gate 1\n" << head << lines;
    EXPECT_TRUE(Record().Read().empty()) << lines;
  }
}

TEST_F(PrecisionGate, WritersAtOnceLeaveAWholeRecord) {
  const std::map<Precision, double> known{{Precision::kInt8, 0.9994},
                                          {Precision::kInt16, 0.9998},
                                          {Precision::kBf16, 0.99996},
                                          {Precision::kW8, 0.999}};
  const GateRecord record = Record();
  record.Add({{Precision::kBf16x3, 0.999999}});
  std::vector<std::jthread> writers;
  for (const auto& [precision, cosine] : known) {
    writers.emplace_back([&record, precision, cosine] {
      for (int i = 0; i < 100; ++i) record.Add({{precision, cosine}});
    });
  }
  for (int i = 0; i < 300; ++i) {
    const GateRecord::Cosines cosines = record.Read();
    EXPECT_FALSE(cosines.empty());
    for (const auto& [precision, cosine] : cosines)
      EXPECT_EQ(cosine, precision == Precision::kBf16x3 ? 0.999999 : known.at(precision));
  }
  writers.clear();
  EXPECT_EQ(Records().size(), 1u) << "nothing temporary is left";
  for (const auto& [precision, cosine] : known) record.Add({{precision, cosine}});
  EXPECT_GE(record.Read().size(), known.size());
}

// A process that does `work`, once `start` has no writer left.
template <typename Work>
pid_t StartProcess(int start, int other_end, Work work) {
  const pid_t process = fork();
  if (process != 0) return process;
  close(other_end);
  char nothing;
  while (read(start, &nothing, 1) > 0) {
  }
  work();
  _exit(0);
}

void ExpectEnds(pid_t process) {
  int status = -1;
  EXPECT_EQ(waitpid(process, &status, 0), process);
  EXPECT_EQ(status, 0);
}

TEST_F(PrecisionGate, ProcessesThatAddAtOnceLoseNothing) {
  const GateRecord record = Record();
  const GateRecord::Cosines known{{Precision::kInt8, 0.9994},
                                  {Precision::kInt16, 0.9998},
                                  {Precision::kBf16, 0.99996},
                                  {Precision::kW8, 0.999}};
  for (int round = 0; round < 20; ++round) {
    for (const fs::path& path : Records()) fs::remove(path);
    int start[2];
    ASSERT_EQ(pipe2(start, O_CLOEXEC), 0);
    std::vector<pid_t> writers;
    for (const GateRecord::Cosine& cosine : known) {
      const pid_t writer = StartProcess(start[0], start[1], [&] { record.Add({cosine}); });
      if (writer > 0) writers.push_back(writer);
    }
    close(start[0]);
    close(start[1]);
    for (const pid_t writer : writers) ExpectEnds(writer);
    ASSERT_EQ(writers.size(), known.size());
    ASSERT_EQ(record.Read().size(), known.size()) << "round " << round;
  }
}

TEST_F(PrecisionGate, WhoAddsWaitsForTheOneThatWrites) {
  const GateRecord record = Record();
  record.Add({{Precision::kInt8, 0.9994}});
  const fs::path path = Records().at(0);
  const std::string content = ReadAll(path);
  fs::remove(path);
  // Somebody else has read that there is nothing, and takes a while to write what he adds.
  UniqueFd lock(open((cache_ / "precision" / GateRecord::kLockName).c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(flock(lock.get(), LOCK_EX), 0);
  std::jthread writer([&] { record.Add({{Precision::kInt16, 0.9998}}); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::ofstream(path, std::ios::trunc) << content;
  lock = UniqueFd();
  writer.join();
  EXPECT_EQ(ByName(record.Read()),
            (std::map<std::string, double>{{"int8", 0.9994}, {"int16", 0.9998}}));
}

TEST_F(PrecisionGate, ALockThatIsNeverFreeCostsTimeOnly) {
  const GateRecord record = Record();
  record.Add({{Precision::kInt8, 0.9994}});
  const UniqueFd lock(
      open((cache_ / "precision" / GateRecord::kLockName).c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(flock(lock.get(), LOCK_EX), 0);
  record.Add({{Precision::kInt16, 0.9998}});
  EXPECT_EQ(record.Read().size(), 2u);
}

TEST_F(PrecisionGate, ALockThatCannotBeMadeCostsNothing) {
  fs::create_directories(cache_ / "precision" / GateRecord::kLockName);
  const auto begin = std::chrono::steady_clock::now();
  Record().Add({{Precision::kInt8, 0.9994}});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, GateRecord::kLongestWait);
  EXPECT_EQ(Record().Read().size(), 1u);
}

struct CommaAndGroups : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

// C's and C++'s locale as long as it lives: of German, if the system has it or can make it in
// `folder`.
class ScopedGerman {
 public:
  explicit ScopedGerman(const fs::path& folder)
      : before_(std::locale::global(std::locale(std::locale::classic(), new CommaAndGroups))) {
    for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "de_DE"}) {
      if (std::setlocale(LC_ALL, name) != nullptr) return;
    }
    const std::string name = folder / "de_DE.UTF-8";
    const std::string command =
        StrCat("localedef -c -i de_DE -f UTF-8 '", name, "' >/dev/null 2>&1");
    [[maybe_unused]] const int status = std::system(command.c_str());
    setenv("LOCPATH", folder.c_str(), 1);
    std::setlocale(LC_ALL, "de_DE.UTF-8");
  }
  ~ScopedGerman() {
    unsetenv("LOCPATH");
    std::locale::global(before_);
    std::setlocale(LC_ALL, "C");
  }
  ScopedGerman(const ScopedGerman&) = delete;
  ScopedGerman& operator=(const ScopedGerman&) = delete;

  bool of_c() const { return *std::localeconv()->decimal_point == ','; }

 private:
  const std::locale before_;
};

TEST_F(PrecisionGate, ACommaAsDecimalPointChangesNoRecord) {
  const GateRecord::Cosines cosines{{Precision::kInt8, 0.9994}, {Precision::kInt16, 0.99981}};
  const auto expected = ByName(cosines);
  Record().Add(cosines);
  const std::string content = ReadAll(Records().at(0));
  const TemporaryFolder locales;
  const ScopedGerman german(locales.path());
  std::ostringstream comma;
  comma << 1234.5;
  ASSERT_EQ(comma.str(), "1.234,5");
  EXPECT_EQ(ByName(Record().Read()), expected) << "of another locale";
  fs::remove(Records().at(0));
  Record().Add(cosines);
  EXPECT_EQ(ReadAll(Records().at(0)), content);
  EXPECT_EQ(ByName(Record().Read()), expected);
  if (!german.of_c()) GTEST_SKIP() << "C++'s locale only: no German one here, nor can it be made";
}

// Of a model, with what hashes to `i`.
std::string RecordName(size_t i) {
  char name[32];
  std::snprintf(name, sizeof name, "precision/%016zx.txt", i);
  return name;
}

TEST_F(PrecisionGate, TheFolderIsBoundedAndTheOldestGo) {
  constexpr size_t kOld = 20;
  const auto now = fs::file_time_type::clock::now();
  for (size_t i = 0; i < GateRecord::kMostFiles + kOld; ++i) {
    // Some of writers that have died.
    const std::string name = RecordName(i) + (i % 2 == 0 ? "" : ".a1B2c3");
    cache_.Write(name, "of another model");
    fs::last_write_time(cache_ / name, now - std::chrono::hours(i < kOld ? 48 : 24));
  }
  Record().Add({{Precision::kInt8, 0.9994}});
  EXPECT_EQ(Records().size(), GateRecord::kMostFiles);
  EXPECT_EQ(Record().Read().size(), 1u);
  for (size_t i = 0; i < kOld; ++i)
    EXPECT_FALSE(fs::exists(cache_ / (RecordName(i) + (i % 2 == 0 ? "" : ".a1B2c3")))) << i;
}

TEST_F(PrecisionGate, WhatElseIsInTheFolderStaysThere) {
  const std::vector<std::string> others = {"thesis.txt", "0123456789abcdef", "0123456789abcde.txt",
                                           "0123456789abcdef0.txt", "0123456789ABCDEF.txt"};
  const auto now = fs::file_time_type::clock::now();
  for (const std::string& name : others) {
    cache_.Write("precision/" + name, "of somebody");
    fs::last_write_time(cache_ / ("precision/" + name), now - std::chrono::hours(48));
  }
  for (size_t i = 0; i < GateRecord::kMostFiles; ++i) cache_.Write(RecordName(i), "");
  Record().Add({{Precision::kInt8, 0.9994}});
  EXPECT_EQ(Records().size(), GateRecord::kMostFiles + others.size());
  for (const std::string& name : others) EXPECT_TRUE(fs::exists(cache_ / ("precision/" + name)));
}

TEST_F(PrecisionGate, ARecordIsForWhoeverMayReadTheFolder) {
  Record().Add({{Precision::kInt8, 0.9994}});
  EXPECT_EQ(fs::status(Records()[0]).permissions(), fs::perms{0644});
}

TEST_F(PrecisionGate, JustBelowTheBoundIsBelowItWhenItIsReadToo) {
  const double below = std::nextafter(0.9995, 0.0);
  Record().Add({{Precision::kInt8, below}, {Precision::kInt16, -std::nan("")}});
  const GateRecord::Cosines read = Record().Read();
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].cosine, below);
  EXPECT_TRUE(std::isnan(read[1].cosine));
  EXPECT_EQ(Take(0.9998, 0.9998), "f32");
}

TEST_F(PrecisionGate, ACacheThatCannotBeWrittenCostsTimeOnly) {
  std::ofstream(cache_ / "precision") << "a file where the folder should be";
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_EQ(Take(0.9994, 0.9998), "int16");
  EXPECT_EQ(loads_[Precision::kF32], 1);
}

}  // namespace
}  // namespace akin::engine
