// SPDX-License-Identifier: LGPL-2.1-or-later
// The whole life of a VM, with a client made of /openapi.json by openapi-typescript and
// openapi-fetch: it is made, started, held, moved, evacuated, brought back, stopped and removed.
//
//     node life.js SCENE.json      one line for each step; ends with 1 at the first that is wrong
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import createClient from "openapi-fetch";
import { Agent } from "undici";
import type { components, paths } from "./api.js";

type Schemas = components["schemas"];
type Problem = Schemas["problem"];
type Move = Schemas["move"];

// What life.py says: where the hosts are, and the VM.
interface Endpoint { id: string; socket?: string; url?: string; ca?: string; cert?: string; key?: string }
interface Scene { hosts: [Endpoint, Endpoint]; vm: Schemas["vm"]; wait_ms: number }

const scene = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Scene;
const name = scene.vm.name;

function connect(at: Endpoint) {
  const agent = at.socket
    ? new Agent({ connect: { socketPath: at.socket } })
    : new Agent({ connect: { ca: readFileSync(at.ca ?? ""), cert: readFileSync(at.cert ?? ""),
                             key: readFileSync(at.key ?? ""), servername: `${at.id}.host.migrd` } });
  const client = createClient<paths>({ baseUrl: at.url ?? "http://migrd",
                                       requestInitExt: { dispatcher: agent } });
  return { id: at.id, client, agent };
}
type Host = ReturnType<typeof connect>;

class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`);
  }
}

function assert(what: string, isTrue: boolean, seen: unknown): asserts isTrue {
  if (!isTrue) throw new Error(`${what}: ${JSON.stringify(seen)}`);
}

// What a call has answered; one that was refused throws its problem document.
async function must<T>(call: Promise<{ data?: T; error?: Problem; response: Response }>,
                       ...statuses: number[]): Promise<NonNullable<T>> {
  const { data, error, response } = await call;
  if (error) throw new Refused(error);
  assert(response.url, statuses.includes(response.status), response.status);
  return data as NonNullable<T>;   // a dry run alone is answered without a body
}

async function mustFail(call: Promise<{ error?: Problem; response: Response }>, status: number,
                        code: Problem["code"]): Promise<Problem> {
  const { error, response } = await call;
  assert(response.url, response.status === status && error?.code === code, error);
  assert("media type", response.headers.get("Content-Type") === "application/problem+json",
         response.headers.get("Content-Type"));
  return error as Problem;
}

// Asks again as long as it is refused with CODE.
async function unrefused<T>(code: Problem["code"], ask: () => Promise<T>): Promise<T> {
  const end = Date.now() + scene.wait_ms;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Refused) || error.problem.code !== code || Date.now() > end) throw error;
    }
    await sleep(200);
  }
}

async function until<T>(what: string, ask: () => Promise<T>, is: (seen: T) => boolean): Promise<T> {
  const end = Date.now() + scene.wait_ms;
  for (;;) {
    const seen = await ask();
    if (is(seen)) return seen;
    assert(`not within ${scene.wait_ms} ms: ${what}`, Date.now() < end, seen);
    await sleep(50);
  }
}

const steps: string[] = [];
function step(words: string): void {
  steps.push(words);
  console.log(words);
}

// Reads the stream of events until the caller has seen enough.
class Events {
  readonly seen = new Map<string, number>();
  readonly states = new Set<Move["state"]>();
  private reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  private reading: Promise<void> | undefined;

  async open(host: Host): Promise<void> {
    const { data, response } = await host.client.GET("/v1/events", { parseAs: "stream" });
    assert("events", response.headers.get("Content-Type") === "text/event-stream",
           response.headers.get("Content-Type"));
    assert("events", data instanceof ReadableStream, data);
    this.reader = (data as ReadableStream<Uint8Array>).getReader();
    this.reading = this.read(this.reader);
  }

  private async read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    const text = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + text.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) this.take(block);
    }
  }

  private take(block: string): void {
    const kind = /^event: ?(.*)$/m.exec(block)?.[1];
    const json = /^data: ?(.*)$/m.exec(block)?.[1];
    if (!kind || !json) return;   // a comment
    this.seen.set(kind, (this.seen.get(kind) ?? 0) + 1);
    if (kind === "move") this.states.add((JSON.parse(json) as Schemas["event-move"]).state);
  }

  // By the reader: a signal given to a request is forgotten with that, also while its answer is read.
  async close(): Promise<void> {
    await this.reader?.cancel();
    await this.reading;
  }
}

async function ended(host: Host, id: string): Promise<Move> {
  return until("the end of the move",
    () => must(host.client.GET("/v1/moves/{id}", { params: { path: { id } } }), 200),
    (move) => move.final);
}

async function runsOn(host: Host): Promise<void> {
  await until(`${name} runs on ${host.id}`,
    () => must(host.client.GET("/v1/vms/{name}", { params: { path: { name } } }), 200),
    (vm) => vm.state === "running");
}

async function create(a: Host): Promise<void> {
  const { memory_mib, ...rest } = scene.vm;
  const wrong = await mustFail(a.client.POST("/v1/vms",
    { body: { ...rest, memory_mib: 0 * memory_mib } }), 400, "invalid");
  assert("the place of the fault", wrong.errors?.[0]?.pointer === "/memory_mib", wrong);
  const made = await must(a.client.POST("/v1/vms", { body: scene.vm }), 201);
  assert("the name", made.name === name, made);
  await mustFail(a.client.POST("/v1/vms", { body: scene.vm }), 409, "exists");
  await must(a.client.POST("/v1/vms/{name}/start", { params: { path: { name } }, body: {} }), 200);
  await runsOn(a);
  const list = await must(a.client.GET("/v1/vms", { params: { query: { limit: 10 } } }), 200);
  assert("the list", list.items.some((vm) => vm.name === name) && list.next === null, list);
  step(`${name} was made and runs on ${a.id}`);
}

async function policies(a: Host): Promise<void> {
  const path = { name: "night" };
  const body = { description: "slow and gentle", deadline_s: 600 };
  await must(a.client.PUT("/v1/policies/{name}", { params: { path }, body }), 201);
  await must(a.client.PUT("/v1/policies/{name}", { params: { path }, body }), 200);
  const vm = await must(a.client.PATCH("/v1/vms/{name}",
    { params: { path: { name } }, body: { policy: "night", labels: { tier: "web" } } }), 200);
  assert("the policy of the VM", vm.definition?.policy === "night", vm);
  const used = await mustFail(a.client.DELETE("/v1/policies/{name}", { params: { path } }),
                              409, "conflict");
  assert("who uses it", used.detail.includes(name), used);
  const all = await must(a.client.GET("/v1/policies"), 200);
  assert("the list of policies", all.items.some((policy) => policy.name === "night"), all);
  step("a policy was made, given to the VM, and kept while that has it");
}

async function holds(a: Host): Promise<void> {
  const ask = (reason: string) => a.client.POST("/v1/holds",
    { params: { header: { "Idempotency-Key": `${name}-hold` } }, body: { vm: name, reason, for_s: 600 } });
  const first = await must(ask("restore test"), 201);
  const again = await must(ask("restore test"), 200, 201);
  assert("one key, one hold", first.id === again.id, [first, again]);
  await mustFail(ask("another"), 422, "key-reused");
  // What a host knows of another one, which was emptied before, is some seconds old.
  const plan = await unrefused("conflict",
    () => must(a.client.POST("/v1/evacuations", { body: { dry_run: true } }), 200));
  assert("a held VM stays", plan.id === null && plan.plan?.moves.length === 0
         && (plan.vms[0]?.why.includes("restore test") ?? false), plan);
  await must(a.client.DELETE("/v1/holds/{id}", { params: { path: { id: first.id } } }), 204);
  await mustFail(a.client.GET("/v1/holds/{id}", { params: { path: { id: first.id } } }),
                 404, "not-found");
  step("a hold keeps it, is seen in the plan, and is gone");
}

async function cancel(a: Host, b: Host): Promise<void> {
  const trial = await must(a.client.POST("/v1/moves",
    { params: { query: { dry_run: "true" } }, body: { vm: name, to: b.id } }), 200);
  assert("a dry run", "possible" in trial && trial.possible, trial);
  const move = await must(a.client.POST("/v1/moves",
    { body: { vm: name, to: b.id, hold: { timeout_s: 600 } } }), 202);
  assert("a move", "id" in move, move);
  const path = { id: move.id };
  await until("the move is held",
    () => must(a.client.GET("/v1/moves/{id}", { params: { path } }), 200), (seen) => seen.held);
  const done = await must(a.client.POST("/v1/moves/{id}/cancel", { params: { path } }), 200, 202);
  assert("the cancel", done.owner === a.id, done);
  assert("the state", (await ended(a, move.id)).state === "cancelled", done);
  await runsOn(a);
  step("a move was looked at, held, and cancelled");
}

async function move(a: Host, b: Host): Promise<void> {
  const events = new Events();
  await events.open(a);
  const begun = await must(a.client.POST("/v1/moves",
    { params: { header: { "Idempotency-Key": `${name}-move` } }, body: { vm: name, to: b.id } }), 202);
  assert("a move", "id" in begun, begun);
  const path = { id: begun.id };
  const end = await ended(a, begun.id);
  assert("the move", end.state === "done" && end.owner === b.id, end.error ?? end);
  await until("its event", async () => events.states, (states) => states.has("done"));
  await events.close();
  assert("events of the VM", events.seen.has("vm"), [...events.seen]);
  await runsOn(b);
  await mustFail(a.client.GET("/v1/vms/{name}", { params: { path: { name } } }), 404, "not-found");
  const timeline = await must(a.client.GET("/v1/moves/{id}/timeline", { params: { path } }), 200);
  const plan = await must(a.client.GET("/v1/moves/{id}/plan", { params: { path } }), 200);
  const passes = await must(a.client.GET("/v1/moves/{id}/passes", { params: { path } }), 200);
  assert("what is told of it", timeline.items.length > 0 && plan !== undefined
         && Array.isArray(passes.items), timeline);
  const list = await must(a.client.GET("/v1/moves",
    { params: { query: { vm: name, limit: 1 } } }), 200);
  assert("newest first", list.items[0]?.id === begun.id && list.next !== null, list);
  step(`it was moved to ${b.id}: a stream of events told it`);
}

async function evacuate(a: Host, b: Host): Promise<void> {
  const dry = await must(b.client.POST("/v1/evacuations", { body: { dry_run: true } }), 200);
  assert("the plan", dry.plan?.moves[0]?.vm === name && dry.plan.moves[0].to === a.id, dry.plan);
  const begun = await must(b.client.POST("/v1/evacuations",
    { body: { why: "new memory", state_id: dry.plan.state_id } }), 202);
  assert("an evacuation", begun.id !== null, begun);
  const path = { id: begun.id };
  const state = (wanted: string) => until(`it is ${wanted}`,
    () => must(b.client.GET("/v1/evacuations/{id}", { params: { path } }), 200),
    (seen) => seen.state === wanted);
  const drained = await state("drained");
  assert("all were moved", drained.counts.moved === 1 && drained.counts.left === 0, drained.counts);
  await runsOn(a);
  await must(b.client.POST("/v1/evacuations/{id}/return", { params: { path }, body: {} }), 202);
  const ended = await state("ended");
  assert("all came back", ended.counts.returned === 1, ended.counts);
  await runsOn(b);
  step(`${b.id} was emptied by a plan, and got its VM back`);
}

async function end(a: Host, b: Host): Promise<void> {
  const path = { name };
  await mustFail(b.client.DELETE("/v1/vms/{name}", { params: { path } }), 409, "conflict");
  await must(b.client.POST("/v1/vms/{name}/{action}",
    { params: { path: { name, action: "stop" } } }), 200);
  await until("it is stopped", () => must(b.client.GET("/v1/vms/{name}", { params: { path } }), 200),
    (vm) => vm.state === "stopped");
  await must(b.client.DELETE("/v1/vms/{name}", { params: { path } }), 204);
  await mustFail(b.client.GET("/v1/vms/{name}", { params: { path } }), 404, "not-found");
  await must(a.client.DELETE("/v1/policies/{name}", { params: { path: { name: "night" } } }), 204);
  step("it was stopped and removed, and so was the policy");
}

const [a, b] = [connect(scene.hosts[0]), connect(scene.hosts[1])];
try {
  for (const host of [a, b]) {
    const seen = await must(host.client.GET("/v1/host"), 200);
    assert("the host", seen.id === host.id, seen);
  }
  await create(a);
  await policies(a);
  await holds(a);
  await cancel(a, b);
  await move(a, b);
  await evacuate(a, b);
  await end(a, b);
  console.log(`${steps.length} steps`);
} catch (error) {
  console.error(error);
  process.exit(1);  // the end of the agents might wait for a stream of events
}
await Promise.all([a.agent.destroy(), b.agent.destroy()]);
