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
MULTIPLY = """
void Multiply() { __asm__ volatile("%s vpdpwssd %%ymm0, %%ymm0, %%ymm1"); }
"""


@unittest.skipUnless(platform.machine() == "x86_64", "x86-64 only")
class CheckSymbols(unittest.TestCase):
    def run_on(self, attributes):
        return self.run_on_file("x", SOURCE % attributes)

    def run_on_file(self, name, text):
        compiler = shutil.which("g++") or shutil.which("c++")
        if compiler is None:
            self.skipTest("no g++ on the path")
        with tempfile.TemporaryDirectory() as folder:
            source, compiled = (pathlib.Path(folder) / (name + end) for end in (".cc", ".o"))
            source.parent.mkdir(exist_ok=True)
            source.write_text(text, encoding="utf-8")
            subprocess.run([compiler, "-O1", "-c", source, "-o", compiled], check=True)
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

    def test_products_of_avx_vnni_stand_in_the_files_of_its_tier_only(self):
        result = self.run_on_file("avx2/integers", MULTIPLY % "{vex}")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("Multiply(): {vex} vpdpwssd %ymm0,%ymm0,%ymm1: AVX-VNNI", result.stdout)
        for name in "avx2/vnni", "machine_peak":
            result = self.run_on_file(name, MULTIPLY % "{vex}")
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_what_avx2_has_is_not_encoded_for_avx512(self):
        result = self.run_on_file("avx2/vnni", MULTIPLY % "")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.assertIn("Multiply(): vpdpwssd %ymm0,%ymm0,%ymm1: AVX-512 outside", result.stdout)
        for name in "avx512/integers", "machine_peak":
            result = self.run_on_file(name, MULTIPLY % "")
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_folder_without_objects_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(["sh", SCRIPT, folder], capture_output=True, check=False)
        self.assertEqual(result.returncode, 2)


if __name__ == "__main__":
    unittest.main()
