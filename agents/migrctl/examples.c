/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agents/migrctl/examples.h"

#include <string.h>

#include "base/mem.h"

#define E(words) "  migrctl " words "\n"

static const struct {
	const char *noun, *verb; /* verb NULL: the noun is the command */
	const char *text;
} examples[] = {
	{ "vm", "create", E("vm create vm1.json --start") E("vm create - < vm1.json") },
	{ "vm", "list",
	  E("vm list") E("vm list -o wide") E("vm list --all-hosts") E("vm list -o name") },
	{ "vm", "show", E("vm show vm1") E("vm show vm1 -o yaml") },
	{ "vm", "top", E("vm top") E("vm top -n 1 --sort disk") E("vm top vm1 -n 1 -o json") },
	{ "vm", "find",
	  E("vm find vm1") E("vm find tier=web")
		  E("vm find 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "vm", "start",
	  E("vm start vm1") E("vm start vm1 --assert-dead b --why \"b is switched off\"") },
	{ "vm", "stop", E("vm stop vm1") },
	{ "vm", "shutdown", E("vm shutdown vm1") },
	{ "vm", "reset", E("vm reset vm1") },
	{ "vm", "pause", E("vm pause vm1") },
	{ "vm", "resume", E("vm resume vm1") },
	{ "vm", "delete", E("vm delete vm1") },
	{ "vm", "attach", E("vm attach vm1 disk.json") },
	{ "vm", "detach", E("vm detach vm1 disk1") },
	{ "vm", "devices", E("vm devices vm1") },
	{ "vm", "insert", E("vm insert vm1 cd0 /srv/iso/debian.iso") },
	{ "vm", "eject", E("vm eject vm1 cd0") },
	{ "vm", "agent", E("vm agent vm1 ping") E("vm agent vm1 freeze --lease 30") },
	{ "vm", "adopt", E("vm adopt --qmp /run/vm1.qmp") E("vm adopt --qmp /run/vm1.qmp --yes") },
	{ "vm", "save", E("vm save vm1 /srv/saved/vm1 --watch") },
	{ "vm", "restore", E("vm restore /srv/saved/vm1 --watch") },
	{ "vm", "refresh", E("vm refresh vm1 --watch") },
	{ "vm", "edit",
	  E("vm edit vm1 --memory 8G --vcpus 4")
		  E("vm edit vm1 --boot-order cd0,disk0 --when next-start")
			  E("vm edit vm1 --file changes.json --remove disk1") E("vm edit vm1") },
	{ "vm", "rename", E("vm rename vm1 web1") },
	{ "vm", "backup",
	  E("vm backup vm1 /srv/backups/vm1 --watch")
		  E("vm backup vm1 /srv/backups/vm1 -i --watch") },
	{ "vm", "autostart", E("vm autostart vm1 on --order 10") E("vm autostart vm1") },
	{ "vm", "label", E("vm label vm1 tier=web rack-") },
	{ "vm", "set-policy", E("vm set-policy vm1 patient") E("vm set-policy vm1") },
	{ "vm", "place", E("vm place vm1") },
	{ "vm", "console", E("vm console vm1") },
	{ "vm", "vnc", E("vm vnc vm1 --viewer vncviewer") E("vm vnc vm1 --port 5901") },
	{ "vm", "qmp", E("vm qmp vm1 query-status") },
	{ "vm", "hmp", E("vm hmp vm1 \"info block\"") },
	{ "vm", "monitor", E("vm monitor vm1") },
	{ "move", "start",
	  E("move start vm1 --to b --watch") E("move start vm1 --to b --dry-run")
		  E("move start vm1 --to b --bandwidth 200M --downtime-limit 100") },
	{ "move", "list",
	  E("move list") E("move list -o wide") E("move list --all-hosts --active") },
	{ "move", "show", E("move show vm1") E("move show vm1 --timeline") },
	{ "move", "watch", E("move watch vm1") },
	{ "move", "cancel", E("move cancel vm1") },
	{ "move", "delay", E("move delay vm1 --seconds 30 --why \"a backup is under way\"") },
	{ "move", "finish", E("move finish vm1") },
	{ "move", "postcopy", E("move postcopy vm1") },
	{ "move", "release", E("move release vm1") },
	{ "move", "set", E("move set vm1 --bandwidth 400M") },
	{ "move", "resolve", E("move resolve vm1 --keep source --why \"b has lost its disks\"") },
	{ "policy", "list", E("policy list") },
	{ "policy", "show", E("policy show default") },
	{ "policy", "set",
	  E("policy set patient.json") E("policy set patient timeout=cancel selector.tier=web") },
	{ "policy", "delete", E("policy delete patient") },
	{ "snapshot", "create",
	  E("snapshot create vm1 before-upgrade --description \"Debian 12\"")
		  E("snapshot create vm1 nightly --freeze") },
	{ "snapshot", "list", E("snapshot list vm1") },
	{ "snapshot", "delete", E("snapshot delete vm1 before-upgrade") },
	{ "snapshot", "revert", E("snapshot revert vm1 before-upgrade") },
	{ "save", "list", E("save list") },
	{ "save", "show", E("save show 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "save", "cancel", E("save cancel 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "refresh", "list", E("refresh list") },
	{ "refresh", "show", E("refresh show 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "refresh", "cancel", E("refresh cancel 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "vm-backup", "list", E("vm-backup list") },
	{ "vm-backup", "show", E("vm-backup show 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "vm-backup", "restore",
	  E("vm-backup restore vm1/01890a5d-ac96-774b-bcce-b302099a8057 --to /srv/images") },
	{ "vm-backup", "cancel", E("vm-backup cancel 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "host", "show", E("host show") E("host show b") },
	{ "host", "list", E("host list") },
	{ "host", "check", E("host check") E("host check --repair") },
	{ "host", "hold", E("host hold --reason \"its disks are looked at\"") },
	{ "host", "cordon", E("host cordon --reason \"a new kernel\"") },
	{ "host", "uncordon", E("host uncordon") },
	{ "host", "evacuate",
	  E("host evacuate --dry-run") E("host evacuate --why \"a new kernel\" --watch") },
	{ "evacuation", "list", E("evacuation list") },
	{ "evacuation", "show", E("evacuation show") },
	{ "evacuation", "watch", E("evacuation watch") },
	{ "evacuation", "approve", E("evacuation approve") },
	{ "evacuation", "pause", E("evacuation pause") },
	{ "evacuation", "resume", E("evacuation resume --watch") },
	{ "evacuation", "abort", E("evacuation abort") },
	{ "evacuation", "return", E("evacuation return") },
	{ "evacuation", "withdraw", E("evacuation withdraw") },
	{ "maintenance", "start",
	  E("maintenance start b c --dry-run") E("maintenance start b c --watch") },
	{ "maintenance", "list", E("maintenance list") },
	{ "maintenance", "show", E("maintenance show") },
	{ "maintenance", "watch", E("maintenance watch") },
	{ "maintenance", "go", E("maintenance go b") },
	{ "maintenance", "pause", E("maintenance pause --why \"b looks slow\"") },
	{ "maintenance", "resume", E("maintenance resume") },
	{ "maintenance", "stop", E("maintenance stop") },
	{ "maintenance", "abort", E("maintenance abort") },
	{ "maintenance", "skip", E("maintenance skip c") },
	{ "backup", NULL, E("backup") E("backup /var/backups/migrd.db") },
	{ "queue", "add", E("queue add vm1 --to b,c") },
	{ "queue", "list", E("queue list --active") },
	{ "queue", "show", E("queue show vm1") },
	{ "queue", "cancel", E("queue cancel vm1") },
	{ "queue", "set", E("queue set vm1 --priority interactive") },
	{ "hold", "add", E("hold add vm1 --reason \"a long calculation\" --for 6h") },
	{ "hold", "list", E("hold list") },
	{ "hold", "show", E("hold show 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "hold", "renew", E("hold renew 01890a5d-ac96-774b-bcce-b302099a8057 --for 6h") },
	{ "hold", "remove", E("hold remove 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "webhook", "add",
	  E("webhook add https://events.example.net/migrd --type move --type evacuation") },
	{ "webhook", "list", E("webhook list") },
	{ "webhook", "show", E("webhook show 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "webhook", "set", E("webhook set 01890a5d-ac96-774b-bcce-b302099a8057 --enable") },
	{ "webhook", "dead", E("webhook dead 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "webhook", "redeliver", E("webhook redeliver 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "webhook", "test", E("webhook test 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "webhook", "remove", E("webhook remove 01890a5d-ac96-774b-bcce-b302099a8057") },
	{ "job", "list", E("job list") },
	{ "wait", NULL,
	  E("wait move 01890a5d-ac96-774b-bcce-b302099a8057 --until done")
		  E("wait evacuation current --until drained --timeout 7200") },
	{ "top", NULL, E("top") E("top --sort memory") E("top --once") },
	{ "web", NULL, E("web") E("web --browser xdg-open") E("web --context rack1 --idle 480") },
	{ "events", NULL, E("events --type move --vm vm1") E("events -o json --count 10") },
	{ "pki", "init", E("pki init") },
	{ "pki", "host", E("pki host a=192.0.2.1 b=192.0.2.2") },
	{ "pki", "user", E("pki user joe --role viewer") },
	{ "context", "add",
	  E("context add prod --host 192.0.2.1 --cert joe.pem --key joe.key --ca ca.pem --use")
		  E("context add test --socket /run/migrd-test/api.sock") },
	{ "context", "list", E("context list") },
	{ "context", "use", E("context use prod") E("context use local") },
	{ "context", "show", E("context show") E("context show prod") },
	{ "context", "remove", E("context remove prod") },
	{ "explain", NULL, E("explain") E("explain move") E("explain vm.disks") },
};

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

const char *examples_of(const struct cli_command *command)
{
	for (size_t i = 0; i < ARRAY_LEN(examples); i++)
		if (is_same(examples[i].noun, command->noun) &&
		    is_same(examples[i].verb, command->verb))
			return examples[i].text;
	return NULL;
}
