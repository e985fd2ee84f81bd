#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""systemd-logind, played by python3-dbusmock on the bus of DBUS_SYSTEM_BUS_ADDRESS.  A process of its
own, since the modules are those of Debian's python3.  One JSON list a line, [what, argument]; each has
an answer on a line.  lib/logind.py is the other end."""
import json
import os
import sys
import traceback

import dbus
import dbus.lowlevel
import dbus.mainloop.glib
import dbus.service
from dbusmock import mockobject
from gi.repository import GLib

LOGIND, PATH, MANAGER = ("org.freedesktop.login1", "/org/freedesktop/login1",
                         "org.freedesktop.login1.Manager")


class Mock:
    def __init__(self):
        self.bus = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])
        name = dbus.service.BusName(LOGIND, self.bus, do_not_queue=True)
        self.logind = mockobject.DBusMockObject(name, PATH, MANAGER, {}, os.devnull)
        mockobject.objects[PATH] = self.logind
        self.logind.AddTemplate("logind", {})
        self.logind.AddProperty(MANAGER, "InhibitDelayMaxUSec", dbus.UInt64(5000000))

    def locks(self, _):
        return [[str(word) for word in lock[:4]] for lock in self.logind.ListInhibitors()]

    def delay_max_s(self, seconds):
        self.logind.UpdateProperties(MANAGER, {"InhibitDelayMaxUSec": dbus.UInt64(seconds * 1000000)})

    def prepare(self, is_on):
        self.logind.UpdateProperties(MANAGER, {"PreparingForShutdown": dbus.Boolean(is_on)})
        self.logind.EmitSignal(MANAGER, "PrepareForShutdown", "b", [dbus.Boolean(is_on)])

    def pid_of(self, name):
        return self.bus.call_blocking("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                      "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s",
                                      [name])

    def forge(self, pid):
        """The same signal as of a shutdown, by somebody else, to process PID alone."""
        stranger = dbus.bus.BusConnection(os.environ["DBUS_SYSTEM_BUS_ADDRESS"])
        [name] = [name for name in self.bus.list_names() if name.startswith(":") and
                  self.pid_of(name) == pid]
        message = dbus.lowlevel.SignalMessage(PATH, MANAGER, "PrepareForShutdown")
        message.append(True, signature="b")
        message.set_destination(name)
        stranger.send_message(message)
        stranger.flush()
        stranger.list_names()   # the bus has taken the signal when it answers this
        return name


def on_line(channel, _, mock):
    line = channel.readline()
    if line:
        what, argument = json.loads(line)
        try:
            print(json.dumps(getattr(mock, what)(argument)), flush=True)
            return True
        except Exception:
            traceback.print_exc()
    loop.quit()
    return False


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
loop = GLib.MainLoop()
GLib.io_add_watch(sys.stdin, GLib.PRIORITY_LOW, GLib.IO_IN | GLib.IO_HUP, on_line, Mock())
print(json.dumps("there"), flush=True)
loop.run()
