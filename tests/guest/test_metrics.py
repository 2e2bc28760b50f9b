# SPDX-License-Identifier: Apache-2.0
"""The metrics page: what it counts, and that no scraper can hurt the agent."""
import contextlib
import json
import os
import pathlib
import re
import socket
import stat
import time
import unittest
import urllib.error
import urllib.request

from lib import ctl, functions, main_pid, place, run, systemctl, wait_until

CPUS = (1, 2)
PORT = 9464
DATA = pathlib.Path("/usr/share/tariff")
CONFIG = pathlib.Path("/etc/tariff/tariffd.yaml")
FUNCTIONS = """
  - {name: metrics-ok, class: critical, argv: [/bin/true]}
  - {name: metrics-fails, class: standard, argv: [/bin/false]}
  - {name: metrics-sleeps, class: bulk, argv: [/bin/sleep, '1000']}
"""


def scrape(path="/metrics"):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=20) as page:
        return page.read().decode()


def values(text=None):
    """The page as {'name{labels}': number}."""
    lines = [line for line in (text or scrape()).splitlines() if not line.startswith("#")]
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


@contextlib.contextmanager
def restarted_with(yaml):
    """The agent with more configuration."""
    before = CONFIG.read_text()
    CONFIG.write_text(before + yaml)
    try:
        systemctl("restart", "tariffd")
        yield
    finally:
        CONFIG.write_text(before)
        systemctl("restart", "tariffd")


class Page(unittest.TestCase):
    def test_counts_move_by_what_was_done(self):
        with functions("metrics", FUNCTIONS):
            before = values()
            run("tariffctl", "run", "metrics-ok", "--payload", "")
            run("tariffctl", "run", "metrics-fails", "--payload", "", status=1)
            run("tariffctl", "run", "metrics-unknown", "--payload", "", status=127)
            sleeper = place("metrics-sleeps")
            time.sleep(0.3)  # a page may be 200 ms old
            after = values()
            moved = {name: value - before[name] for name, value in after.items() if name in before}
            for name in ('tariff_jobs_ended_total{class="critical",reason="ok"}',
                         'tariff_jobs_ended_total{class="standard",reason="exited"}',
                         'tariff_placements_accepted_total{class="bulk"}',
                         'tariff_placements_refused_total{reason="unknown_function"}',
                         'tariff_job_latency_seconds_count{class="critical"}',
                         'tariff_job_slowdown_ratio_count{class="critical"}',
                         'tariff_job_hop_seconds_count{class="critical",hop="launch"}',
                         'tariff_jobs_running{class="bulk"}'):
                self.assertEqual(moved[name], 1, name)
            self.assertGreater(moved['tariff_cpu_seconds_total{class="critical"}'], 0)
            self.assertGreater(moved['tariff_billed_cost_microcents_total{class="critical"}'], 0)
            self.assertGreater(after['tariff_memory_bytes{class="bulk"}'], 0)
            run("tariffctl", "cancel", sleeper)
            wait_until(lambda: values()['tariff_jobs_ended_total{class="bulk",reason="cancelled"}'],
                       what="the cancelled job on the page")

    def test_steps_add_up_to_the_latency(self):
        with functions("metrics", FUNCTIONS):
            run("tariffctl", "run", "metrics-ok", "--payload", "")
            text = scrape()
            total = sum(value for name, value in values(text).items()
                        if name.startswith('tariff_job_hop_seconds_sum{class="critical"'))
            latency = values(text)['tariff_job_latency_seconds_sum{class="critical"}']
            self.assertAlmostEqual(total, latency, delta=0.01 * latency)

    def test_the_number_of_series_is_bounded(self):
        self.assertLess(len(values()), 1500)
        self.assertNotIn("metrics-ok", scrape())  # nothing is labelled by function

    def test_every_metric_of_rules_and_dashboard_is_on_the_page(self):
        page = set(re.findall(r"^(tariff_\w+)", scrape(), re.M))
        for path in (DATA / "prometheus/alerts.yaml", DATA / "grafana/tariff.json"):
            used = set(re.findall(r"\btariff_\w+", path.read_text()))
            self.assertEqual(used - page, set(), path)
            self.assertGreater(len(used), 8)
        dashboard = json.loads((DATA / "grafana/tariff.json").read_text())
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))

    def test_promtool_finds_nothing_to_mend(self):
        done = run("sh", "-c", f"promtool check metrics <<'END'\n{scrape()}END\n")
        self.assertEqual(done, "")

    def test_other_requests_are_answered_and_change_nothing(self):
        for path, code in (("/", 404), ("/metrics/x", 404)):
            with self.assertRaises(urllib.error.HTTPError) as raised:
                scrape(path)
            self.assertEqual(raised.exception.code, code)
        for request, code in ((b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b" 405 "),
                              (b"\0\1\2\r\n\r\n", b" 400 "),
                              (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 20000, b" 400 ")):
            with socket.create_connection(("127.0.0.1", PORT), timeout=20) as connection:
                connection.sendall(request)
                self.assertIn(code, connection.recv(100))


class Costs(unittest.TestCase):
    def test_its_thread_is_an_ordinary_one_and_the_loop_is_not(self):
        tasks = pathlib.Path(f"/proc/{main_pid('tariffd')}/task")
        wait_until(lambda: "metrics" in {(task / "comm").read_text().strip()
                                         for task in tasks.iterdir()}, what="the thread")
        policies = {(task / "comm").read_text().strip(): os.sched_getscheduler(int(task.name))
                    for task in tasks.iterdir()}
        self.assertEqual(policies["metrics"], os.SCHED_OTHER)
        self.assertEqual(policies["tariffd"], os.SCHED_FIFO)

    def test_a_hundred_scrapers_that_never_read_cost_only_themselves(self):
        fds = pathlib.Path(f"/proc/{main_pid('tariffd')}/fd")
        before = len(list(fds.iterdir()))
        with contextlib.ExitStack() as stack:
            for i in range(100):
                slow = stack.enter_context(socket.socket())
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                slow.connect(("127.0.0.1", PORT))
                slow.sendall((b"GET /metrics HTTP/1.1\r\n\r\n", b"GET /met", b"")[i % 3])
            self.assertIn("tariff_build_info", scrape())
            start = time.monotonic()
            ctl("poll")
            print(f"poll took {time.monotonic() - start:.2f} s")
            self.assertLess(len(list(fds.iterdir())) - before, 80)
            # Whoever does not ask or read is given up.
            wait_until(lambda: len(list(fds.iterdir())) - before < 10, what="the end of the slow")
        self.assertIn("tariff_build_info", scrape())


class Places(unittest.TestCase):
    def test_a_unix_socket_is_for_the_group(self):
        path = pathlib.Path("/run/tariff/metrics.sock")
        with restarted_with("\nmetrics: {listen: /run/tariff/metrics.sock}\n"):
            wait_until(path.is_socket, what="the socket")
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)
            self.assertEqual(path.group(), "tariff")
            self.assertEqual(ctl("status")["metrics_listen"], str(path))
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(20)
                connection.connect(str(path))
                connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 OK"))
            with self.assertRaises(urllib.error.URLError):
                scrape()

    def test_a_port_that_is_taken_is_a_warning(self):
        with socket.create_server(("127.0.0.1", 9465)):
            with restarted_with("\nmetrics: {listen: '127.0.0.1:9465'}\n"):
                self.assertEqual(ctl("status")["metrics_listen"], "")
                said = run("journalctl", "-b", "-u", "tariffd", "-n", "30", "-o", "cat")
                self.assertIn("metrics are not served: cannot listen on 127.0.0.1:9465", said)
