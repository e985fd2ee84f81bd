// SPDX-License-Identifier: LGPL-2.1-or-later
// Elements. All text goes in as text: nothing here makes markup of a string.

// h("p", {class: "x", onclick: f}, "text", element, ...)
export function h(tag, attributes, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes || {})) {
		if (value === undefined || value === null || value === false)
			continue;
		if (name.startsWith("on"))
			element.addEventListener(name.slice(2), value);
		else if (name in element && typeof value === "boolean")
			element[name] = value;
		else
			element.setAttribute(name, value === true ? "" : value);
	}
	element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
	return element;
}

// Changes only what is different, so that a screen reader and a selection are left in peace.
export function setText(element, text) {
	if (element.textContent !== text)
		element.textContent = text;
}

export function setAttribute(element, name, value) {
	if (value === null || value === undefined || value === false)
		element.removeAttribute(name);
	else if (element.getAttribute(name) !== String(value))
		element.setAttribute(name, value);
}

// Replaces what PARENT shows, unless it shows the same.  The focus stays at what has the same
// data-key.
export function show(parent, ...children) {
	const next = h("div", null, ...children);
	if (next.innerHTML === parent.dataset.shown)
		return;
	parent.dataset.shown = next.innerHTML;
	const key = parent.contains(document.activeElement) && document.activeElement.dataset.key;
	parent.replaceChildren(...next.childNodes);
	if (key)
		parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({preventScroll: true});
}

// A bar from 0 to 100; what it says stands beside it as text.
export function bar(percent, kind) {
	const fill = h("span", {class: "fill"});
	const element = h("span", {class: "bar " + (kind || ""), "aria-hidden": "true"}, fill);
	setBar(element, percent);
	return element;
}

export function setBar(element, percent) {
	const share = Math.max(0, Math.min(100, percent || 0)).toFixed(1);
	setAttribute(element, "data-share", share);
	element.firstChild.style.width = share + "%";
}

export function badge(word, kind) {
	return h("span", {class: "badge " + (kind || "")}, word);
}

let timer = null;
// One line at the bottom, which a screen reader reads out.
export function say(text, kind) {
	const element = document.getElementById("said");
	element.textContent = text;
	element.className = "said shown " + (kind || "");
	clearTimeout(timer);
	timer = setTimeout(() => { element.className = "said"; }, kind === "bad" ? 12000 : 5000);
}
