"""The pinned behaviours of the specifications: which tests assert them, and what docs/compatibility.md says of them.

A number is `I-1` to `I-72` (ingestion) or `O-1` to `O-82` (OpenTelemetry). In a test it stands in a text: a table's first
column or an assertion's message. Comments do not count, nor does code that is no test.
"""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[2]
NUMBERS = [f"I-{number}" for number in range(1, 73)] + [f"O-{number}" for number in range(1, 83)]
NUMBER = re.compile(r"\b[IO]-\d+\b")
TITLE = "## The pinned behaviours, one by one"
# What a row may say of a number, and whether a test must assert it.
CLASSES = {"as specified": True, "deviates": True, "does not apply": False, "open": False}
RUST_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|r(#*)"(.*?)"\1|"((?:\\.|[^"\\])*)"|\'(?:\\.|[^\'\\])\'', re.DOTALL)


def is_test_file(path):
    return "tests" in path.parts or path.stem.endswith("tests") or "vectors" in path.parts


def test_code(path, text):
    """The part of a Rust file that is tests."""
    if is_test_file(path):
        return text
    _, mark, tests = text.partition("#[cfg(test)]\nmod tests {")
    return mark and tests


def texts(code):
    """The texts within Rust code, comments aside."""
    for match in RUST_TEXT.finditer(code):
        yield match.group(2) or match.group(3) or ""


def tested(root=ROOT):
    """The files that assert each number."""
    found = {}
    for crate in ("model", "operators", "sources", "sinks", "warehouse", "web", "pipeline", "tests"):
        for path in sorted((root / crate).rglob("*.rs")):
            relative = path.relative_to(root)
            for text in texts(test_code(relative, path.read_text())):
                for number in NUMBER.findall(text):
                    found.setdefault(number, set()).add(relative.as_posix())
    return found


def documented(root=ROOT):
    """(numbers, class, remark, line) of each row of the table."""
    text = (root / "docs" / "compatibility.md").read_text()
    _, _, section = text.partition(TITLE)
    for line in section.split("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and NUMBER.match(cells[0]):
            yield NUMBER.findall(cells[0]), cells[1], cells[2], line


def faults(root=ROOT):
    """What is wrong between the numbers, the tests and the table."""
    asserted, seen, found = tested(root), {}, []
    found += [f"{number}: there is no such number, but {sorted(files)} name it" for number, files in asserted.items() if number not in NUMBERS]
    for numbers, kind, remark, line in documented(root):
        if kind not in CLASSES:
            found.append(f"unknown class `{kind}`: {line}")
            continue
        files = re.findall(r"`([^`]+\.rs)`", remark)
        if not CLASSES[kind] and (files or len(remark) < 10):
            found.append(f"a reason, and no test, is expected: {line}")
        for number in numbers:
            if number in seen:
                found.append(f"{number} is in the table twice")
            seen[number] = kind
            here = asserted.get(number, set())
            if CLASSES[kind] and not files:
                found.append(f"{number}: the table names no test")
            found += [f"{number}: {file} does not assert it" for file in files if file not in here]
            if not CLASSES[kind] and here:
                found.append(f"{number}: {kind}, but {sorted(here)} assert it")
    for number in NUMBERS:
        if number not in seen:
            places = sorted(asserted.get(number, ()))
            found.append(f"{number} is not in the table of docs/compatibility.md; tests: {places or 'none'}")
    return found
