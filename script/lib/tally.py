#!/usr/bin/python3
"""Counts what a test runner did, and shows what failed.

    tally.py automake BUILD_DIR     the .trs and .log files of "make check"
    tally.py junit FILE             pytest's --junit-xml
    tally.py lines FILE             lines "ok NAME", "FAILED NAME" or "not ok
                            NAME", "skipped NAME"

Prints the end of the output of each failure, and as its last line three
numbers: passed, failed, skipped.
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

TAIL_LINES = 40


def show(name, text):
    print(f"FAILED {name}")
    for line in text.rstrip().splitlines()[-TAIL_LINES:]:
        print(f"    {line}")


def cmocka_counts(text):
    """Cases of one cmocka program: [passed, failed, skipped]."""
    counts = []
    for word in ("PASSED", "FAILED", "SKIPPED"):
        found = re.findall(
            rf"^\[ *{word} *\] (?:tests: )?(\d+) test\(s\)", text, re.MULTILINE)
        counts.append(sum(map(int, found)))
    return counts


def automake(folder):
    total = [0, 0, 0]
    for trs in sorted(pathlib.Path(folder).rglob("*.trs")):
        results = re.findall(r"^:test-result: (\w+)", trs.read_text(),
                             re.MULTILINE)
        log = trs.with_suffix(".log")
        text = log.read_text(errors="replace") if log.exists() else ""
        good = bool(results) and all(r in ("PASS", "XFAIL", "SKIP") for r in results)
        counts = cmocka_counts(text)
        if not any(counts):
            counts = [results.count("PASS") + results.count("XFAIL"), 0,
                      results.count("SKIP")]
        if not good:
            # A crash or a sanitizer's report comes on top of the cases.
            counts[1] = max(counts[1], 1)
            show(trs.stem, text)
        total = [a + b for a, b in zip(total, counts)]
    return total


def junit(path):
    total = [0, 0, 0]
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        show(path, f"no readable report: {error}")
        return [0, 1, 0]
    for case in root.iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        bad = [c for c in case if c.tag in ("failure", "error")]
        if bad:
            total[1] += 1
            for one in bad:
                show(name, one.text or one.get("message") or "")
        elif case.find("skipped") is not None:
            total[2] += 1
            print(f"skipped {name}: {case.find('skipped').get('message')}")
        else:
            total[0] += 1
    return total


def lines(path):
    words = [line.split(" ", 1)[0]
             for line in pathlib.Path(path).read_text().splitlines()]
    return [words.count("ok"), words.count("FAILED") + words.count("not"),
            words.count("skipped")]


def main():
    kinds = {"automake": automake, "junit": junit, "lines": lines}
    if len(sys.argv) != 3 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    print(*kinds[sys.argv[1]](sys.argv[2]))


main()
