# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prometheus, as examples/monitoring sets it up, with coordinators at work."""
import json
import math
import pathlib
import re
import shutil
import subprocess
import unittest
import urllib.parse
import urllib.request

from lib import procs, settings
from lib.host import free_ports
from lib.long_form import only_full
from lib.world import SystemTest
from test_evacuation import EvacuationBase

MONITORING = pathlib.Path(__file__).resolve().parents[2] / "examples" / "monitoring"
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
PARSER = pathlib.Path(__file__).parent / "lib" / "openmetrics.py"
SLOW = 1 << 20
# Needs frames of a guest with a network, which these guests do not have.
WITHOUT_VALUE = "migrd_move_network_outage_seconds_bucket"


def has(program):
    return shutil.which(program) is not None


class MetricsTest(SystemTest):
    @unittest.skipUnless(has("promtool"), "promtool is not installed: packages/setup ci")
    def test_both_formats_are_what_their_readers_want(self):
        guest = self.world.guest(area=0, memory_mib=32)
        guest.start(self.a, sweeps=0)
        self.world.move(guest, self.a, self.b)
        for host, peer in ((self.a, "b"), (self.b, "a")):
            self.eventually(f"{host} has heard {peer}", lambda host=host, peer=peer: (
                f'migrd_peer_up{{peer="{peer}"}} 1' in host.api.get("/metrics").decode()), 30)
        for host in (self.a, self.b):
            _, headers, text = host.api.send("GET", "/metrics")
            self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
            done = subprocess.run(["promtool", "check", "metrics"], input=text, check=False,
                                  capture_output=True)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))
            _, headers, open_text = host.api.send("GET", "/metrics", headers=OPENMETRICS)
            self.assertIn("application/openmetrics-text; version=1.0.0", headers["Content-Type"])
            read = json.loads(subprocess.run(["/usr/bin/python3", str(PARSER)],
                                             input=open_text, check=True,
                                             capture_output=True).stdout)
            # The table, the two formats and the answer have the same metrics.
            table = subprocess.run([host.program("migrd"), "--print-metrics"], check=True,
                                   capture_output=True, text=True).stdout
            names = re.findall(r"^\| `([a-z_]+)`", table, re.M)
            self.assertEqual({re.sub("_(total|info)$", "", name) for name in names},
                             set(read["families"]))
            self.assertEqual(set(re.findall(r"^# TYPE ([a-z_]+) ", text.decode(), re.M)), set(names))
            values = {(name, tuple(labels)): value for name, labels, value in read["samples"]}
            way = "out" if host is self.a else "in"
            self.assertEqual(values["migrd_moves_total", (way, "done", "precopy")], 1)
            self.assertEqual(values["migrd_vms", ("running",)], host is self.b)
            self.assertGreater(values["migrd_store_write_seconds_count", ()], 0)
            self.assertGreater(values["migrd_loop_turn_seconds_count", ()], 0)
            self.assertGreater(values["process_resident_memory_bytes", ()], 1 << 20)
            peer = "b" if host is self.a else "a"
            self.assertEqual(values["migrd_peer_up", (peer,)], 1)
        text = self.a.api.get("/metrics").decode()
        self.assertIn('migrd_peer_up{peer="b"} 1', text)
        self.assertLess(abs(float(re.search(
            r'migrd_peer_clock_ahead_seconds\{peer="b"\} (.*)', text)[1])), 2)


class BoardTest(EvacuationBase):
    """The board and the alerts of examples/monitoring with an evacuation under way."""
    timeout_seconds = 240

    def start_prometheus(self):
        """By the example, with a job for each host, as 127.0.0.1 is no name of a certificate."""
        (port,) = free_ports(1)
        directory = self.world.dir / "prometheus"
        directory.mkdir()
        pki = self.a.dir.parent
        subprocess.run([settings.program("migrctl"), "pki", "user", "prometheus", "--role", "viewer",
                        "--dir", str(pki)], check=True, capture_output=True)
        text = (MONITORING / "prometheus.yml").read_text(encoding="utf-8")
        text = text.replace("15s", "1s")
        head, job = text.split("  - job_name: migrd\n")
        for name, file in (("ca.pem", pki / "ca.pem"),
                           ("prometheus.pem", pki / "users" / "prometheus.pem"),
                           ("prometheus.key", pki / "users" / "prometheus.key")):
            self.assertIn(f"/etc/prometheus/migrd/{name}\n", job)
            job = job.replace(f"/etc/prometheus/migrd/{name}\n", f"{file}\n")
        jobs = []
        for host in self.world.hosts.values():
            own, count = re.subn(r"( +- )[abc]\.host\.migrd:8440\n", "", job)
            self.assertEqual(count, 3)
            own = own.replace("- targets:\n", f"- targets: ['127.0.0.1:{host.api_port}']\n"
                              f"        labels: {{host: {host.id}}}\n")
            own = own.replace("    tls_config:\n",
                              f"    tls_config:\n      server_name: {host.id}.host.migrd\n")
            jobs.append(f"  - job_name: migrd-{host.id}\n{own}")
        (directory / "prometheus.yml").write_text(head + "".join(jobs), encoding="utf-8")
        shutil.copy(MONITORING / "migrd.rules.yml", directory)
        with open(directory / "log", "wb") as log:
            self.prometheus = procs.Child(
                ["prometheus", f"--config.file={directory}/prometheus.yml",
                 f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}"],
                stdout=log, stderr=log)
        self.addCleanup(self.prometheus.end)
        self.url = f"http://127.0.0.1:{port}"
        self.eventually("Prometheus has asked all hosts", lambda: self.has_all_up(directory), 30)

    def has_all_up(self, directory):
        if self.prometheus.poll() is not None:
            self.fail((directory / "log").read_text(encoding="utf-8"))
        try:
            return len(self.query("up == 1")) == 3
        except OSError:
            return False

    def query(self, expression):
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def queries(self):
        """Each query of the board, as Grafana would ask it."""
        board = json.loads((MONITORING / "migrd-board.json").read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                yield (panel["title"], target["expr"].replace("$host", ".*").replace(
                    "$__rate_interval", "30s"))

    def has_data(self, expression):
        result = self.query(expression)
        return bool(result) and (WITHOUT_VALUE in expression or any(
            not math.isnan(float(row["value"][1])) for row in result))

    # Prometheus needs some seconds of figures before there are rates of them.
    @only_full
    @unittest.skipUnless(has("prometheus"), "prometheus is not installed: packages/setup ci")
    def test_each_query_of_the_board_has_data(self):
        self.start_prometheus()
        self.guests = [self.world.guest(f"g{i}", area=16, rate=0, memory_mib=160) for i in range(4)]
        for guest in self.guests:
            guest.start(self.a, sweeps=0)
        moved = self.guests.pop()
        self.a.api.post("/v1/moves?dry_run=true", {"vm": moved.name, "to": "b"})
        self.world.move(moved, self.a, self.b)
        hold = self.a.api.post("/v1/holds", {"vm": "g0", "reason": "a backup", "for_s": 600})
        evac = self.begin(deadline_s=900, move={"bandwidth_bytes_per_s": SLOW})
        self.wait_vm(evac, "g0", "held")
        left = dict.fromkeys(self.queries())
        total = len(left)

        def all_seen():
            for key in [key for key in left if self.has_data(key[1])]:
                del left[key]
            return not left or [title for title, _ in left] == ["Expected end"]
        try:
            self.eventually("data", all_seen, 40)
        except AssertionError:
            self.fail(f"no data: {list(left)}")
        blocked = self.query("migrd_evacuation_blocked")
        self.assertEqual([(row["metric"]["host"], row["metric"]["vm"]) for row in blocked],
                         [("a", "g0")])
        self.assertIn("a backup", blocked[0]["metric"]["why"])
        self.eventually("an alert that waits", lambda: self.query(
            'ALERTS{alertname="MigrdEvacuationBlocked", host="a", alertstate="pending"}'))
        self.a.api.call("DELETE", f"/v1/holds/{hold['id']}")
        self.eventually("an expected end", lambda: all_seen() and not left, 60)
        self.note(f"{total} queries of the board have data")
        self.wait(evac, "drained", 180)
        self.eventually("it is drained for Prometheus, too", lambda: self.query(
            'migrd_evacuation_state{host="a", state="drained"} == 1'), 10)
        self.assertEqual(self.query('sum(migrd_evacuation_vms{host="a", state="left"})')[0]
                         ["value"][1], "0")
