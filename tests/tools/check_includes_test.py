import pathlib
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import check_includes  # noqa: E402


class CheckIncludes(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.write("src/base/CMakeLists.txt", "akin_folder(base SOURCES a.cc)")
        self.write("src/model/CMakeLists.txt", "akin_folder(model\n  SOURCES m.cc\n  DEPS akin_base)")
        self.write("src/backends/native/CMakeLists.txt",
                   "akin_folder(backends_native SOURCES n.cc DEPS akin_model)")
        self.write("src/base/a.cc", '#include "akin/result.h"\n#include "base/a.h"\n#include <vector>\n')
        self.write("src/model/m.cc", '#include "base/a.h"\n')
        self.write("include/akin/result.h", '#include "akin/options.h"\n')

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def test_includes_along_the_arrows_are_fine(self):
        self.assertEqual(check_includes.check(self.root), [])

    def test_an_include_upwards_is_found(self):
        self.write("src/base/a.cc", '\n#include "model/m.h"\n')
        self.assertEqual(check_includes.check(self.root),
                         ['src/base/a.cc:2: base may not include "model/m.h"'])

    def test_a_dependency_of_a_dependency_must_be_named(self):
        self.write("src/backends/native/n.cc", '#include "base/a.h"\n')
        self.assertEqual(len(check_includes.check(self.root)), 1)

    def test_a_public_header_may_not_see_the_inside(self):
        self.write("include/akin/result.h", '#include "base/a.h"\n')
        self.assertEqual(len(check_includes.check(self.root)), 1)

    def test_the_command_line_sees_only_the_public_interface(self):
        self.write("src/cli/CMakeLists.txt", "add_executable(x main.cc)")
        self.write("src/cli/main.cc", '#include "akin/result.h"\n#include "cli/app.h"\n')
        self.assertEqual(check_includes.check(self.root), [])
        self.write("src/cli/main.cc", '#include "base/a.h"\n')
        self.assertEqual(len(check_includes.check(self.root)), 1)

    def test_what_protocols_share_sees_none_of_them(self):
        self.write("src/server/http/a.cc", '#include "server/budgets/b.h"\n#include "server/app.h"\n')
        self.write("src/server/budgets/b.cc", '#include "server/budgets/b.h"\n#include "server/text.h"\n')
        self.assertEqual(check_includes.check(self.root), [])
        self.write("src/server/budgets/b.cc", '#include "server/http/a.h"\n#include "server/app.h"\n')
        self.assertEqual(len(check_includes.check(self.root)), 2)

    def test_a_header_above_folders_is_their_interface(self):
        self.write("src/backends/backend.h", '#include "model/m.h"\n')
        self.write("src/backends/native/n.cc", '#include "backends/backend.h"\n')
        self.assertEqual(check_includes.check(self.root), [])
        self.write("src/backends/backend.h", '#include "base/a.h"\n')
        self.write("src/model/m.cc", '#include "backends/backend.h"\n')
        self.assertEqual(len(check_includes.check(self.root)), 2)


if __name__ == "__main__":
    unittest.main()
