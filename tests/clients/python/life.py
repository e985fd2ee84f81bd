# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole life of a VM, with models that datamodel-codegen has made of /openapi.json (api.py): it is
made, started, held, moved, evacuated, brought back, stopped and removed.

    python life.py OPENAPI.json SCENE.json    one line for each step; ends with 1 at the first that is wrong
"""
import json
import pathlib
import sys
import time
from collections.abc import Callable, Hashable, Mapping

import pydantic

from api import (Evacuation, EvacuationRequest, Hold, HoldRequest, Move, MoveCancel, MovePlan,
                 MoveRequest, MoveTrial, Policy, PolicyReply, Vm, VmPatch, VmReply)
from api import Host as HostReply
from client import Endpoint, Host, Refused


class Scene(pydantic.BaseModel):
    hosts: list[Endpoint]
    vm: Vm
    wait_ms: int


class Nothing(pydantic.BaseModel):
    """The body {}."""


def check(what: str, is_true: bool, seen: object) -> None:
    if not is_true:
        raise AssertionError(f"{what}: {seen}")


def refused(status: int, code: str, call: Callable[[], object]) -> Refused:
    """CALL must be refused like this."""
    try:
        answer = call()
    except Refused as error:
        check("the problem", (error.problem.status, error.problem.code) == (status, code),
              error.problem)
        return error
    raise AssertionError(f"not refused with {status} {code}: {answer}")


def is_no(kind: type[pydantic.BaseModel], value: bytes | str) -> bool:
    """The document does not allow VALUE for KIND."""
    try:
        kind.model_validate_json(value)
    except pydantic.ValidationError:
        return True
    return False


class Life:
    def __init__(self, scene: Scene, document: Mapping[Hashable, object]) -> None:
        self.a, self.b = (Host(at, document) for at in scene.hosts)
        self.vm, self.wait_s = scene.vm, scene.wait_ms / 1000
        self.name = scene.vm.name
        self.path = f"/v1/vms/{self.name}"

    def until[T](self, what: str, ask: Callable[[], T], is_there: Callable[[T], bool]) -> T:
        end = time.monotonic() + self.wait_s
        while True:
            seen = ask()
            if is_there(seen):
                return seen
            check(f"not within {self.wait_s} s: {what}", time.monotonic() < end, seen)
            time.sleep(0.05)

    def runs_on(self, host: Host) -> VmReply:
        return self.until(f"it runs on {host.id}", lambda: host.get(VmReply, self.path),
                          lambda vm: vm.state == "running")

    def create(self) -> str:
        for host in (self.a, self.b):
            check("the host", host.get(HostReply, "/v1/host").id == host.id, host.id)
        made = self.a.call(VmReply, "POST", "/v1/vms", self.vm)
        check("the name", (made.status, made.value.name) == (201, self.name), made)
        check("its place", made.headers["Location"] == self.path, made.headers)
        check("null", made.value.pid is None and made.value.elsewhere is None, made)
        refused(409, "exists", lambda: self.a.post(VmReply, "/v1/vms", self.vm))
        self.a.post(VmReply, f"{self.path}/start", Nothing())
        self.runs_on(self.a)
        return f"{self.name} was made and runs on {self.a.id}"

    def policies(self) -> str:
        path = "/v1/policies/night"
        night = Policy(description="slow and gentle", deadline_s=600)
        made = self.a.call(PolicyReply, "PUT", path, night)
        check("made", made.status == 201 and made.value.name == "night", made)
        check("replaced", self.a.ask("PUT", path, night).status_code == 200, night)
        tag = self.a.ask("GET", path).headers["ETag"]
        check("known", self.a.ask("GET", path, headers={"If-None-Match": tag}).status_code == 304, tag)
        stale = refused(412, "precondition-failed",
                        lambda: self.a.ask("DELETE", path, headers={"If-Match": '"x"'}))
        check("the tag of now", stale.headers["ETag"] == tag, stale.headers)
        patch = VmPatch(policy="night", labels={"tier": "web"})
        vm = self.a.call(VmReply, "PATCH", self.path, patch).value
        check("the policy of the VM", vm.definition.policy == "night", vm)
        used = refused(409, "conflict", lambda: self.a.ask("DELETE", path))
        check("who uses it", self.name in used.problem.detail, used.problem)
        return "a policy was made, given to the VM, and kept while that has it"

    def holds(self) -> str:
        key = {"Idempotency-Key": f"{self.name}-hold"}
        wish = HoldRequest(vm=self.name, reason="restore test", for_s=600)
        first = self.a.post(Hold, "/v1/holds", wish, headers=key)
        again = self.a.post(Hold, "/v1/holds", wish, headers=key)
        check("one key, one hold", first.id == again.id, again)
        other = wish.model_copy(update={"reason": "another"})
        refused(422, "key-reused", lambda: self.a.post(Hold, "/v1/holds", other, headers=key))
        self.a.ask("DELETE", f"/v1/holds/{first.id}")
        refused(404, "not-found", lambda: self.a.get(Hold, f"/v1/holds/{first.id}"))
        return "a hold is made once by a key, and is gone"

    def ended(self, move: Move) -> Move:
        return self.until("the end of the move",
                          lambda: self.a.get(Move, f"/v1/moves/{move.id}"), lambda m: m.final)

    def cancel(self) -> str:
        wish = MoveRequest(vm=self.name, to=self.b.id)
        check("a word of a list", is_no(MoveRequest, wish.model_dump_json().replace(
            '"priority":null', '"priority":"soon"')), wish)
        looked = self.a.ask("POST", "/v1/moves", wish, query={"dry_run": "true"}).content
        trial = MoveTrial.model_validate_json(looked)
        check("a dry run, which is no move", trial.possible and is_no(Move, looked), trial)
        held = MoveRequest.model_validate({"vm": self.name, "to": self.b.id,
                                           "hold": {"timeout_s": 600}})
        move = self.a.post(Move, "/v1/moves", held)
        self.until("it is held", lambda: self.a.get(Move, f"/v1/moves/{move.id}"), lambda m: m.held)
        done = self.a.post(MoveCancel, f"/v1/moves/{move.id}/cancel")
        check("the cancel", done.owner == self.a.id, done)
        check("cancelled", self.ended(move).state == "cancelled", done)
        self.runs_on(self.a)
        return "a move was looked at, held, and cancelled"

    def move(self) -> str:
        wish = MoveRequest(vm=self.name, to=self.b.id)
        begun = self.a.call(Move, "POST", "/v1/moves", wish,
                            headers={"Idempotency-Key": f"{self.name}-move"})
        check("begun", begun.status == 202, begun)
        end = self.ended(begun.value)
        check("the move", end.state == "done" and end.owner == self.b.id and end.error is None, end)
        self.runs_on(self.b)
        refused(404, "not-found", lambda: self.a.get(VmReply, self.path))
        path = f"/v1/moves/{end.id}"
        check("its plan", len(self.a.get(MovePlan, f"{path}/plan").channels) > 0, path)
        for what in ("timeline", "passes"):
            self.a.ask("GET", f"{path}/{what}")
        return f"it was moved to {self.b.id}"

    def evacuate(self) -> str:
        plan = self.b.post(Evacuation, "/v1/evacuations", EvacuationRequest(dry_run=True)).plan
        check("the plan", plan is not None and plan.moves[0].to == self.a.id, plan)
        assert plan is not None
        begun = self.b.post(Evacuation, "/v1/evacuations",
                            EvacuationRequest(why="new memory", state_id=plan.state_id))
        path = f"/v1/evacuations/{begun.id}"
        self.until("it is drained", lambda: self.b.get(Evacuation, path),
                   lambda evac: evac.state == "drained")
        self.runs_on(self.a)
        self.b.post(Evacuation, f"{path}/return", Nothing())
        ended = self.until("it has ended", lambda: self.b.get(Evacuation, path),
                           lambda evac: evac.state == "ended")
        check("all came back", ended.counts.returned == 1, ended.counts)
        self.runs_on(self.b)
        return f"{self.b.id} was emptied by a plan, and got its VM back"

    def end(self) -> str:
        refused(409, "conflict", lambda: self.b.ask("DELETE", self.path))
        self.b.post(VmReply, f"{self.path}/stop")
        self.until("it is stopped", lambda: self.b.get(VmReply, self.path),
                   lambda vm: vm.state == "stopped")
        check("removed", self.b.ask("DELETE", self.path).status_code == 204, self.path)
        refused(404, "not-found", lambda: self.b.get(VmReply, self.path))
        check("removed", self.a.ask("DELETE", "/v1/policies/night").status_code == 204, "night")
        return "it was stopped and removed, and so was the policy"


def main() -> None:
    document, scene = (json.loads(pathlib.Path(path).read_text()) for path in sys.argv[1:3])
    life = Life(Scene.model_validate(scene), document)
    steps = (life.create, life.policies, life.holds, life.cancel, life.move, life.evacuate, life.end)
    for step in steps:
        print(step(), flush=True)
    life.a.close()
    life.b.close()
    print(f"{len(steps)} steps, {life.a.answers + life.b.answers} answers as the document says")


if __name__ == "__main__":
    main()
