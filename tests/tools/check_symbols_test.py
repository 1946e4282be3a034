import pathlib
import platform
import shutil
import subprocess
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_symbols.sh"

SOURCE = """
%s float Sum(const float* x) {
  float s = 0;
  for (int i = 0; i < 8; ++i) s += x[i];
  return s;
}
float Use(const float* x) { return Sum(x); }
"""
AVX = '__attribute__((target("avx512f"), noinline))'


@unittest.skipUnless(platform.machine() == "x86_64", "x86-64 only")
class CheckSymbols(unittest.TestCase):
    def run_on(self, attributes):
        compiler = shutil.which("g++") or shutil.which("c++")
        if compiler is None:
            self.skipTest("no g++ on the path")
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "x.cc"
            source.write_text(SOURCE % attributes, encoding="utf-8")
            subprocess.run([compiler, "-O1", "-c", source, "-o", folder + "/x.o"], check=True)
            return subprocess.run(["sh", SCRIPT, folder], capture_output=True, text=True, check=False)

    def test_a_weak_function_with_vector_code_is_found(self):
        result = self.run_on(AVX + " inline")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("Sum(float const*)", result.stdout)

    def test_a_function_of_its_own_file_may_have_it(self):
        result = self.run_on(AVX + " static")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_weak_function_without_it_is_fine(self):
        result = self.run_on("__attribute__((noinline)) inline")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_folder_without_objects_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(["sh", SCRIPT, folder], capture_output=True, check=False)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    unittest.main()
