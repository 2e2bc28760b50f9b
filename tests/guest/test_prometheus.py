# SPDX-License-Identifier: Apache-2.0
"""What the operator's guide says about Prometheus, with Debian's: the rules and the first graph."""
import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

from lib import run, wait_until

DATA = pathlib.Path("/usr/share/tariff")
HERE = pathlib.Path(__file__).resolve().parent


class Prometheus(unittest.TestCase):
    TIMEOUT_S = 400  # Prometheus is a large program for an emulated CPU

    def test_the_alert_rules_are_right(self):
        with tempfile.TemporaryDirectory() as folder:
            for path in (DATA / "prometheus/alerts.yaml", HERE / "alerts_test.yaml"):
                shutil.copy(path, folder)
            print(run("promtool", "check", "rules", "alerts.yaml", cwd=folder))
            print(run("promtool", "test", "rules", "alerts_test.yaml", cwd=folder))

    def test_prometheus_draws_a_graph_as_the_guide_says(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(DATA / "prometheus/alerts.yaml", folder + "/tariff-alerts.yaml")
            pathlib.Path(folder, "prometheus.yml").write_text(
                "global: {scrape_interval: 2s}\nrule_files: [tariff-alerts.yaml]\n"
                "scrape_configs:\n  - job_name: tariff\n    static_configs:\n"
                "      - targets: ['localhost:9464']\n")
            server = subprocess.Popen(
                ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                 "--web.listen-address=127.0.0.1:9090"], cwd=folder,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                def classes():
                    query = "http://127.0.0.1:9090/api/v1/query?query=tariff_jobs_running"
                    with contextlib.suppress(OSError):
                        with urllib.request.urlopen(query, timeout=20) as reply:
                            rows = json.load(reply)["data"]["result"]
                            return {row["metric"]["class"] for row in rows}
                found = wait_until(classes, timeout=300, what="series in Prometheus")
                self.assertIn("critical", found)
            finally:
                server.kill()
                server.wait()
