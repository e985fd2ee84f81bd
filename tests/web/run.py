#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clicks through the page of real coordinators in a real Chromium, as viewer and as operator, and by
keyboard alone; axe-core looks at each part.  Pictures are kept in BUILD/web-pictures.

    tests/web/run.py --build BUILD [-k PATTERN]
    tests/web/run.py --build BUILD --pictures

Needs chromium, chromium-driver, nodejs and npm (packages/setup web).
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "system")]

from lib import settings  # noqa: E402
from lib.world import SystemTest  # noqa: E402
from opened import Opened  # noqa: E402
from webdriver import Browser  # noqa: E402

STILL = {"machine": "pc-q35-7.2", "accel": "tcg", "memory_mib": 32}
POLICY = "slow"         # of moves that do not end by themselves
# The parts of the page, and what is to be read in each where one VM, "still", is.
VIEWS = {"Hosts": "VMs of b", "VMs": "still", "Moves": "None has ended yet.", "Evacuation": "is not being emptied", "Log": "newest first"}
SERIOUS = ("serious", "critical")
SECONDS = 60            # for what one click brings about


def modules():
    """Where axe-core is, after a first run."""
    place = settings.build_dir / "web-node"
    place.mkdir(exist_ok=True)
    lock = (HERE / "package-lock.json").read_bytes()
    if not (place / "done").exists() or (place / "package-lock.json").read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, place)
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=place, check=True)
        (place / "done").touch()
    return place / "node_modules"


class PageTest(SystemTest):
    def prepare(self):
        for host in self.world.hosts.values():
            host.write_config(move={"outage_ping_min_ms": 0})

    def setUp(self):
        super().setUp()
        self.a.api.call("PUT", f"/v1/policies/{POLICY}", {"bandwidth_bytes_per_s": 50000})

    def run_guest(self, name, **more):
        guest = self.world.guest(name, area=4, memory_mib=64, **more)
        guest.start(self.a, sweeps=0)
        return guest

    def open(self, role, dark=False, size=(1280, 900)):
        """A browser at the page of host a, with a certificate of ROLE."""
        opened = Opened(self.a, role)
        self.addCleanup(opened.close)
        self.page = Browser(self.world.dir / f"chromium-{role}-{dark}", dark, size)
        self.addCleanup(self.page.close)
        self.page.open(opened.url)
        self.sees("live")
        return self.page

    # ---- what a user does -------------------------------------------------------------

    def one(self, path):
        return self.page.until(path, lambda: self.page.all(path), settings.seconds(SECONDS))[0]

    def click_on(self, path):
        """An element that is replaced meanwhile, or still covered, refuses: then it is tried again."""
        self.page.until(path, lambda: [one.click() or one for one in self.page.all(path)[:1]], settings.seconds(SECONDS))

    def click(self, text, tag="button"):
        self.click_on(f"//{tag}[normalize-space()='{text}' and not(@disabled)]")

    def click_in_dialog(self, text):
        self.click(text, "dialog//button")

    def choose(self, label, value):
        self.click_on(f"//dialog//select[@id=//label[normalize-space()='{label}']/@for]/option[@value='{value}']")

    def write(self, label, text):
        self.one(f"//dialog//input[@id=//label[normalize-space()='{label}']/@for]").type(text)

    def go(self, name):
        self.click(name, "nav//a")
        self.one(f"//main/h2[.='{name}']")

    def says(self):
        return self.page.script("return document.body.innerText")

    def sees(self, *words):
        self.page.until(f"the page says {words}", lambda: all(word in self.says() for word in words), settings.seconds(SECONDS))

    def start_move(self, name):
        self.go("VMs")
        self.click_on(f"//button[@aria-label='Move {name}']")
        self.choose("To host", "b")
        self.choose("Policy", POLICY)
        self.click_in_dialog("What would it be like?")
        self.sees("It can be moved.")
        self.assertEqual(self.a.moves(), [])
        self.click_in_dialog("Move")
        self.sees(f"Move of {name}", "Change limits")
        return self.a.moves("?state=active")[0]

    # ---- what is looked at --------------------------------------------------------------

    def picture(self, name):
        place = settings.build_dir / "web-pictures"
        place.mkdir(exist_ok=True)
        self.page.picture(place / f"{name}.png")

    def assert_accessible(self, what):
        self.page.script((modules() / "axe-core/axe.min.js").read_text(encoding="utf-8"))
        found = self.page.call("POST", "/execute/async", {"args": [], "script":
            "const done = arguments[0]; axe.run(document).then(r => done(r.violations), e => done([{impact: 'critical', id: String(e), nodes: []}]))"})
        bad = [f"{one['id']}: {[node['html'][:160] for node in one['nodes']][:3]}" for one in found if one["impact"] in SERIOUS]
        self.assertEqual(bad, [], f"axe-core about {what}")

    def assert_no_complaints(self):
        self.assertEqual(self.page.complaints(), [])

    # ---- tests ---------------------------------------------------------------------------

    def test_operator_starts_steers_and_cancels_moves(self):
        self.run_guest("web0")
        self.open("operator")
        move = self.start_move("web0")
        self.picture("move")
        self.assert_accessible("a move")
        self.click("Change limits")
        self.write("Limit in Mbit/s", "1")
        self.click_in_dialog("Change")
        self.eventually("the limit is that of the page", lambda:
                        self.a.move_state(move["id"])["options"]["bandwidth_bytes_per_s"] == 125000)
        self.click("Cancel the move")
        self.click_in_dialog("Cancel the move")
        self.sees("cancelled")
        self.world.wait_state(self.a, move["id"], "cancelled")
        ended = self.a.move_state(move["id"])
        self.assertEqual((ended["began_by"], ended["cancelled_by"]), ("operator", "operator"))
        self.sees("Begun by", "Cancelled by")
        self.page.until("nothing can be done any more",
                        lambda: not self.page.all("//button[.='Cancel the move' or .='Change limits']"))
        self.picture("move-cancelled")
        self.assert_no_complaints()

    def test_operator_plans_starts_pauses_and_aborts_an_evacuation(self):
        self.run_guest("web0", policy=POLICY)
        self.open("operator")
        self.go("Evacuation")
        self.sees("is not being emptied")
        self.click("Plan an evacuation")
        self.write("Why", "new memory")
        self.click_in_dialog("Show the plan")
        self.sees("1 move")
        self.picture("plan")
        self.assert_accessible("a plan")
        self.assertEqual(self.a.api.get("/v1/evacuations")["items"], [])
        self.click_in_dialog("Start")
        self.sees("1 of 1", "Fill of the others", "new memory", "draining")
        self.picture("evacuation")
        self.assert_accessible("an evacuation")
        self.click("Pause")
        self.sees("Nothing is begun until it is resumed.")
        self.assertTrue(self.a.api.get("/v1/evacuations/current")["paused"])
        self.click("Resume")
        self.eventually("it is resumed", lambda: not self.a.api.get("/v1/evacuations/current")["paused"])
        self.page.until("it can be paused again", lambda: self.page.all("//button[.='Pause']"))
        self.click("Abort")
        self.choose("Moves under way", "cancel")
        self.click_in_dialog("Abort it")
        self.sees("aborted", "Plan an evacuation")
        self.assertEqual(self.a.api.get("/v1/evacuations/current")["state"], "aborted")
        self.go("Log")
        self.sees("evacuation of a", "operator")
        self.assert_no_complaints()

    def test_evacuation_of_another_host_is_seen(self):
        self.b.api.post("/v1/vms", {"name": "still", **STILL})
        self.a.api.post("/v1/host/cordon", {"reason": "full"})
        self.b.api.post("/v1/evacuations", {"requester": "kernel"})
        for dark, size in ((False, (1280, 900)), (True, (320, 700))):
            page = self.open("viewer", dark=dark, size=size)
            self.click("1 host being emptied", "main//a")
            self.one("//main/h2[.='Evacuation']")
            self.sees("Host a is not being emptied.", "1 host being emptied", "1 of 1", "still", "kernel")
            self.picture(f"emptied-{'narrow-dark' if dark else 'light'}")
            self.assert_accessible("hosts that are being emptied")
            self.assertLessEqual(page.script("return document.documentElement.scrollWidth"), size[0])
            self.assert_no_complaints()
            page.close()

    def test_operator_approves_of_an_evacuation_and_uses_the_host_again(self):
        self.a.api.post("/v1/vms", {"name": "still", **STILL})
        self.a.api.post("/v1/evacuations", {"approval": True})
        self.eventually("it waits for that", lambda: self.a.api.get("/v1/evacuations/current")["state"] == "waiting")
        self.open("operator")
        self.go("Evacuation")
        self.sees("1 of 1")
        self.assertIn("still", self.a.vms())
        self.click("Approve")
        self.sees("empty now")
        self.eventually("it is on b", lambda: "still" in self.b.vms())
        self.click("Use the host again")
        self.choose("Its VMs", "back")
        self.click_in_dialog("Use it")
        self.sees("Plan an evacuation", "ended")
        self.eventually("it is back", lambda: "still" in self.a.vms())
        self.assert_no_complaints()

    def test_viewer_is_offered_nothing_but_to_look(self):
        self.a.api.post("/v1/vms", {"name": "still", **STILL})
        self.open("viewer", dark=True)
        for view, words in VIEWS.items():
            self.go(view)
            self.sees(words)
            self.picture(f"{view.lower()}-dark")
            self.assert_accessible(f"{view}, dark")
            self.assertEqual(self.page.all("//main//button[not(@class='sort')]"), [], view)
        self.page.size(320, 700)
        for view, words in VIEWS.items():
            self.go(view)
            self.sees(words)
            self.picture(f"{view.lower()}-narrow")
            wide = self.page.script("return document.documentElement.scrollWidth")
            self.assertLessEqual(wide, 320, f"{view} is wider than the window")
        self.assert_no_complaints()

    def test_address_of_no_part_shows_the_hosts(self):
        self.open("viewer")
        for word in ("constructor", "__proto__", "toString/hosts", "%zz", "none"):
            self.go("VMs")
            self.page.script(f"location.hash = '#/{word}'")
            self.one("//main/h2[.='Hosts']")
            self.sees(VIEWS["Hosts"])
        self.assert_no_complaints()

    def test_all_is_done_by_keyboard_alone(self):
        self.a.api.post("/v1/vms", {"name": "still", **STILL})
        self.open("operator")
        self.tab_to("VMs")
        self.page.press("Enter")
        self.one("//main/h2[.='VMs']")
        self.sees("still")
        self.tab_to("search")
        self.page.press(*"still")
        self.tab_to("Move still")
        self.page.press("Enter")
        self.one("//dialog[@open]")
        self.assert_accessible("the question before a move")
        self.picture("start")
        self.page.press("Escape")
        self.page.until("the dialog is gone", lambda: not self.page.all("//dialog"))
        self.assertEqual(self.page.focused(), "Move still")
        self.page.press("Enter")
        self.one("//dialog[@open]")
        self.tab_to("Move")
        self.page.press("Enter")
        self.sees("Move of still", "done")
        self.eventually("it is on b", lambda: "still" in self.b.vms())
        self.assert_no_complaints()

    def tab_to(self, name):
        for _ in range(40):
            if self.page.focused() == name:
                return
            self.page.press("Tab")
        self.fail(f"the keyboard does not come to '{name}'")


class Pictures(PageTest):
    """Those of the README, in doc/pictures: three hosts, of which one is emptied."""

    host_ids = ("a", "b", "c")

    def test_pictures(self):
        for name in ("db1", "mail", "web1", "web2"):
            self.run_guest(name, policy=POLICY)
        for number in range(3):
            for host in ("b", "c"):
                self.world[host].api.post("/v1/vms", {"name": f"{host}-web{number}", "memory_mib": 512,
                                                      "machine": "pc-q35-7.2", "accel": "tcg"})
        self.a.api.post("/v1/evacuations", {"why": "new memory", "requester": "anna"})
        self.open("operator", size=(1100, 720))
        self.go("Evacuation")
        self.sees("4 of 4", "moving")
        self.eventually("it is known when it ends", lambda: self.a.api.get("/v1/evacuations/current")["expected_end"], 60)
        self.sees("between")
        self.keep("evacuation")
        self.go("Moves")
        self.page.until("a move is shown", lambda: self.page.all("//main//a[starts-with(@href, '#/moves/')]"))
        self.click_on("(//main//a[starts-with(@href, '#/moves/')])[1]")
        self.sees("Change limits", "Passes over the memory")
        self.keep("move")
        self.page.close()
        self.open("operator", dark=True, size=(1100, 720))
        self.go("VMs")
        self.sees("c-web2", "moves")
        self.keep("vms-dark")
        self.a.api.post("/v1/evacuations/current/abort", {"moves": "cancel"})
        self.sees("stopped")

    def keep(self, name):
        self.page.picture(settings.SOURCE_DIR / f"doc/pictures/{name}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("-k", action="append")
    parser.add_argument("--slow", type=int, default=1)
    parser.add_argument("--slot", type=int, default=0, help="of ports, beside other tests")
    parser.add_argument("--pictures", action="store_true", help="make those of the README anew, in doc/pictures")
    options = parser.parse_args()
    settings.build_dir = options.build.resolve()
    settings.log_dir = settings.build_dir / "web-logs"
    settings.slow_factor, settings.slot = options.slow, options.slot
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{pattern}*" for pattern in options.k] if options.k else None
    if options.pictures:
        loader.testNamePatterns = ["*test_pictures"]
    tests = loader.loadTestsFromTestCase(Pictures if options.pictures else PageTest)
    result = unittest.TextTestRunner(verbosity=2).run(tests)
    sys.exit(not result.wasSuccessful() or result.testsRun == 0)


if __name__ == "__main__":
    main()
