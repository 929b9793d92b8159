"""Each pinned behaviour of the specifications is asserted by a test, or docs/compatibility.md says why not.

    python -m unittest discover -s tests/python
"""

import pathlib
import tempfile
import unittest

import vectors


class Vectors(unittest.TestCase):
    def test_each_is_accounted_for(self):
        self.assertEqual([], vectors.faults())

    def test_texts_of_tests_alone_count(self):
        code = '// I-1\n/* "I-2" */ let x = \'"\'; f("I-3: {x}", r#"I-4 "quoted""#, "\\"I-5"); // "I-6"\n'
        self.assertEqual(["I-3", "I-4", "I-5"], [n for text in vectors.texts(code) for n in vectors.NUMBER.findall(text)])
        path = pathlib.PurePath("web/src/keys.rs")
        self.assertEqual("", vectors.test_code(path, 'f("I-1");'))
        self.assertIn("I-2", vectors.test_code(path, 'f("I-1");\n#[cfg(test)]\nmod tests {\n g("I-2"); }'))

    def test_what_is_forgotten_or_untrue_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "docs").mkdir()
            (root / "web" / "tests").mkdir(parents=True)
            (root / "web" / "tests" / "a.rs").write_text('check("I-1", "O-3", "I-99");')
            rows = [
                vectors.TITLE,
                "| I-1, I-2 | as specified | `web/tests/a.rs` |",
                "| I-3 | as specified | somewhere |",
                "| O-1 | does not apply | no |",
                "| O-2 | nonsense | there is no such class |",
                "| O-3 | does not apply | there is no such table |",
            ]
            (root / "docs" / "compatibility.md").write_text("\n".join(rows))
            found = vectors.faults(root)
            for part in ("I-99: there is no", "I-2: web/tests/a.rs does not", "I-3: the table names no", "a reason, and no test",
                         "unknown class `nonsense`", "O-3: does not apply, but", "I-4 is not in the table", "O-82 is not in"):
                self.assertTrue(any(part in fault for fault in found), f"{part}: {found}")
            self.assertFalse(any(fault.startswith(("I-1:", "I-1 ")) for fault in found), found)


if __name__ == "__main__":
    unittest.main()
