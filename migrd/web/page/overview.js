// SPDX-License-Identifier: LGPL-2.1-or-later
// Hosts: how full each is, and what moves.
import {badge, bar, h, show} from "./dom.js";
import {emptied} from "./emptied.js";
import {fleet} from "./fleet.js";
import {mib, percent, plural} from "./words.js";

// Of what guests may have, where the host has told it; else of all memory.
export function fill(host) {
	const memory = host.capacity?.figures?.memory_mib;
	if (memory)
		return {used: memory.guests + memory.incoming, of: Math.max(1, memory.total - memory.reserved), what: "of memory for guests"};
	return {used: host.memory_mib - host.memory_available_mib, of: Math.max(1, host.memory_mib), what: "of memory"};
}

function stateOf(host) {
	if (!host.answered)
		return ["does not answer", "bad"];
	if (!host.ready)
		return ["starting", "warn"];
	const state = host.capacity?.state;
	if (state && state !== "online" && state !== "offline")
		return [state, state === "draining" ? "busy" : "warn"];
	return host.cordoned ? ["cordoned", "warn"] : ["online", "good"];
}

function notes(host) {
	const lines = [];
	if (!host.answered)
		lines.push(host.detail);
	if (host.capacity?.why)
		lines.push(host.capacity.why);
	if (host.held)
		lines.push(`held: ${host.held}`);
	if (host.doubt)
		lines.push(`its records may be old: ${host.doubt}`);
	if (host.certificate_days_left !== undefined && host.certificate_days_left < 30)
		lines.push(`its certificate ends in ${plural(host.certificate_days_left, "day")}`);
	return lines.filter(Boolean).map(line => h("p", {class: "note"}, line));
}

export function fillLine(host) {
	const {used, of, what} = fill(host), share = used / of * 100;
	return [bar(share, share > 90 ? "bad" : share > 75 ? "warn" : ""),
		h("p", {class: "figure"}, h("b", null, percent(share)), ` ${what}: ${mib(used)} of ${mib(of)}`)];
}

function card(host) {
	const [state, kind] = stateOf(host);
	const load = host.capacity?.figures?.load;
	return h("li", {class: "card"},
		h("h3", null, host.id, host.id === fleet.caller.host ? h("small", null, " this host") : null, " ", badge(state, kind)),
		host.answered ? fillLine(host) : null,
		host.answered ? h("p", null, `${plural(host.vms_running, "VM")} running of ${host.vms}`,
			host.moves_active ? `, ${plural(host.moves_active, "move")} under way` : "",
			load !== undefined ? `, ${load.toFixed(1)} of ${host.capacity.figures.cores} cores busy` : "") : null,
		notes(host),
		h("p", null, h("a", {href: `#/vms/${encodeURIComponent(host.id)}`, "data-key": host.id}, `VMs of ${host.id}`)));
}

export function hostsView() {
	const sum = h("p", {class: "sum"}), cards = h("ul", {class: "cards", "aria-label": "Hosts"});
	return {
		title: "Hosts", element: h("div", null, sum, cards),
		update() {
			const hosts = [...fleet.hosts.values()], moving = [...fleet.moves.values()].filter(move => !move.final).length;
			const silent = hosts.filter(host => !host.answered).length;
			show(sum, fleet.isLoaded ? `${plural(hosts.length, "host")}, ${plural([...fleet.vms.values()].filter(vm => !vm.elsewhere).length, "VM")}, ` : "loading ...",
				fleet.isLoaded ? h("a", {href: "#/moves", "data-key": "moves"}, `${plural(moving, "move")} under way`) : null,
				emptied().length ? [", ", h("a", {href: "#/evacuation", "data-key": "emptied"}, `${plural(emptied().length, "host")} being emptied`)] : null,
				silent ? `; ${plural(silent, "host")} not heard` : "");
			show(cards, hosts.map(card));
		},
	};
}
