// SPDX-License-Identifier: LGPL-2.1-or-later
// Questions to the user before something is done.
import {h, say} from "./dom.js";

function problemOf(problem) {
	return h("div", {class: "problem", role: "alert"}, h("p", null, problem.message),
		problem.errors?.length ? h("ul", null, problem.errors.map(one => h("li", null, `${one.pointer}: ${one.detail}`))) : null);
}

// FIELDS: elements.  ACT is called with the button's name by a click on DO or one of MORE, and its
// problem is shown in the dialog; it returns what is to be said, or an element to be shown, and then
// the dialog stays.  KIND "danger": for what cannot be undone.
export function ask({title, text, fields, doIt, kind, more, act}) {
	const place = h("div", {class: "answer", "aria-live": "polite"});
	const buttons = [...(more || []), doIt].map(name => h("button", {
		type: "button", "data-key": name, class: name === doIt ? (kind === "danger" ? "danger" : "primary") : "",
		onclick: () => run(name),
	}, name));
	const cancel = h("button", {type: "button", onclick: () => dialog.close()}, "Back");
	const dialog = h("dialog", {"aria-labelledby": "dialog-title"},
		h("h2", {id: "dialog-title"}, title), text ? h("p", null, text) : null,
		h("div", {class: "fields"}, fields || []), place, h("div", {class: "buttons"}, cancel, buttons));

	async function run(name) {
		for (const button of buttons)
			button.disabled = true;
		place.replaceChildren(h("p", {class: "wait"}, "The host is asked ..."));
		try {
			const said = await act(name);
			if (said instanceof Node) {
				place.replaceChildren(said);
			} else {
				dialog.close();
				say(said, "good");
			}
		} catch (problem) {
			place.replaceChildren(problemOf(problem));
		}
		for (const button of buttons)
			button.disabled = false;
	}

	dialog.addEventListener("close", () => dialog.remove());
	document.body.append(dialog);
	dialog.showModal();
	(dialog.querySelector("select, input") || cancel).focus();
	return dialog;
}

let number = 0;
export function field(label, control, hint) {
	const id = `field-${++number}`;
	control.id = id;
	const line = hint ? h("span", {class: "hint", id: id + "-hint"}, hint) : null;
	if (hint)
		control.setAttribute("aria-describedby", id + "-hint");
	return h("div", {class: "field"}, h("label", {for: id}, label), control, line);
}

export function choice(options, value) {
	return h("select", null, options.map(([name, text]) => h("option", {value: name, selected: name === value}, text)));
}

export function tick(label, value, hint) {
	const box = h("input", {type: "checkbox", checked: !!value});
	const element = h("div", {class: "field tick"}, h("label", null, box, " ", label), hint ? h("span", {class: "hint"}, hint) : null);
	return {box, element};
}

// A button that does one thing at once and says how it went.
export function button(name, act, attributes) {
	const element = h("button", {type: "button", "data-key": name, ...attributes, onclick: async () => {
		element.disabled = true;
		try {
			const said = await act();
			if (said)
				say(said, "good");
		} catch (problem) {
			say(problem.message, "bad");
		}
		element.disabled = false;
	}}, name);
	return element;
}
