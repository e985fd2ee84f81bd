// SPDX-License-Identifier: LGPL-2.1-or-later
// The REST API: nothing but doc/api.md, at the host that this page is from.

// A refused or failed request, in the words of the API.
export class Problem extends Error {
	constructor(status, document) {
		super(document.detail || document.title || `HTTP ${status}`);
		this.status = status;
		this.code = document.code || "";
		this.errors = document.errors || [];
	}
}

async function ask(method, path, body, headers) {
	const answer = await fetch(path, {
		method,
		headers: {Accept: "application/json", ...(body ? {"Content-Type": "application/json"} : {}), ...headers},
		body: body ? JSON.stringify(body) : undefined,
		cache: "no-store",
	}).catch(() => { throw new Problem(0, {detail: "the host cannot be reached", code: "unavailable"}); });
	const text = await answer.text();
	let document = {};
	try {
		document = text ? JSON.parse(text) : {};
	} catch {
		document = {detail: text};
	}
	if (!answer.ok)
		throw new Problem(answer.status, document);
	return document;
}

export const get = path => ask("GET", path);
export const patch = (path, body) => ask("PATCH", path, body);
// A key: asked twice by a browser that tries again, it is done once.
export const post = (path, body) => ask("POST", path, body || {}, {"Idempotency-Key": crypto.randomUUID()});
export const name = text => encodeURIComponent(text);

// The same, where "there is none" is an answer.
export async function find(path) {
	try {
		return await get(path);
	} catch (problem) {
		if (problem.status === 404)
			return null;
		throw problem;
	}
}

// All pages of a list, each given to TAKE as it comes.
export async function list(path, take, most = 20000) {
	let after = null, count = 0, position = null;
	do {
		const page = await get(path + (after ? (path.includes("?") ? "&" : "?") + "after=" + encodeURIComponent(after) : ""));
		position ??= page.position;
		count += page.items.length;
		take(page.items, page);
		after = page.next;
	} while (after && count < most);
	return position;
}

const AGAIN_MS = 3000;

// Events from POSITION on, and whether they come, to TELL.  A browser connects again by itself, with
// the last id, but gives up for good where the answer is a refusal, as that of `migrctl web' while
// its host is restarted.
export function events(types, position, on, tell = () => {}) {
	let source = null, timer = null, last = position;

	function open() {
		source = new EventSource(`/v1/events?type=${types.join(",")}` + (last ? `&after=${encodeURIComponent(last)}` : ""));
		source.onopen = () => tell(true);
		source.onerror = () => {
			tell(false);
			if (source.readyState === EventSource.CLOSED)
				timer = setTimeout(open, AGAIN_MS);
		};
		for (const type of [...types, "gap"])
			source.addEventListener(type, event => {
				last = event.lastEventId || last;
				on(type, JSON.parse(event.data));
			});
	}

	open();
	return {
		isOpen: () => source.readyState === EventSource.OPEN,
		close() { clearTimeout(timer); source.close(); },
	};
}
