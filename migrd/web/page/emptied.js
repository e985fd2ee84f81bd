// SPDX-License-Identifier: LGPL-2.1-or-later
// All hosts that are being emptied, with the four answers of each: how many VMs are left, which one
// blocks and why, when it ends, how full the others get.
import {badge, bar, h} from "./dom.js";
import {fleet} from "./fleet.js";
import {clock, kind, percent, plural, until} from "./words.js";

export function emptied() {
	return [...fleet.hosts.values()].filter(host => host.evacuation);
}

function left({counts}) {
	const more = [["moving", "on their way"], ["blocked", "blocked"], ["returned", "back"]]
		.filter(([key]) => counts[key]).map(([key, words]) => `, ${counts[key]} ${words}`);
	return `${counts.left} of ${counts.total}${more.join("")}`;
}

function ends(evacuation) {
	if (evacuation.state === "drained")
		return "it is empty now";
	if (evacuation.paused)
		return "paused";
	return evacuation.expected_end ? `in ${until(evacuation.expected_end)}, about ${clock(evacuation.expected_end)}` : "not known";
}

function blocked(evacuation) {
	const [stay] = evacuation.stays.filter(one => !one.becomes);
	const name = evacuation.blocked_by || stay?.vm, why = evacuation.blocked_why || stay?.why;
	return name ? [h("b", null, name), why ? `: ${why}` : ""] : "nothing";
}

function fill(one) {
	const worst = one.percent_worst > one.percent + 0.5 ? `, at most ${percent(one.percent_worst)}` : "";
	return h("li", null, h("span", null, h("b", null, one.host), ` ${percent(one.percent)}${worst}`),
		bar(one.percent, one.percent > 90 ? "bad" : one.percent > 75 ? "warn" : ""));
}

function card(host) {
	const evacuation = host.evacuation, state = evacuation.paused ? "paused" : evacuation.state;
	const pairs = [["Left", left(evacuation)], ["Blocked by", blocked(evacuation)], ["Ends", ends(evacuation)],
		["For", evacuation.requesters.join(", ")]];
	return h("li", {class: "card"},
		h("h3", null, host.id, host.id === fleet.caller.host ? h("small", null, " this host") : null, " ", badge(state, kind(state))),
		h("dl", {class: "pairs"}, pairs.map(([name, text]) => h("div", null, h("dt", null, name), h("dd", null, text)))),
		evacuation.fills?.length ? [h("p", {class: "note"}, "Fill of the others afterwards"), h("ul", {class: "fills"}, evacuation.fills.map(fill))] : null);
}

// With a heading; nothing where no other host is being emptied than this one, which has its own page.
export function emptiedHosts() {
	const hosts = emptied();
	return hosts.some(host => host.id !== fleet.caller.host) ? [h("h3", null, `${plural(hosts.length, "host")} being emptied`),
		h("ul", {class: "cards", "aria-label": "Hosts that are being emptied"}, hosts.map(card))] : [];
}
