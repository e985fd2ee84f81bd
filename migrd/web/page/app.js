// SPDX-License-Identifier: LGPL-2.1-or-later
// The frame of the page: which part is shown, by the address behind the #.
import {h, setAttribute, setText} from "./dom.js";
import {begin, fleet, listen} from "./fleet.js";
import {hostsView} from "./overview.js";
import {vmsView} from "./vms.js";
import {moveView, movesView} from "./move.js";
import {evacuationView} from "./evacuation.js";
import {logView} from "./log.js";

// A view: {title, element, update(), close()}.
const VIEWS = {hosts: hostsView, vms: vmsView, moves: movesView, move: moveView, evacuation: evacuationView, log: logView};
const LIVE = {live: "live", away: "connection lost, trying again", loading: "loading"};
const main = document.getElementById("main");
let view = null;

function decoded(word) {
	try {
		return decodeURIComponent(word);
	} catch {
		return word;
	}
}

function place() {
	const [name, ...words] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
	if (name === "moves" && words[0])
		return ["move", words[0]];
	return Object.hasOwn(VIEWS, name) ? [name, words[0]] : ["hosts"];
}

function update() {
	setText(document.getElementById("host"), fleet.caller.host);
	setText(document.getElementById("who"), fleet.caller.name ? `${fleet.caller.name}, ${fleet.caller.role}` : "");
	document.body.classList.toggle("looks-only", !fleet.mayChange());
	const live = document.getElementById("live");
	setText(live, LIVE[fleet.live]);
	setAttribute(live, "class", "live " + fleet.live);
	view?.update();
}

function go(isFirst) {
	const [name, word] = place();
	view?.close?.();
	view = VIEWS[name](word);
	main.replaceChildren(h("h2", null, view.title), view.element);
	document.title = `${view.title} - migrd ${fleet.caller.host}`;
	for (const link of document.querySelectorAll("nav a"))
		setAttribute(link, "aria-current", link.hash === "#/" + (name === "move" ? "moves" : name) ? "page" : null);
	scrollTo(0, 0);
	if (!isFirst)
		main.focus({preventScroll: true});
	update();
}

listen(update);
addEventListener("hashchange", () => go(false));
go(true);
begin().then(() => go(true)).catch(problem => {
	main.replaceChildren(h("div", {class: "problem", role: "alert"}, h("h2", null, "The host does not answer"),
		h("p", null, problem.message), h("p", null, h("button", {onclick: () => location.reload()}, "Try again"))));
	console.error(problem.stack);
});
