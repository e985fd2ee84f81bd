// SPDX-License-Identifier: LGPL-2.1-or-later
// A table of which only the rows in sight are there, however long it is.  Roles are given by name,
// since a narrow window shows rows as cards (style.css), which would take them away.
import {h, setText, setAttribute} from "./dom.js";

const SPARE = 12;       // rows above and below what is in sight

// COLUMNS: {title, text(item)} or {title, make(), fill(cell, item)}, and {class, sort(item)}.
// KEY(item) names an item for good.
export class List {
	constructor({label, columns, key, empty}) {
		this.columns = columns;
		this.key = key;
		this.items = [];
		this.rows = new Map();
		this.order = {column: columns.findIndex(column => column.sort), down: false};
		this.heads = columns.map((column, index) => this.head(column, index));
		this.above = h("tr", {class: "space", "aria-hidden": "true"});
		this.below = h("tr", {class: "space", "aria-hidden": "true"});
		this.body = h("tbody", {role: "rowgroup"});
		this.table = h("table", {role: "table", class: "list", "aria-label": label},
			h("thead", {role: "rowgroup"}, h("tr", {role: "row"}, this.heads)), this.body);
		this.empty = h("p", {class: "empty", hidden: true}, empty);
		this.element = h("div", null, this.table, this.empty);
		this.onscroll = () => this.draw();
		addEventListener("scroll", this.onscroll, {passive: true});
		addEventListener("resize", this.onscroll);
	}

	close() {
		removeEventListener("scroll", this.onscroll);
		removeEventListener("resize", this.onscroll);
	}

	head(column, index) {
		const attributes = {role: "columnheader", scope: "col", class: column.class};
		if (!column.sort)
			return h("th", attributes, column.title);
		return h("th", attributes, h("button", {class: "sort", onclick: () => this.sortBy(index)}, column.title));
	}

	sortBy(index) {
		this.order = {column: index, down: this.order.column === index && !this.order.down};
		this.set(this.items);
	}

	set(items) {
		const column = this.columns[this.order.column];
		if (column?.sort) {
			const by = new Intl.Collator("en", {numeric: true}).compare, way = this.order.down ? -1 : 1;
			items = items.map(item => [column.sort(item), item])
				.sort(([a], [b]) => way * (typeof a === "number" ? a - b : by(a, b))).map(([, item]) => item);
		}
		this.items = items;
		this.heads.forEach((head, index) => setAttribute(head, "aria-sort", !this.columns[index].sort ? null :
			index !== this.order.column ? "none" : this.order.down ? "descending" : "ascending"));
		setAttribute(this.table, "aria-rowcount", items.length + 1);
		this.table.hidden = items.length === 0;
		this.empty.hidden = items.length > 0;
		this.draw();
	}

	row(item) {
		const cells = this.columns.map((column, index) => h(index ? "td" : "th", {role: index ? "cell" : "rowheader",
			scope: index ? null : "row", class: column.class, "data-title": column.title}, column.make ? column.make(item) : null));
		const row = h("tr", {role: "row"}, cells);
		row.cells_ = cells;
		return row;
	}

	fill(row, item, index) {
		setAttribute(row, "aria-rowindex", index + 2);
		if (row.item === item && !item.isAlive)
			return;
		row.item = item;
		this.columns.forEach((column, i) => column.fill ? column.fill(row.cells_[i], item) :
			setText(row.cells_[i], column.text(item)));
	}

	// Which rows are in sight, by the place of the table in the window.
	draw() {
		const height = this.rowHeight(), top = this.body.getBoundingClientRect().top;
		const first = Math.max(0, Math.min(this.items.length, Math.floor(-top / height) - SPARE));
		const last = Math.min(this.items.length, Math.ceil((innerHeight - top) / height) + SPARE);
		const wanted = this.items.slice(first, Math.max(first, last)), rows = new Map();
		wanted.forEach((item, i) => {
			const key = this.key(item), row = this.rows.get(key) || this.row(item);
			this.fill(row, item, first + i);
			rows.set(key, row);
		});
		this.rows = rows;
		this.above.style.height = first * height + "px";
		this.below.style.height = (this.items.length - first - wanted.length) * height + "px";
		this.place([this.above, ...rows.values(), this.below]);
	}

	// Moves as few elements as can be: the focus is in one of them.
	place(elements) {
		const keep = new Set(elements);
		for (const child of [...this.body.children])
			if (!keep.has(child))
				child.remove();
		let at = this.body.firstChild;
		for (const element of elements) {
			if (element === at)
				at = at.nextSibling;
			else
				this.body.insertBefore(element, at);
		}
	}

	// As style.css has it: each row is of one height.
	rowHeight() {
		return parseFloat(getComputedStyle(this.table).getPropertyValue("--row-px")) || 44;
	}
}
