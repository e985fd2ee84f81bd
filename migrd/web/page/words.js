// SPDX-License-Identifier: LGPL-2.1-or-later
// Figures and words for people.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(count) {
	let unit = 0;
	if (!Number.isFinite(count))
		return "";
	while (count >= 1024 && unit < UNITS.length - 1) {
		count /= 1024;
		unit++;
	}
	return (unit && count < 10 ? count.toFixed(1) : Math.round(count)) + " " + UNITS[unit];
}

export const mib = count => bytes(count * 1024 * 1024);
export const rate = mbit => mbit >= 1000 ? (mbit / 1000).toFixed(1) + " Gbit/s" : Math.round(mbit) + " Mbit/s";
export const percent = share => Math.round(share) + "\u00a0%";
export const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

export function duration(ms) {
	if (!Number.isFinite(ms))
		return "";
	if (ms < 1000)
		return Math.round(ms) + " ms";
	const s = ms / 1000;
	if (s < 10)
		return s.toFixed(1) + " s";
	if (s < 120)
		return Math.round(s) + " s";
	if (s < 7200)
		return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
	return `${Math.floor(s / 3600)} h ${Math.round(s % 3600 / 60)} min`;
}

export function range(low, high) {
	if (!Number.isFinite(high))
		return Number.isFinite(low) ? `at least ${duration(low)}` : "";
	const a = duration(low), b = duration(high);
	return a === b ? a : `${a} to ${b}`;
}

// The moment as the browser's country writes it.
export function moment(text) {
	return text ? new Date(text).toLocaleString([], {dateStyle: "medium", timeStyle: "medium"}) : "";
}

export function clock(text) {
	return text ? new Date(text).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", second: "2-digit"}) : "";
}

// How long it is until then.
export function until(text) {
	if (new Date(text) <= Date.now())
		return "now";
	return duration(Math.max(0, Math.ceil((new Date(text) - Date.now()) / 1000) * 1000));
}

// How a state looks: good, busy, warn, bad or nothing.
const KINDS = {
	running: "good", done: "good", moved: "good", drained: "good", online: "good", returned: "good",
	begin: "busy", prepare: "busy", transfer: "busy", handover: "busy", fetch: "busy",
	confirm: "busy", moving: "busy", draining: "busy", returning: "busy", waiting: "busy",
	queued: "busy", planned: "busy",
	paused: "warn", stuck: "bad", rollback: "warn", cancelled: "warn", aborted: "warn",
	blocked: "bad", failed: "bad", lost: "bad", offline: "bad", cordoned: "warn", held: "warn",
};
export const kind = state => KINDS[state] || "";

export const MOVE_WORDS = {
	begin: "checks", prepare: "the destination gets ready", transfer: "memory is sent",
	handover: "the guest changes hosts", fetch: "the rest of the memory is fetched",
	confirm: "the source tidies up", rollback: "it goes back", stuck: "needs a decision",
};
