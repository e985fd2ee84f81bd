// SPDX-License-Identifier: LGPL-2.1-or-later
// Moves: the list, and one of them as it goes.
import * as api from "./api.js";
import {badge, bar, h, setAttribute, setBar, setText, show} from "./dom.js";
import {ask, button, field, tick} from "./dialog.js";
import {fleet} from "./fleet.js";
import {List} from "./list.js";
import {bytes, clock, duration, kind, moment, MOVE_WORDS, percent, plural, range, rate} from "./words.js";

const LOOK_MS = 1000;
const MINE = move => move.kind === "MIGRATION_OUT" && !move.elsewhere;
const shareOf = move => move.final ? (move.state === "done" ? 100 : 0) : move.progress?.percent || 0;

function etaOf(move) {
	const progress = move.progress || {};
	return move.final ? "" : range(progress.eta_min_ms, progress.eta_max_ms);
}

function fillProgress(cell, move) {
	setBar(cell.firstChild, shareOf(move));
	setText(cell.children[1], move.final ? "" : move.elsewhere ? "at " + move.host : percent(shareOf(move)));
}

function fillState(cell, move) {
	setText(cell.firstChild, move.state);
	setAttribute(cell.firstChild, "class", "badge " + kind(move.state));
	setText(cell.lastChild, move.error?.detail || (move.final ? "" : move.progress?.sentence || move.reason || ""));
	setAttribute(cell, "title", cell.lastChild.textContent || null);
}

const COLUMNS = [
	{title: "VM", class: "name", sort: move => move.vm, make: () => h("a"), fill(cell, move) {
		setText(cell.firstChild, move.vm);
		setAttribute(cell.firstChild, "href", move.elsewhere ? null : `#/moves/${move.id}`);
	}},
	{title: "Way", text: move => `${move.source} → ${move.destination}`, sort: move => move.destination},
	{title: "State", class: "state", sort: move => move.state, make: () => [badge(""), h("span", {class: "note"})], fill: fillState},
	{title: "Progress", class: "progress", sort: shareOf, make: () => [bar(0), h("span", {class: "figure"})], fill: fillProgress},
	{title: "Ends in", class: "number", text: etaOf},
	{title: "Begun", class: "number rare", text: move => clock(move.created_at), sort: move => -Date.parse(move.created_at)},
];

export function movesView() {
	const sum = h("p", {class: "sum", role: "status"});
	const active = new List({label: "Moves under way", columns: COLUMNS, key: move => move.id, empty: "Nothing moves."});
	const over = new List({label: "Moves that have ended", columns: COLUMNS, key: move => move.id, empty: "None has ended yet."});
	over.order = {column: COLUMNS.length - 1, down: false};
	return {
		title: "Moves", close() { active.close(); over.close(); },
		element: h("div", null, sum, h("h3", null, "Under way"), active.element, h("h3", null, "Ended"), over.element),
		update() {
			const moves = [...fleet.moves.values()], now = moves.filter(move => !move.final);
			setText(sum, fleet.isLoaded ? `${plural(now.length, "move")} under way` : "loading ...");
			active.set(now);
			over.set(moves.filter(move => move.final));
		},
	};
}

// ---- one move ------------------------------------------------------------------------------

function steer(move) {
	const limit = h("input", {type: "number", min: "1", step: "1"}), downtime = h("input", {type: "number", min: "1", step: "1"});
	ask({
		title: `Change the move of ${move.vm}`, doIt: "Change",
		fields: [field("Limit in Mbit/s", limit, "Empty: as it is."), field("Longest standstill in ms", downtime, "Empty: as it is.")],
		async act() {
			const change = {...(limit.value ? {bandwidth_bytes_per_s: Math.round(limit.value * 1e6 / 8)} : {}),
				...(downtime.value ? {downtime_limit_ms: Number(downtime.value)} : {})};
			const said = await api.patch(`/v1/moves/${move.id}`, change);
			return said.did || "It is changed.";
		},
	});
}

function finish(move) {
	const force = tick("Stop the guest at once", false, "It then stands still until all is sent.");
	ask({
		title: `End the move of ${move.vm} now`, doIt: "End it now", fields: [force.element],
		text: "The guest may stand still for longer than the policy allows.",
		act: async () => (await api.post(`/v1/moves/${move.id}/finish`, {force: force.box.checked})).did || "It ends as soon as it can.",
	});
}

function cancel(move) {
	ask({
		title: `Cancel the move of ${move.vm}`, doIt: "Cancel the move", kind: "danger",
		text: `The guest stays on ${move.source}, as if nothing had been.`,
		async act() {
			const said = await api.post(`/v1/moves/${move.id}/cancel`);
			return said.state === "cancelled" ? "It is cancelled; the guest has stayed." : "It is being cancelled.";
		},
	});
}

function buttons(move) {
	if (!fleet.mayChange() || move.final)
		return null;
	const at = `/v1/moves/${move.id}`;
	return h("div", {class: "buttons", role: "group", "aria-label": "What can be done with the move"},
		move.held ? button("Let it go on", async () => (await api.post(at + "/release")).did) : null,
		MINE(move) && move.state === "transfer" ? h("button", {type: "button", "data-key": "steer", onclick: () => steer(move)}, "Change limits") : null,
		MINE(move) && move.state === "transfer" ? h("button", {type: "button", "data-key": "finish", onclick: () => finish(move)}, "End it now") : null,
		MINE(move) && move.options?.postcopy && move.state === "transfer" ? button("Post-copy now", async () => (await api.post(at + "/postcopy")).did) : null,
		move.can_cancel ? h("button", {type: "button", class: "danger", "data-key": "cancel", onclick: () => cancel(move)}, "Cancel the move") : null);
}

function answers(move) {
	const progress = move.progress || {}, measured = move.measured || {}, pairs = [];
	const add = (name, text) => text && pairs.push([name, text]);
	if (!move.final) {
		add("Now", MOVE_WORDS[move.state]);
		add("Ends in", etaOf(move) || (MINE(move) ? "not known yet" : ""));
		add("Rate", progress.throughput_mbit_per_s ? rate(progress.throughput_mbit_per_s) : "");
		add("Left of memory", progress.ram_total_bytes ? `${bytes(progress.ram_remaining_bytes)} of ${bytes(progress.ram_total_bytes)}` : "");
		add("Sent", progress.ram_transferred_bytes ? bytes(progress.ram_transferred_bytes) : "");
		add("Passes", progress.passes ? String(progress.passes) : "");
		add("The guest changes", progress.dirty_pages_per_s ? bytes(progress.dirty_pages_per_s * 4096) + "/s" : "");
		add("It would stand still for", progress.expected_downtime_ms ? duration(progress.expected_downtime_ms) : "");
		add("Its CPUs are slowed by", progress.throttle_percent ? percent(progress.throttle_percent) : "");
	}
	add("The guest stood still for", Number.isFinite(measured.blackout_ms) ? duration(measured.blackout_ms) : "");
	add("Took", move.times?.total_ms ? duration(move.times.total_ms) : "");
	add("Policy", move.policy?.name ? `${move.policy.name}: ${move.policy.why || ""}` : "");
	add("Begun", moment(move.created_at));
	add("Begun by", move.began_by);
	add(move.state === "cancelled" ? "Cancelled by" : "Cancel asked for by", move.cancelled_by);
	add("Ended", moment(move.ended_at));
	return h("dl", {class: "pairs"}, pairs.map(([name, text]) => h("div", null, h("dt", null, name), h("dd", null, text))));
}

function why(move) {
	const isWanted = move.state === "cancelled", error = move.error;
	const text = error ? (isWanted ? error.detail : `${error.code}: ${error.detail}`) : move.explanation || move.progress?.sentence || move.reason;
	return text ? h("p", {class: "why" + (isWanted ? " warn" : error ? " bad" : "")}, text) : null;
}

function passesTable(passes) {
	if (!passes.length)
		return h("p", {class: "empty"}, "No pass has ended yet.");
	const most = Math.max(...passes.map(pass => pass.sent_bytes), 1);
	return h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": "Passes over the memory"}, h("table", {class: "plain"},
		h("thead", null, h("tr", null, [["Pass"], ["Took", "number"], ["To send", "number"], ["Sent"], ["Changed meanwhile", "number"], ["Decided"]].map(([title, kind]) => h("th", {scope: "col", class: kind}, title)))),
		h("tbody", null, passes.slice(-60).map(pass => h("tr", null,
			h("th", {scope: "row"}, pass.first === pass.last ? String(pass.first) : `${pass.first}-${pass.last}`),
			h("td", {class: "number"}, duration(pass.duration_ms)), h("td", {class: "number"}, bytes(pass.to_send_bytes)),
			h("td", null, bar(pass.sent_bytes / most * 100), " ", bytes(pass.sent_bytes)),
			h("td", {class: "number"}, bytes(pass.dirty_pages_per_s * 4096) + "/s"), h("td", null, pass.decision))))));
}

function timelineList(timeline) {
	return h("ol", {class: "timeline"}, timeline.map(one => h("li", null, h("time", {datetime: one.at}, clock(one.at)), " ",
		h("span", null, h("b", null, one.event), " ", one.detail))));
}

export function moveView(id) {
	const head = h("div", {class: "head"}), progress = h("div", {class: "wide-progress", role: "progressbar", "aria-label": "Way to the handover", "aria-valuemin": "0", "aria-valuemax": "100"}, bar(0));
	const reason = h("div", {"aria-live": "polite"}), facts = h("div"), doing = h("div"), passes = h("div"), timeline = h("div");
	let move = fleet.moves.get(id) || null, isClosed = false, timer = null, state = "";

	function draw() {
		if (!move)
			return;
		setBar(progress.firstChild, shareOf(move));
		setAttribute(progress, "aria-valuenow", Math.round(shareOf(move)));
		show(head, h("p", null, h("b", null, move.vm), ` ${move.source} → ${move.destination} `, badge(move.state, kind(move.state))));
		show(reason, why(move));
		show(facts, answers(move));
		const wanted = `${move.state} ${move.can_cancel} ${move.held} ${fleet.caller.role}`;
		if (state !== wanted) {
			state = wanted;
			doing.replaceChildren(...[buttons(move)].filter(Boolean));
		}
	}

	async function look() {
		try {
			if (!document.hidden || !move) {
				move = await api.get(`/v1/moves/${api.name(id)}`);
				const [steps, events] = await Promise.all([api.find(`/v1/moves/${api.name(id)}/passes`), api.find(`/v1/moves/${api.name(id)}/timeline`)]);
				if (isClosed)
					return;
				draw();
				show(passes, passesTable(steps?.items || []));
				show(timeline, timelineList(events?.items || []));
			}
			if (move.final)
				return;
		} catch (problem) {
			show(reason, h("p", {class: "why bad"}, problem.message));
			if (problem.status === 404)
				return;
		}
		timer = setTimeout(look, LOOK_MS);
	}

	look();
	return {
		title: move ? `Move of ${move.vm}` : "Move", update: draw,
		close() { isClosed = true; clearTimeout(timer); },
		element: h("div", null, h("p", null, h("a", {href: "#/moves"}, "All moves")), head, progress, reason, doing, facts,
			h("h3", null, "Passes over the memory"), passes, h("h3", null, "What happened"), timeline),
	};
}
