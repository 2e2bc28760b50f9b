# SPDX-License-Identifier: Apache-2.0
"""The example functions, as installed by tariff-examples: each is run by its class and its result
checked against something that was not made by it."""
import collections
import html.parser
import json
import pathlib
import re
import struct
import subprocess
import unittest

SHARE = pathlib.Path("/usr/share/tariff/examples/web")
COUNT_WORDS = "/usr/lib/tariff/examples/functions/count-words"
LICENCES = pathlib.Path("/usr/share/common-licenses")
TIMEOUT_S = 180  # emulated guests start python in seconds


def run(function, payload=b"", status=0):
    """The result and the record of one job."""
    done = subprocess.run(["tariffctl", "run", function, "--payload-file", "-", "--keep", "--detach"],
                          input=payload, capture_output=True, timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    job = done.stdout.decode().strip()
    done = subprocess.run(["tariffctl", "wait", job, "--keep"], capture_output=True,
                          timeout=TIMEOUT_S)
    record = json.loads(subprocess.run(["tariffctl", "job", job, "--json"], capture_output=True,
                                       timeout=TIMEOUT_S, check=True).stdout)
    assert done.returncode == status, (done, record)
    return done.stdout, record


def jpeg_size(data):
    """(width, height) from the frame header of a JPEG."""
    assert data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9", data[:16]
    at = 2
    while True:
        marker, length = data[at + 1], struct.unpack(">H", data[at + 2:at + 4])[0]
        if marker in (0xC0, 0xC1, 0xC2):
            height, width = struct.unpack(">HH", data[at + 5:at + 9])
            return width, height
        at += 2 + length


class Page(html.parser.HTMLParser):
    """Checks that tags nest, and keeps the text by tag."""
    EMPTY = {"meta", "img"}

    def __init__(self, text):
        super().__init__()
        self.open, self.texts = [], collections.defaultdict(list)
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and data.strip():
            self.texts[self.open[-1]].append(data.strip())


class WebApplication(unittest.TestCase):
    def test_home_greets_its_visitor_and_shows_every_book(self):
        result, record = run("home", b'{"user": "ada"}')
        page = Page(result.decode())
        books = json.loads((SHARE / "shop.json").read_text())["books"]
        self.assertIn("Welcome, Ada!", page.texts["p"])
        self.assertEqual(len(re.findall(rb"<article ", result)), len(books))
        for book in books:
            self.assertIn(book["title"], page.texts["a"])
        self.assertEqual(record["class_run"], "critical")
        self.assertEqual(record["class_billed"], "critical")

    def test_home_works_as_long_as_it_is_told_to(self):
        run("home")  # the first one reads the program from the disk
        _, short = run("home")
        _, long = run("home", b'{"work_ms": 300}')
        self.assertGreaterEqual(long["cpu_us"], 300_000)
        self.assertLess(short["cpu_us"], long["cpu_us"])
        self.assertGreater(float(long["cost"]), 2 * 0.3 * 0.99)  # micro-cents: price 2, 0.3 s

    def test_profile_is_the_same_page_in_cpp_and_in_python(self):
        for user in ("ada", "edsger", "nobody <&>"):
            payload = json.dumps({"user": user}).encode()
            result, record = run("profile", payload)
            Page(result.decode())
            self.assertEqual(result, run("profile-py", payload)[0])
            self.assertEqual(record["class_run"], "standard")

    def test_a_page_refuses_a_payload_that_is_not_its(self):
        for function in ("home", "profile", "profile-py"):
            run(function, b"{", status=2)

    def test_resize_makes_thumbnails(self):
        result, record = run("resize")
        self.assertEqual(jpeg_size(result), (320, 240))
        self.assertEqual(record["class_run"], "bulk")
        self.assertEqual(jpeg_size(run("resize", b"100x75\n")[0]), (100, 75))
        picture = (SHARE / "picture.png").read_bytes()
        self.assertEqual(jpeg_size(run("resize", picture)[0]), (320, 240))
        self.assertEqual(jpeg_size(run("resize", result)[0]), (320, 240))

    def test_resize_refuses_what_is_no_picture(self):
        for payload in (b"push graphic-context", b"100x", b"100x75;id", b"<svg/>"):
            run("resize", payload, status=2)


class SmallFunctions(unittest.TestCase):
    def test_hello_sleeps_twenty_milliseconds(self):
        result, record = run("hello", b"Ada\n")
        self.assertEqual(result, b"hello, Ada\n")
        self.assertGreaterEqual(record["main_exited_ns"] - record["first_ran_ns"], 20_000_000)
        self.assertEqual(run("hello")[0], b"hello, world\n")

    def test_noop_does_nothing(self):
        result, record = run("noop")
        self.assertEqual(result, b"")
        self.assertEqual(record["end_reason"], "exited")

    def test_spin_uses_what_it_is_told_to(self):
        result, record = run("spin", b"cpu_ms=200")
        self.assertRegex(result.decode(), r"^iterations=\d+ cpu_ms=\d+\.\d+ checksum=[0-9a-f]{16}$")
        self.assertGreaterEqual(record["cpu_us"], 200_000)
        self.assertEqual(record["class_run"], "bulk")
        checksums = {run("spin", b"iterations=100000")[0].split()[2] for _ in range(2)}
        self.assertEqual(len(checksums), 1)
        run("spin", b"forever", status=2)

    def test_wordcount_counts_as_a_counter_does(self):
        files = [file for file in sorted(LICENCES.iterdir()) if not file.is_symlink()]
        done = subprocess.run([COUNT_WORDS], capture_output=True, timeout=TIMEOUT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = collections.Counter()
        for file in files:
            expected.update(re.findall(r"[a-z]+", file.read_text(errors="replace").lower()))
        self.assertEqual(json.loads(done.stdout), dict(expected))
        self.assertGreater(sum(expected.values()), 10_000)


class Initialised(unittest.TestCase):
    def test_the_helpers_of_each_language_mark_the_end_of_initialisation(self):
        for function in ("hello", "home", "profile-py", "resize", "wordcount-map"):
            _, record = run(function, b"{}" if function in ("home", "profile-py") else b"")
            self.assertEqual(record["initialised_by"], "marker", function)
            self.assertLessEqual(record["first_ran_ns"], record["initialised_ns"], function)
            self.assertLessEqual(record["initialised_ns"], record["main_exited_ns"], function)

    def test_a_function_that_never_reads_has_no_initialisation(self):
        _, record = run("noop", b"payload")
        self.assertEqual(record["initialised_by"], "unknown")
        self.assertEqual(record["initialised_ns"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
