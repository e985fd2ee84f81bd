// SPDX-License-Identifier: LGPL-2.1-or-later
// VMs of all hosts: found by a word, started on their way.
import {badge, h, setAttribute, setText} from "./dom.js";
import {fleet} from "./fleet.js";
import {List} from "./list.js";
import {startMove} from "./start.js";
import {kind, mib, plural} from "./words.js";

const jobOf = vm => typeof vm.job === "string" ? {kind: vm.job, id: vm.job_id} : vm.job;

function fillState(cell, vm) {
	const state = cell.firstChild, job = jobOf(vm), note = vm.elsewhere ? `is on ${vm.elsewhere}` : vm.reason || "";
	setText(state, vm.elsewhere ? "elsewhere" : vm.state);
	setAttribute(state, "class", "badge " + (vm.elsewhere ? "" : kind(vm.state)));
	const link = cell.children[1];
	link.hidden = !job;
	setText(link, job ? job.kind.startsWith("MIGRATION") ? "moves" : job.kind.toLowerCase().replaceAll("_", " ") : "");
	setAttribute(link, "href", job && job.kind.startsWith("MIGRATION") ? `#/moves/${job.id}` : null);
	setText(cell.children[2], note);
	setAttribute(cell, "title", note || null);
}

function fillButtons(cell, vm) {
	const button = cell.firstChild, may = fleet.mayChange() && fleet.isOwn(vm) && !jobOf(vm);
	button.hidden = !may;
	button.onclick = () => startMove(vm);
	setAttribute(button, "aria-label", `Move ${vm.name}`);
	setText(cell.lastChild, !fleet.mayChange() || may ? "" : fleet.isOwn(vm) || vm.elsewhere ? "" : `at ${vm.host}`);
}

const COLUMNS = [
	{title: "VM", text: vm => vm.name, sort: vm => vm.name, class: "name"},
	{title: "State", class: "state", sort: vm => vm.state, make: () => [badge(""), h("a", {class: "job"}), h("span", {class: "note"})], fill: fillState},
	{title: "Host", text: vm => vm.host, sort: vm => vm.host},
	{title: "Memory", class: "number", text: vm => mib(vm.memory_mib), sort: vm => vm.memory_mib},
	{title: "CPUs", class: "number rare", text: vm => String(vm.vcpus), sort: vm => vm.vcpus},
	{title: "Do", class: "do", make: () => [h("button", {type: "button", hidden: true}, "Move"), h("span", {class: "note"})], fill: fillButtons},
];

export function vmsView(host) {
	const search = h("input", {type: "search", id: "search", autocomplete: "off", placeholder: "name, state or host", value: host || "", oninput: () => update()});
	const count = h("p", {class: "sum", role: "status"});
	const list = new List({label: "VMs", columns: COLUMNS, key: vm => `${vm.host}/${vm.name}`, empty: "No VM is like that."});

	function update() {
		const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
		const all = [...fleet.vms.values()];
		const found = words.length ? all.filter(vm => words.every(word => vm.name.toLowerCase().includes(word) || vm.host === word || vm.state === word)) : all;
		setText(count, fleet.isLoaded || all.length ? (found.length === all.length ? plural(all.length, "VM") : `${found.length} of ${plural(all.length, "VM")}`) : "loading ...");
		list.set(found);
	}

	return {title: "VMs", update, close: () => list.close(),
		element: h("div", null, h("div", {class: "field search"}, h("label", {for: "search"}, "Find"), search), count, list.element)};
}
