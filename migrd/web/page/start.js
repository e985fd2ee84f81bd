// SPDX-License-Identifier: LGPL-2.1-or-later
// The question before a move: where to, how, and what it would be like.
import * as api from "./api.js";
import {h} from "./dom.js";
import {ask, choice, field} from "./dialog.js";
import {fleet} from "./fleet.js";
import {fill} from "./overview.js";
import {bytes, duration, percent} from "./words.js";

function places(vm) {
	return [...fleet.hosts.values()].filter(host => host.id !== vm.host).map(host => {
		const {used, of} = host.answered ? fill(host) : {};
		return [host.id, host.answered ? `${host.id}: ${percent(used / of * 100)} full` : `${host.id}: does not answer`];
	});
}

function span(figure, text) {
	return figure.low === figure.high ? text(figure.expected) : `${text(figure.expected)} (${text(figure.low)} to ${text(figure.high)})`;
}

// What a dry run has said.
function trial(said) {
	const forecast = said.forecast;
	const rows = forecast ? [["Takes", span(forecast.duration_ms, duration)], ["Stands still for", span(forecast.blackout_ms, duration)],
		["Sends", span(forecast.bytes, bytes)]] : [];
	return h("div", {class: "trial"},
		h("p", null, h("b", null, said.possible ? "It can be moved. " : "It would be refused. "), forecast?.summary || ""),
		rows.length ? h("dl", {class: "pairs"}, rows.map(([name, text]) => h("div", null, h("dt", null, name), h("dd", null, text)))) : null,
		said.reasons?.length ? h("ul", null, said.reasons.map(reason => h("li", {class: reason.blocks ? "bad" : "warn"},
			`${reason.side}, ${reason.check}: ${reason.detail}`))) : null);
}

export async function startMove(vm) {
	const to = choice(places(vm)), policy = h("select", null, h("option", {value: ""}, "as the VM or the host says"));
	const limit = h("input", {type: "number", min: "1", step: "1", inputmode: "numeric"});
	const request = () => ({vm: vm.name, to: to.value, ...(policy.value ? {policy: policy.value} : {}),
		...(limit.value ? {bandwidth_bytes_per_s: Math.round(limit.value * 1e6 / 8)} : {})});

	ask({
		title: `Move ${vm.name}`, doIt: "Move", more: ["What would it be like?"],
		fields: [field("To host", to), field("Policy", policy), field("Limit in Mbit/s", limit, "Empty: what the policy says.")],
		async act(name) {
			if (name !== "Move")
				return trial(await api.post("/v1/moves?dry_run=true", request()));
			const move = await api.post("/v1/moves", request());
			location.hash = `#/moves/${move.id}`;
			return `${vm.name} is on its way to ${move.destination}`;
		},
	});
	const policies = await api.find("/v1/policies").catch(() => null);
	policy.append(...(policies?.items || []).map(one => h("option", {value: one.name}, one.name)));
}
