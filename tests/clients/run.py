#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes clients of /openapi.json with generators that others wrote, and lets each do the whole life of
a VM on two coordinators with real QEMUs: over the local sockets, and with certificates.

    tests/clients/run.py --build DIR [-k PATTERN]

Linters read the document first.  TypeScript and the linters need node and npm, and come by
package-lock.json into DIR/clients; Python with its generator, mypy and a validator come by
tests/clients/python/debian.  One line for each check, then "N passed, N failed, 0 skipped".
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from lib import long_form, settings  # noqa: E402
from lib.world import World  # noqa: E402

SECONDS = 120           # for one program
WAIT_MS = 60000         # of a client, for one step
NPM_SECONDS = 400
# Nothing that runs here asks any other host.
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "CI": "true",
         "NO_COLOR": "1", "NO_UPDATE_NOTIFIER": "1"}


class Fault(Exception):
    """A check that has failed; the text says how."""


def run(*command, seconds=SECONDS, cwd=None, **env):
    """The output of a program, which must end well."""
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=settings.seconds(seconds), cwd=cwd,
                              env={**os.environ, **QUIET, **env}, check=False)
    except FileNotFoundError as error:
        raise Fault(f"{error}: packages/setup clients") from None
    except subprocess.TimeoutExpired as error:
        raise Fault(f"{command[0]}: not within {seconds} s: {error.stdout}") from None
    if done.returncode != 0:
        raise Fault(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Clients:
    def __init__(self, work):
        self.work, self.document = work, work / "openapi.json"
        self.modules = work / "node_modules"
        self.own_python = work / "python"
        self.own_python.mkdir(exist_ok=True)
        self.python = None

    # ---- tools -------------------------------------------------------------

    def install_node_modules(self):
        """What package-lock.json names, once for each build."""
        lock = (HERE / "package-lock.json").read_bytes()
        mark, wanted = self.work / "installed", hashlib.sha256(lock).hexdigest()
        if mark.exists() and mark.read_text() == wanted:
            return "there already"
        mark.unlink(missing_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, self.work)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=self.work,
            seconds=NPM_SECONDS)
        mark.write_text(wanted)
        return f"{len(json.loads(lock)['packages']) - 1} packages"

    def install_python(self):
        self.python = run(HERE / "python/debian", seconds=NPM_SECONDS).strip().splitlines()[-1]
        return run(self.python, "--version").strip()

    def node(self, script, *arguments):
        return run("node", self.modules / script, *arguments, cwd=self.work)

    # ---- the document ------------------------------------------------------

    def redocly(self):
        (self.work / "redocly.yaml").write_text("extends: [recommended]\n")
        said = self.node("@redocly/cli/bin/cli.js", "lint", "--max-problems", "20", "openapi.json")
        if "Your API description is valid" not in said or "You have" in said:
            raise Fault(said)
        return "recommended rules"

    def spectral(self):
        (self.work / ".spectral.yaml").write_text('extends: ["spectral:oas"]\n')
        said = self.node("@stoplight/spectral-cli/dist/index.js", "lint", "--fail-severity", "hint",
                         "openapi.json")
        if "No results" not in said:
            raise Fault(said)
        return "spectral:oas"

    def validator(self):
        said = run(self.python, "-m", "openapi_spec_validator", self.document).strip()
        if not said.endswith("OK"):
            raise Fault(said)
        return said.rpartition("/")[2]

    # ---- the clients -------------------------------------------------------

    def typescript(self):
        for name in ("life.ts", "tsconfig.json"):
            shutil.copy(HERE / name, self.work)
        self.node("openapi-typescript/bin/cli.js", "openapi.json", "-o", "api.ts")
        self.node("typescript/bin/tsc", "--project", ".")
        return f"{len((self.work / 'api.ts').read_text().splitlines())} lines of types"

    def run_typescript(self, scene):
        return run("node", self.work / "out" / "life.js", scene)

    def python_models(self):
        for name in ("client.py", "life.py"):
            shutil.copy(HERE / "python" / name, self.own_python)
        models = self.own_python / "api.py"
        run(self.python, "-m", "datamodel_code_generator", "--input", self.document,
            "--input-file-type", "openapi", "--output", models,
            "--output-model-type", "pydantic_v2.BaseModel", "--target-python-version", "3.12",
            "--use-title-as-name", "--collapse-root-models",
            "--enum-field-as-literal", "all", "--use-annotated", "--use-union-operator",
            "--use-standard-collections", "--use-double-quotes", "--disable-timestamp")
        checked = run(self.python, "-m", "mypy", "--strict", "--cache-dir", self.work / "mypy",
                      "api.py", "client.py", "life.py", cwd=self.own_python, seconds=NPM_SECONDS)
        return f"{len(models.read_text().splitlines())} lines of models; {checked.strip()}"

    def run_python(self, scene):
        return run(self.python, self.own_python / "life.py", self.document, scene)


class Scene:
    """Two coordinators, and a VM for each life."""

    def __init__(self, work):
        self.work, self.world, self.lives = work, World(), 0
        self.world.start()
        self.a, self.b = self.world["a"], self.world["b"]
        subprocess.run([settings.program("migrctl"), "pki", "user", "ops", "--role", "operator",
                        "--dir", str(self.a.dir.parent)], check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def endpoint(self, host, way):
        pki = host.dir.parent
        if way == "socket":
            return {"id": host.id, "socket": str(host.socket)}
        return {"id": host.id, "url": f"https://127.0.0.1:{host.api_port}",
                "ca": str(pki / "ca.pem"), "cert": str(pki / "users/ops.pem"),
                "key": str(pki / "users/ops.key")}

    def live(self, run_client, way):
        """A life by one client; the guest itself says whether its memory was right throughout."""
        self.lives += 1
        # So calm that it can be moved from a busy machine too.
        guest = self.world.guest(f"life{self.lives}", area=1, rate=1, memory_mib=32)
        path = self.work / f"scene-{self.lives}.json"
        path.write_text(json.dumps({
            "hosts": [self.endpoint(host, way) for host in (self.a, self.b)],
            "vm": {**guest.definition, "serial": {"type": "socket",
                                                  "path": str(guest.console.path)}},
            "wait_ms": int(settings.seconds(WAIT_MS))}))
        said = run_client(path)
        guest.console.assert_sane()
        for host in (self.a, self.b):
            host.assert_empty()
        return said.strip().splitlines()[-1]

    def close(self):
        faults = self.world.close()
        self.world.remove()
        if faults:
            raise Fault("\n".join(faults))


def main():
    parser = argparse.ArgumentParser(description="clients made of /openapi.json")
    long_form.add_arguments(parser)
    parser.add_argument("-k", default="", metavar="PATTERN", dest="pattern",
                        help="only checks whose name contains this; what they need is done too")
    args = parser.parse_args()
    long_form.set_up(args)
    os.umask(0o077)
    work = settings.build_dir / "clients"
    work.mkdir(exist_ok=True)
    clients, scene = Clients(work), Scene(work)
    failed = []
    passed = 0

    def check(name, what, *arguments, is_needed=False):
        nonlocal passed
        if args.pattern not in name and not is_needed:
            return
        started = time.monotonic()
        try:
            note, verdict = what(*arguments), "ok"
            passed += 1
        except (Fault, AssertionError) as fault:
            note, verdict = fault, "FAIL"
            failed.append(name)
        print(f"{verdict:5} {time.monotonic() - started:7.1f} s  {name}  ({note})", flush=True)

    try:
        clients.document.write_text(json.dumps(scene.a.api.get("/openapi.json"), indent=1))
        if not args.pattern.startswith("python"):
            check("install node packages", clients.install_node_modules, is_needed=True)
            check("redocly", clients.redocly)
            check("spectral", clients.spectral)
            check("typescript: generate and compile", clients.typescript, is_needed=True)
        check("install Python packages", clients.install_python, is_needed=True)
        check("openapi-spec-validator", clients.validator)
        check("python: generate and check types", clients.python_models, is_needed=True)
        for language, life in (("typescript", clients.run_typescript), ("python", clients.run_python)):
            for way in ("socket", "certificate"):
                check(f"{language}: life by {way}", scene.live, life, way)
    finally:
        check("the end", scene.close, is_needed=True)
    print(f"{passed} passed, {len(failed)} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
