// SPDX-License-Identifier: LGPL-2.1-or-later
// Who did what, and what came of it: events of this host, from those that it still keeps on.
import * as api from "./api.js";
import {badge, h, setText} from "./dom.js";
import {fleet} from "./fleet.js";
import {List} from "./list.js";
import {kind, moment} from "./words.js";

// Of these the host keeps the last 1024, of all types; a move's and a VM's come once for each state.
const TYPES = ["move", "evacuation", "queue", "hold", "cordon", "hook", "monitor", "shutdown", "autostart", "maintenance", "save", "refresh", "backup"];
const MOST = 1000;

// A cancel that was asked for may have come to nothing.
const whoEnded = e => e.state === "cancelled" ? e.cancelled_by : "";

// Who and what, as far as the event says it.
const WORDS = {
	move: e => [whoEnded(e) || e.began_by, `${e.vm}: ${e.source} → ${e.destination}`, e.state, e.error?.detail || e.reason],
	evacuation: e => [e.aborted_by || e.requests?.map(one => one.requester).join(", "), `evacuation of ${e.host}`, e.paused ? "paused" : e.state, e.reason],
	queue: e => [whoEnded(e) || e.created_by, `queue: ${e.vm}`, e.state, e.reason],
	hold: e => [e.by, `hold ${e.vm ? "of " + e.vm : "of the host"}`, e.change, e.reason],
	cordon: e => [e.by, "cordon", e.change, e.reason || e.party],
	hook: e => [e.by, `hook ${e.name}`, e.state, e.reason],
	monitor: e => [`${e.caller} (${e.role})`, `monitor of ${e.vm}`, e.result, e.command],
	shutdown: e => ["", "shutdown of the host", e.stage, e.problem],
	autostart: e => ["", `start of ${e.vm} after a boot`, e.result, e.reason],
	maintenance: e => ["", "maintenance", e.state, e.reason],
	save: e => ["", `save of ${e.vm}`, e.state, e.reason],
	refresh: e => ["", `refresh of ${e.vm}`, e.state, e.reason],
	backup: e => ["", `backup of ${e.vm}`, e.state, e.reason],
};

const COLUMNS = [
	{title: "When", text: line => moment(line.at), class: "when"},
	{title: "Who", class: "who-cell", text: line => line.who},
	{title: "What", class: "what", text: line => line.what},
	{title: "State", class: "short-state", make: () => badge(""), fill(cell, line) {
		setText(cell.firstChild, line.state);
		cell.firstChild.className = "badge " + kind(line.state);
	}},
	{title: "Details", class: "details", text: line => line.details},
];

export function logView() {
	const lines = [], list = new List({label: "Events, newest first", columns: COLUMNS, key: line => line.number, empty: "Nothing has happened yet."});
	let number = 0, last = "", isDue = false, source = null;

	function draw() {
		isDue = false;
		list.set([...lines].reverse());
	}

	// An id that the host does not know: all that it still keeps comes first.
	function begin() {
		source = api.events(TYPES, "0", (type, event) => {
			if (type === "gap")
				return;
			const [who, what, state, details] = WORDS[type](event), text = [type, who, what, state].join("\n");
			if (text === last)
				return;
			last = text;
			lines.push({number: ++number, at: event.at, who: who || "", what, state: state || "", details: details || ""});
			if (lines.length > MOST)
				lines.shift();
			if (!isDue)
				setTimeout(draw, 150);
			isDue = true;
		});
	}

	if (fleet.caller.host)
		begin();
	draw();
	return {title: "Log", update() {}, close() { source?.close(); list.close(); },
		element: h("div", null, h("p", {class: "sum"}, "What has happened on this host, newest first, as far as it is kept."), list.element)};
}
