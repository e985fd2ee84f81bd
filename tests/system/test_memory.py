# SPDX-License-Identifier: LGPL-2.1-or-later
"""What holds a guest's memory on its host: memfd, huge pages, and NUMA nodes of the guest."""
import contextlib
import fcntl
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from lib.api import ApiError
from lib.long_form import only_full
from lib.world import SystemTest

LOCK = pathlib.Path(tempfile.gettempdir(), "migrd-huge-pages.lock")
PAGES = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
# The guest writes to its dirty area from 16 MiB on, which is in the first node, and reads its static
# area from 32 MiB on, in the second.
MEMORY_MIB = 64
NODES = [{"memory_mib": 32, "cpus": "0"}, {"memory_mib": 32, "cpus": "1"}, {"memory_mib": 0}]
HUGE_PAGES = MEMORY_MIB // 2


def free_pages():
    """How many huge pages are neither used nor reserved."""
    return int((PAGES / "free_hugepages").read_text()) - int((PAGES / "resv_hugepages").read_text())


@contextlib.contextmanager
def huge_pages(count):
    """The machine has COUNT huge pages of 2 MiB that are free; the others stay as they were."""
    number = PAGES / "nr_hugepages"
    before = int(number.read_text())
    wanted = before - free_pages() + count
    try:
        number.write_text(str(wanted))
        if int(number.read_text()) != wanted:
            raise AssertionError(f"this machine has no room for {count} huge pages")
        yield
    finally:
        number.write_text(str(before))


class Memory(SystemTest):
    def ask(self, host, command):
        body = {"protocol": "qmp", "command": {"execute": command}}
        return host.api.post("/v1/vms/g1/monitor", body)["return"]

    def boot(self, **members):
        self.guest = self.world.guest(memory_mib=MEMORY_MIB, area=16, rate=64, **members)
        self.guest.start(self.a)

    def to_and_fro(self, check, **options):
        """Moves the guest to b and back, and looks with CHECK(host) each time."""
        check(self.a)
        for here, there in ((self.a, self.b), (self.b, self.a)):
            self.world.move(self.guest, here, there, **options)
            self.guest.assert_runs_on(there)
            check(there)

    def refused(self, *words):
        move_id = self.world.begin_move(self.guest, self.a, self.b)["id"]
        error = json.dumps(self.world.wait_state(self.a, move_id, "failed")["error"])
        for word in words:
            self.assertIn(word, error)
        self.eventually("no VM on b", lambda: not self.b.vms())
        self.guest.assert_runs_on(self.a)


class MemoryTest(Memory):
    def assert_nodes(self, host):
        objects = {memory["id"]: memory for memory in self.ask(host, "query-memdev")}
        self.assertEqual({name: (memory["size"] >> 20, memory["share"])
                          for name, memory in objects.items()},
                         {"ram-node0": (32, True), "ram-node1": (32, True)})
        body = {"protocol": "hmp", "command": "info numa"}
        words = host.api.post("/v1/vms/g1/monitor", body)["return"]
        for line in ("3 nodes", "node 0 cpus: 0", "node 1 cpus: 1", "node 1 size: 32 MB",
                     "node 2 size: 0 MB"):
            self.assertIn(line, words)

    def test_guest_of_numa_nodes_in_memfd_moves_to_and_fro(self):
        self.boot(vcpus=2, memory_backend={"type": "memfd"}, numa_nodes=NODES)
        self.to_and_fro(self.assert_nodes)

    @only_full
    def test_guest_of_numa_nodes_moves_by_multifd_and_post_copy(self):
        self.boot(vcpus=2, memory_backend={"type": "memfd"}, numa_nodes=NODES)
        self.to_and_fro(self.assert_nodes, multifd={"channels": 2})
        self.to_and_fro(self.assert_nodes, postcopy={"start": "at-once"},
                        bandwidth_bytes_per_s=16 << 20)

    # The only host node that every machine has is 0.
    @only_full
    def test_guest_bound_to_a_host_node_moves(self):
        self.boot(memory_backend={"host_nodes": "0", "prealloc": True})

        def assert_bound(host):
            memory, = self.ask(host, "query-memdev")
            self.assertEqual((memory["id"], memory["host-nodes"], memory["policy"], memory["prealloc"]),
                             ("pc.ram", [0], "bind", True))

        self.to_and_fro(assert_bound)


@unittest.skipUnless(os.geteuid() == 0, "needs root")
class HugePagesTest(Memory):
    def prepare(self):
        """The machine's huge pages are of one test at a time."""
        lock = self.enterContext(open(LOCK, "w", encoding="utf-8"))
        fcntl.flock(lock, fcntl.LOCK_EX)

    def assert_huge(self, host):
        """All of the guest's memory is one mapping, in huge pages."""
        text = pathlib.Path(f"/proc/{self.guest.vm(host)['pid']}/smaps").read_text(encoding="utf-8")
        self.assertIn("KernelPageSize:     2048 kB", text)

    def assert_free(self, count):
        """The huge pages of a QEMU that has ended are back."""
        self.eventually(f"{count} free huge pages", lambda: count == free_pages())

    def planned(self):
        """What a dry run says of the guest."""
        vm, = self.a.api.post("/v1/evacuations", {"dry_run": True})["vms"]
        return vm

    def test_huge_pages_are_counted_before_a_move_and_the_guest_moves_in_them(self):
        with huge_pages(2 * HUGE_PAGES - 1):
            self.boot(memory_backend={"type": "memfd", "huge_page_mib": 2})
            self.assert_huge(self.a)
            self.refused(f"needs {HUGE_PAGES} huge pages of 2 MiB, and {HUGE_PAGES - 1} are free",
                         "hugepages-2048kB/nr_hugepages")
            self.assert_free(HUGE_PAGES - 1)
            self.assertEqual(self.planned()["rejected"], [
                {"host": "b", "why": f"huge pages of 2 MiB: {MEMORY_MIB} MiB are wanted, and it has "
                                     f"{MEMORY_MIB - 2} for VMs"}])
            with huge_pages(HUGE_PAGES):
                self.eventually("a plan with room", lambda: self.planned()["state"] == "waiting")
                self.to_and_fro(self.assert_huge)
                self.assert_free(HUGE_PAGES)
            self.a.api.post("/v1/vms/g1/stop")

    def test_start_without_enough_huge_pages_says_how_many(self):
        self.guest = self.world.guest(
            memory_mib=MEMORY_MIB, memory_backend={"type": "memfd", "huge_page_mib": 2})
        self.guest.create(self.a)
        with huge_pages(HUGE_PAGES - 1):
            with self.assertRaises(ApiError) as caught:
                self.a.api.post("/v1/vms/g1/start")
            self.assertEqual((caught.exception.status, caught.exception.code), (409, "conflict"))
            for words in ("cannot start VM 'g1'", f"needs {HUGE_PAGES} huge pages of 2 MiB, and "
                          f"{HUGE_PAGES - 1} are free", "hugepages-2048kB/nr_hugepages"):
                self.assertIn(words, str(caught.exception))
            self.assertEqual(self.guest.vm(self.a)["state"], "stopped")
            self.assert_free(HUGE_PAGES - 1)
        with huge_pages(HUGE_PAGES):
            self.a.api.post("/v1/vms/g1/start")
            self.assert_huge(self.a)
            self.a.api.post("/v1/vms/g1/stop")

    def test_huge_pages_are_counted_before_a_refresh_and_a_restore(self):
        few = f"needs {HUGE_PAGES} huge pages of 2 MiB, and {HUGE_PAGES - 1} are free"
        file = str(self.a.saved / "g1")
        with huge_pages(2 * HUGE_PAGES - 1):
            self.boot(memory_backend={"type": "memfd", "huge_page_mib": 2})
            with self.assertRaises(ApiError) as caught:
                self.a.api.post("/v1/vms/g1/refresh", {"way": "stream"})
            self.assertEqual(caught.exception.status, 409)
            self.assertIn(few, str(caught.exception))
            self.assert_free(HUGE_PAGES - 1)
            self.guest.assert_runs_on(self.a)
            with huge_pages(HUGE_PAGES):
                self.end("refreshes", self.a.api.post("/v1/vms/g1/refresh", {"way": "stream"}), "done")
                self.assert_huge(self.a)
                self.guest.assert_runs_on(self.a)
            self.end("saves", self.a.api.post("/v1/vms/g1/save", {"file": file}), "done")
        with huge_pages(HUGE_PAGES - 1):
            job = self.end("saves", self.a.api.post("/v1/vms/restore", {"file": file}), "failed")
            self.assertIn(few, job["error"]["detail"])
            self.assert_free(HUGE_PAGES - 1)
        with huge_pages(HUGE_PAGES):
            self.end("saves", self.a.api.post("/v1/vms/restore", {"file": file}), "done")
            self.assert_huge(self.a)
            self.guest.assert_runs_on(self.a)
            self.a.api.post("/v1/vms/g1/stop")

    def end(self, kind, job, state):
        """The job when it has ended, in STATE."""
        def ended():
            now = self.a.api.get(f"/v1/{kind}/{job['id']}")
            return now if now["final"] else None
        job = self.eventually("the end of the job", ended, 60)
        self.assertEqual(job["state"], state, job)
        return job

    @only_full
    def test_guest_in_huge_pages_moves_with_post_copy(self):
        with huge_pages(2 * HUGE_PAGES):
            self.boot(memory_backend={"type": "memfd", "huge_page_mib": 2})
            self.to_and_fro(self.assert_huge, postcopy={"start": "at-once"},
                            bandwidth_bytes_per_s=16 << 20)
            self.a.api.post("/v1/vms/g1/stop")

    @only_full
    def test_hugetlbfs_is_looked_at_before_a_move_and_the_guest_moves_in_it(self):
        path = self.world.dir / "huge"
        path.mkdir()

        def mount(size_mib):
            subprocess.run(["mount", "-t", "hugetlbfs", "-o", f"pagesize=2M,size={size_mib}M",
                            "none", path], check=True)
            self.addCleanup(subprocess.run, ["umount", "-l", path], check=True)

        with huge_pages(2 * HUGE_PAGES):
            mount(MEMORY_MIB)
            self.boot(memory_backend={"type": "file", "path": str(path), "huge_page_mib": 2})
            self.assert_huge(self.a)
            self.refused(f"in '{path}', whose mount has 0 left")
            mount(2 * MEMORY_MIB)   # over the other, in which the guest still is
            self.to_and_fro(self.assert_huge)
            self.a.api.post("/v1/vms/g1/stop")
