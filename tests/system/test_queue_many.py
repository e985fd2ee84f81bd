# SPDX-License-Identifier: LGPL-2.1-or-later
"""A thousand entries of the queue, and those who read it."""
import concurrent.futures
import json
import time

from lib.api import Api, UnixConnection
from lib.long_form import only_full
from lib.world import SystemTest

COUNT = 1000        # as many as may wait
READERS = 4
READS_SECONDS = 5


class ManyTest(SystemTest):
    timeout_seconds = 400

    def prepare(self):
        # Nobody listens at the address of host c.
        self.world["a"].write_config(queue={"out_max": 1}, **{"peer c": {"address": "127.0.0.1:9"}})

    def reader(self):
        """Answers are not looked at: that would take longer than to make them."""
        return Api(lambda timeout: UnixConnection(str(self.a.socket), timeout))

    def all_of(self, call, values):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(call, values))

    def read(self, path, until):
        """How long each answer took."""
        api, times = self.reader(), []
        while time.monotonic() < until:
            began = time.monotonic()
            api.get(path)
            times.append(time.monotonic() - began)
        return times

    def read_by_many(self):
        """Pages of a thousand entries are read all the time; how long another answer takes."""
        until = time.monotonic() + READS_SECONDS
        with concurrent.futures.ThreadPoolExecutor(READERS + 1) as pool:
            lists = [pool.submit(self.read, "/v1/queue?limit=1000&state=active", until)
                     for _ in range(READERS)]
            other = pool.submit(self.read, "/v1/policies/default", until)
        found = [took for one in lists for took in one.result()]
        return sum(found) / len(found), len(found) / READS_SECONDS, max(other.result())

    @only_full
    def test_thousand_entries_wait_are_read_survive_and_go(self):
        guest = self.world.guest("g0", area=0, memory_mib=32)
        guest.start(self.a, sweeps=0)
        held = self.a.api.post("/v1/moves", {"vm": "g0", "to": "b", "hold": {"timeout_s": 600}})["id"]
        self.world.wait_move(self.a, held, lambda move: move["held"])
        names = [f"s{i}" for i in range(COUNT + 1)]
        api = self.reader()
        plain = {key: guest.definition[key] for key in ("machine", "accel", "memory_mib")}
        self.all_of(lambda name: api.post("/v1/vms", {"name": name, **plain}), names)
        began = time.monotonic()
        entries = self.all_of(lambda name: api.post("/v1/queue", {"vm": name, "to": ["b", "c"]}),
                              names[:COUNT])
        added_s = time.monotonic() - began
        self.assert_api_error(429, "limit", api.post, "/v1/queue", {"vm": names[COUNT], "to": "b"})
        shown = self.eventually("all have their places and expected times", lambda: (
            (page := api.get("/v1/queue?limit=1000&state=active")["items"]) and
            all(entry["expected_end"] for entry in page) and page), 30)
        self.assertEqual(sorted(entry["position"] for entry in shown), list(range(1, COUNT + 1)))
        self.assertEqual({entry["state"] for entry in shown}, {"waiting"})
        mean_s, per_s, other_s = self.read_by_many()
        size = len(json.dumps(shown, separators=(",", ":")))

        self.a.kill9()
        began = time.monotonic()
        self.a.start()
        self.eventually("all are back", lambda: len(
            api.get("/v1/queue?limit=1000&state=active")["items"]) == COUNT, 30)
        back_s = time.monotonic() - began
        keep = entries[0]["id"]
        self.all_of(lambda entry: api.post(f"/v1/queue/{entry['id']}/cancel"), entries[1:])
        api.post(f"/v1/moves/{held}/cancel", timeout=60)
        self.eventually("the last one", lambda: api.get(f"/v1/queue/{keep}")["state"] == "done", 60)
        self.note(f"added in {added_s:.1f} s; {READERS} readers of {size >> 10} KiB: {mean_s * 1000:.0f} ms, "
                  f"{per_s:.0f} a second, another answer {other_s * 1000:.0f} ms at most; "
                  f"back in {back_s:.1f} s")
        self.assertLess(other_s, 1)
