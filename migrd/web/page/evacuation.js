// SPDX-License-Identifier: LGPL-2.1-or-later
// Emptying this host: a plan before it begins, then the four answers: how many are left, which one
// blocks and why, when it ends, how full the others get.
import * as api from "./api.js";
import {badge, bar, h, show} from "./dom.js";
import {ask, button, choice, field, tick} from "./dialog.js";
import {emptiedHosts} from "./emptied.js";
import {fleet} from "./fleet.js";
import {clock, duration, kind, mib, moment, percent, plural, until} from "./words.js";

const LOOK_MS = 1000;
const DULL = ["waiting", "moved", "returned", "gone"];

// ---- the four answers ------------------------------------------------------------------------

function answer(title, figure, text, state) {
	return h("li", {class: "answer-card " + (state || "")}, h("h3", null, title), h("p", {class: "big"}, figure), text ? h("p", null, text) : null);
}

function left(evacuation) {
	const counts = evacuation.counts, parts = [["moving", "on their way"], ["blocked", "blocked"], ["stays", "to stay"], ["returned", "back"]]
		.filter(([key]) => counts[key]).map(([key, words]) => `${counts[key]} ${words}`);
	return answer("Left", `${counts.left} of ${counts.total}`, parts.join(", ") || `${counts.moved} moved`, counts.left ? "" : "good");
}

function blocked(evacuation) {
	const name = evacuation.blocked_by, vm = name && evacuation.vms?.find(one => one.vm === name);
	if (!name)
		return answer("Blocked by", "nothing", evacuation.final ? "It is over." : "", "good");
	const rejected = (vm?.rejected || []).map(one => `${one.host}: ${one.why}`).join("; ");
	return answer("Blocked by", name, [vm?.why, rejected].filter(Boolean).join(". "), "bad");
}

function ends(evacuation) {
	const end = evacuation.expected_end;
	if (evacuation.final)
		return answer("Ended", clock(evacuation.ended_at), moment(evacuation.ended_at));
	if (evacuation.state === "drained")
		return answer("Ends", "empty now", `since ${moment(evacuation.drained_at)}`, "good");
	if (evacuation.paused)
		return answer("Ends", "paused", "Nothing is begun until it is resumed.", "warn");
	if (!end)
		return answer("Ends", "not known", "");
	return answer("Ends in", until(end.expected), `between ${until(end.earliest)} and ${until(end.latest)}; about ${clock(end.expected)}`);
}

function hostFill(host) {
	const before = host.memory_mib ? host.before.memory_mib * 100 / host.memory_mib : 0;
	const after = host.memory_percent_after ?? 0;
	return h("li", null, h("span", null, h("b", null, host.host), ` ${percent(before)} → ${percent(after)}`),
		bar(after, after > 90 ? "bad" : after > 75 ? "warn" : ""),
		h("small", null, `${mib(host.after.memory_mib)} of ${mib(host.memory_mib)}; at most ${percent(host.memory_percent_worst ?? after)}`,
			host.homeless_after ? `; should ${host.host} be lost then, ${host.homeless_after} has no place` : ""));
}

function others(evacuation) {
	const hosts = (evacuation.plan?.hosts || []).filter(host => host.host !== evacuation.host);
	return h("li", {class: "answer-card"}, h("h3", null, "Fill of the others"),
		hosts.length ? h("ul", {class: "fills"}, hosts.map(hostFill)) : h("p", {class: "big"}, "no plan yet"));
}

// ---- plan ----------------------------------------------------------------------------------

function table(label, titles, rows) {
	return h("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": label}, h("table", {class: "plain"},
		h("thead", null, h("tr", null, titles.map(title => h("th", {scope: "col"}, title)))),
		h("tbody", null, rows.map(cells => h("tr", null, cells.map((cell, i) => h(i ? "td" : "th", i ? null : {scope: "row"}, cell)))))));
}

function planPage(evacuation) {
	const plan = evacuation.plan;
	if (!plan)
		return h("p", null, evacuation.reason);
	return h("div", {class: "plan"},
		h("p", null, h("b", null, plural(plan.moves.length, "move")), plan.moves.length ? ` in about ${duration(plan.makespan_ms)}` : "",
			plan.stays.length ? `; ${plural(plan.stays.length, "guest")} would stay` : "", "."),
		h("ul", {class: "fills"}, plan.hosts.filter(host => host.host !== evacuation.host).map(hostFill)),
		plan.moves.length ? table("Moves of the plan", ["VM", "To", "Or", "Begins", "Why"], plan.moves.slice(0, 200).map(move =>
			[move.vm, move.to, move.others.join(", "), duration(move.start_ms), move.why])) : null,
		plan.stays.length ? table("Guests that stay", ["Stays", "Becomes", "Why"], plan.stays.slice(0, 200).map(stay =>
			[stay.vm, stay.becomes || "", [stay.why, ...(stay.rejected || []).map(one => `${one.host}: ${one.why}`)].join("; ")])) : null);
}

function planAndStart() {
	const reason = h("input", {type: "text", maxlength: "200"}), stopped = choice([["move", "move them too"], ["leave", "leave them here"]]);
	const complete = tick("Only if all can be moved");
	let seen = null;
	const request = () => ({why: reason.value, stopped: stopped.value, complete: complete.box.checked});
	ask({
		title: `Empty host ${fleet.caller.host}`, doIt: "Start", more: ["Show the plan"],
		text: "No new guest comes to this host, and each VM is moved to another one.",
		fields: [field("Why", reason, "For the record, and for those who look at it."), field("VMs that do not run", stopped), complete.element],
		async act(name) {
			if (name === "Show the plan") {
				const dry = await api.post("/v1/evacuations?dry_run=true", request());
				seen = dry.plan?.state_id;
				return planPage(dry);
			}
			await api.post("/v1/evacuations", {...request(), ...(seen ? {state_id: seen} : {})});
			return "The evacuation has begun.";
		},
	});
}

// ---- what can be done ------------------------------------------------------------------------

function abort(evacuation) {
	const moves = choice([["finish", "let them end"], ["cancel", "cancel them"]]), back = tick("Bring back what has moved");
	ask({
		title: "Abort the evacuation", doIt: "Abort it", kind: "danger", text: "The host takes guests again.",
		fields: [field("Moves under way", moves), back.element],
		act: async () => (await api.post(`/v1/evacuations/${evacuation.id}/abort`, {moves: moves.value, back: back.box.checked})).reason,
	});
}

function giveBack(evacuation) {
	const vms = choice([["back", "bring them back"], ["stay", "leave them where they are"]]);
	ask({
		title: "Use the host again", doIt: "Use it", fields: [field("Its VMs", vms)],
		act: async () => (await api.post(`/v1/evacuations/${evacuation.id}/return`, {vms: vms.value})).reason,
	});
}

function buttons(evacuation) {
	if (!fleet.mayChange())
		return null;
	if (!evacuation || evacuation.final)
		return h("div", {class: "buttons"}, h("button", {type: "button", class: "primary", "data-key": "plan", onclick: planAndStart}, "Plan an evacuation"));
	const at = `/v1/evacuations/${evacuation.id}`, isOn = evacuation.state !== "drained" && evacuation.state !== "returning" && !evacuation.ending;
	return h("div", {class: "buttons", role: "group", "aria-label": "What can be done with the evacuation"},
		!evacuation.approved ? button("Approve", async () => (await api.post(at + "/approve")).reason) : null,
		isOn && !evacuation.paused ? button("Pause", async () => (await api.post(at + "/pause")).reason) : null,
		isOn && evacuation.paused ? button("Resume", async () => (await api.post(at + "/resume")).reason) : null,
		evacuation.state === "drained" ? h("button", {type: "button", class: "primary", "data-key": "return", onclick: () => giveBack(evacuation)}, "Use the host again") : null,
		!evacuation.ending ? h("button", {type: "button", class: "danger", "data-key": "abort", onclick: () => abort(evacuation)}, "Abort") : null);
}

// ---- the page ------------------------------------------------------------------------------

function vmsTable(evacuation) {
	const told = (evacuation.vms || []).filter(vm => !DULL.includes(vm.state)), dull = (evacuation.vms || []).length - told.length;
	const rows = told.slice(0, 200).map(vm => [vm.move ? h("a", {href: `#/moves/${vm.move}`, "data-key": vm.vm}, vm.vm) : vm.vm,
		badge(vm.state, kind(vm.state)), vm.host || "", vm.expected_end ? until(vm.expected_end.expected) : "", vm.why]);
	return [rows.length ? table("VMs of the evacuation", ["VM", "State", "Host", "Ends in", "Why"], rows) : null,
		dull ? h("p", {class: "note"}, `${plural(dull, "further VM")} waiting, moved or back.`) : null];
}

function requestsOf(evacuation) {
	return h("ul", null, (evacuation.requests || []).map(one => h("li", null, h("b", null, one.requester), one.asked_at ? `, ${moment(one.asked_at)}` : "", one.why ? `: ${one.why}` : "")));
}

export function evacuationView() {
	const head = h("div", {"aria-live": "polite"}), doing = h("div"), four = h("ul", {class: "answers", "aria-label": "The four answers"}), rest = h("div"), all = h("div");
	let evacuation = null, isClosed = false, timer = null, state = "", isKnown = false;

	function draw() {
		show(all, emptiedHosts());
		const wanted = evacuation ? `${evacuation.id} ${evacuation.state} ${evacuation.paused} ${evacuation.ending} ${evacuation.approved}` : "none";
		if (isKnown && state !== wanted + fleet.caller.role) {
			state = wanted + fleet.caller.role;
			doing.replaceChildren(...[buttons(evacuation)].filter(Boolean));
		}
		if (!evacuation) {
			show(head, isKnown ? h("p", null, `Host ${fleet.caller.host} is not being emptied.`) : "loading ...");
			return;
		}
		show(head, h("p", null, `Host ${evacuation.host} `, badge(evacuation.paused ? "paused" : evacuation.state, kind(evacuation.paused ? "paused" : evacuation.state)), ` ${evacuation.reason}`),
			evacuation.error ? h("p", {class: "why bad"}, evacuation.error.detail) : null);
		show(four, left(evacuation), blocked(evacuation), ends(evacuation), others(evacuation));
		show(rest, h("h3", null, "VMs"), ...vmsTable(evacuation).filter(Boolean), h("h3", null, "Who wants it"), requestsOf(evacuation),
			evacuation.began_by ? h("p", {class: "note"}, `Begun by ${evacuation.began_by}${evacuation.aborted_by ? `, aborted by ${evacuation.aborted_by}` : ""}.`) : null);
	}

	async function look() {
		try {
			if (!document.hidden) {
				const [last] = (await api.get("/v1/evacuations?limit=1&fields=id")).items;
				evacuation = last ? await api.find(`/v1/evacuations/${last.id}`) : null;
				isKnown = true;
			}
			if (isClosed)
				return;
			draw();
		} catch (problem) {
			show(head, h("p", {class: "why bad"}, problem.message));
		}
		timer = setTimeout(look, LOOK_MS);
	}

	look();
	return {
		title: "Evacuation", update: draw, close() { isClosed = true; clearTimeout(timer); },
		element: h("div", null, head, doing, four, rest, all),
	};
}
