# SPDX-License-Identifier: LGPL-2.1-or-later
"""Asks a QEMU directly, over the monitor that migrd keeps in reserve."""
import json
import socket


def ask(host, guest, command, **arguments):
    """The answer to one QMP command."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(str(host.run_dir / "vms" / guest.uuid / "qmp1.sock"))
        with sock.makefile("rw", encoding="utf-8") as stream:
            stream.readline()   # the greeting
            for line in ({"execute": "qmp_capabilities"},
                         {"execute": command, "arguments": arguments, "id": "wanted"}):
                stream.write(json.dumps(line) + "\n")
                stream.flush()
            while True:
                answer = json.loads(stream.readline())
                if answer.get("id") == "wanted":
                    return answer["return"]
