// SPDX-License-Identifier: LGPL-2.1-or-later
// What is known of hosts, VMs and moves: lists first, then events of this host; other hosts are
// asked from time to time, by this host (/v1/fleet).
import * as api from "./api.js";

const VM_FIELDS = "name,uuid,state,reason,host,elsewhere,memory_mib,vcpus,job";
const MOVE_FIELDS = "id,vm,kind,source,destination,state,final,can_cancel,held,reason,error,progress,created_at,ended_at";
const HOSTS_MS = 5000, OTHERS_MS = 20000, MOVES_MS = 700, MOVES_SLOW_MS = 3000, MANY_MOVES = 100;
const MOVES_KEPT = 500, MOVES_SHOWN = 200;
// An answer of so many takes the host's loop less than a millisecond.
const VMS_AT_ONCE = 250, MOVES_AT_ONCE = 50;

export const fleet = {
	caller: {name: "", role: "viewer", host: ""},
	hosts: new Map(),       // id -> {id, ..., answered, detail, capacity}
	vms: new Map(),         // "host/name" -> VM
	moves: new Map(),       // id -> move
	evacuation: null,       // the one under way on this host, in short
	isLoaded: false, live: "loading",
	mayChange() { return this.caller.role === "operator" || this.caller.role === "admin"; },
	isOwn(vm) { return vm.host === this.caller.host && !vm.elsewhere; },
};

// ---- who wants to know -------------------------------------------------------------------

const listeners = new Set();
let isDue = false;

export function listen(fn) {
	listeners.add(fn);
	return () => listeners.delete(fn);
}

// However much has changed, the page is drawn a few times a second.
export function changed() {
	if (isDue)
		return;
	isDue = true;
	setTimeout(() => {
		isDue = false;
		for (const fn of [...listeners])
			fn();
	}, 120);
}

export function tell(live) {
	if (fleet.live === live)
		return;
	fleet.live = live;
	changed();
}

// ---- this host ---------------------------------------------------------------------------

const keyOf = vm => `${vm.host}/${vm.name}`;

// ELSEWHERE: what another host has told of it, just now.
function takeMove(move, elsewhere = false) {
	const known = fleet.moves.get(move.id);
	fleet.moves.set(move.id, {...known, ...move, elsewhere, seen: Date.now()});
	if (fleet.moves.size <= MOVES_KEPT)
		return;
	for (const [id, old] of fleet.moves) {
		if (old.final)
			fleet.moves.delete(id);
		if (fleet.moves.size <= MOVES_KEPT)
			break;
	}
}

async function loadVms() {
	const seen = new Set(), host = fleet.caller.host;
	await api.list(`/v1/vms?limit=${VMS_AT_ONCE}&fields=${VM_FIELDS}`, items => {
		for (const vm of items) {
			fleet.vms.set(keyOf(vm), vm);
			seen.add(keyOf(vm));
		}
		changed();
	});
	for (const [key, vm] of fleet.vms)
		if (vm.host === host && !seen.has(key))
			fleet.vms.delete(key);
}

async function loadMoves() {
	const moves = [];
	await api.list(`/v1/moves?limit=${MOVES_AT_ONCE}&fields=${MOVE_FIELDS}`, items => moves.push(...items), MOVES_SHOWN);
	for (const move of moves.reverse())
		takeMove(move);
	changed();
}

// First what the part of the page shows that is looked at.  The position of the events is older than
// all that is read after it.
async function loadOwn() {
	const {items, position} = await api.get("/v1/evacuations?limit=1");
	fleet.evacuation = items[0] || null;
	for (const load of location.hash.startsWith("#/moves") ? [loadMoves, loadVms] : [loadVms, loadMoves])
		await load();
	return position;
}

// Events are missing: until all is read anew it may be old.
async function reload() {
	try {
		await loadOwn();
	} catch {
		tell("away");
		setTimeout(reload, HOSTS_MS);
	}
}

function onEvent(type, data) {
	if (type === "vm" && data.state === "gone")
		fleet.vms.delete(keyOf(data));
	else if (type === "vm")
		fleet.vms.set(keyOf(data), data);
	else if (type === "move")
		takeMove(data);
	else if (type === "evacuation")
		fleet.evacuation = data;
	else if (type === "gap")
		reload();
	changed();
}

// Progress is no event: it is asked for while something moves and somebody looks.
async function followMoves() {
	const active = [...fleet.moves.values()].filter(move => !move.final && !move.elsewhere).length;
	if (active && !document.hidden)
		await api.list(`/v1/moves?state=active&limit=${MOVES_AT_ONCE}&fields=${MOVE_FIELDS}`, items => {
			for (const move of items)
				takeMove(move);
		}, MOVES_SHOWN);
	if (active)
		changed();
	return active > MANY_MOVES ? MOVES_SLOW_MS : MOVES_MS;
}

// ---- all hosts ---------------------------------------------------------------------------

async function lookAtHosts() {
	const [page, capacity] = await Promise.all([api.get("/v1/fleet/hosts?limit=1000"),
		api.get("/v1/capacity").catch(() => ({items: []}))]);
	const figures = new Map(capacity.items.map(item => [item.id, item]));
	const items = new Map(page.items.map(item => [item.id, item]));
	fleet.hosts = new Map(page.hosts.map(heard => heard.id).sort().map(id => [id, {
		id, ...items.get(id), ...Object.fromEntries(Object.entries(page.hosts.find(heard => heard.id === id)).filter(([key]) => key !== "items")),
		capacity: figures.get(id),
	}]));
	changed();
	return HOSTS_MS;
}

async function lookAtOthers() {
	for (const host of fleet.hosts.values()) {
		if (host.id === fleet.caller.host || !host.answered)
			continue;
		const seen = new Set();
		await api.list(`/v1/fleet/vms?host=${api.name(host.id)}&limit=${VMS_AT_ONCE}`, items => {
			for (const vm of items) {
				fleet.vms.set(keyOf(vm), vm);
				seen.add(keyOf(vm));
			}
			changed();
		});
		for (const [key, vm] of fleet.vms)
			if (vm.host === host.id && !seen.has(key))
				fleet.vms.delete(key);
		for (const move of (await api.get(`/v1/fleet/moves?host=${api.name(host.id)}&state=active&limit=100`)).items)
			if (!fleet.moves.has(move.id) || fleet.moves.get(move.id).elsewhere)
				takeMove(move, true);
	}
	for (const [id, move] of fleet.moves)
		if (move.elsewhere && !move.final && Date.now() - move.seen > 2 * OTHERS_MS)
			fleet.moves.delete(id);
	return OTHERS_MS;
}

let source = null;      // of events

// Again and again, while somebody looks at the page; a failure is tried again.
function repeat(look, ms) {
	const turn = async () => {
		let wait = ms;
		try {
			if (!document.hidden) {
				wait = await look();
				if (source.isOpen())
					tell("live");
			}
		} catch (problem) {
			tell(problem.status ? fleet.live : "away");
		}
		setTimeout(turn, wait);
	};
	setTimeout(turn, ms);
}

// Throws a Problem when even the first question is not answered.
export async function begin() {
	fleet.caller = await api.get("/v1/caller");
	changed();
	const [position] = await Promise.all([loadOwn(), lookAtHosts()]);
	fleet.isLoaded = true;
	source = api.events(["vm", "move", "evacuation"], position, onEvent, isOpen => tell(isOpen ? "live" : "away"));
	lookAtOthers().catch(() => tell("away"));
	repeat(lookAtHosts, HOSTS_MS);
	repeat(lookAtOthers, OTHERS_MS);
	repeat(followMoves, MOVES_MS);
	changed();
}
