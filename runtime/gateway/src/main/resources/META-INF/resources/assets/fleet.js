// The fleet's page: asks once a second, draws what changed, and plays the sessions that are in sight.
import { play } from "./player.js";

const HISTORY_S = 300;
const MOST_PLAYING = 12;
const $ = (id) => document.getElementById(id);
const history = [];

// Protobuf's JSON leaves zeros out, writes 64-bit numbers as text, and may spell names either way.
function tidy(value) {
  if (Array.isArray(value)) return value.map(tidy);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k.replace(/_([a-z0-9])/g, (_, c) => c.toUpperCase()), tidy(v)]));
}
const num = (v) => Number(v ?? 0);
const sum = (list, f) => list.reduce((n, x) => n + num(f(x)), 0);
const most = (list, f) => list.reduce((n, x) => Math.max(n, num(f(x))), 0);

class SignedOut extends Error {}

async function ask(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (response.status === 401) throw new SignedOut();
  if (!response.ok) throw new Error((await response.json().catch(() => ({}))).error ?? "The gateway answers " + response.status + ".");
  return tidy(await response.json());
}

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) {
    if (k === "class") node.className = v;
    else if (v !== undefined && v !== false) node.setAttribute(k, v === true ? "" : v);
  }
  node.append(...children.filter((c) => c !== undefined && c !== null));
  return node;
}

// Brings the children of a parent to a list, keeping the ones that are there already: videos go on playing.
function reconcile(parent, items, key, make, update) {
  const old = new Map([...parent.children].map((c) => [c.dataset.key, c]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    let node = old.get(k);
    old.delete(k);
    if (!node) {
      node = make(item);
      node.dataset.key = k;
    }
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
    update(node, item);
  }
  for (const node of old.values()) {
    node.forget?.();
    node.remove();
  }
}

function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

const ms = (s) =>
  !num(s) ? "–" : num(s) < 9.9995 ? Math.round(num(s) * 1000) + " ms" : num(s).toFixed(1) + " s";

// Numbers

function numbers(fleet) {
  const p = fleet.pools ?? [];
  const target = most(p, (x) => x.latencyTargetS);
  const p99 = most(p, (x) => x.chunkLatencyP99S);
  const made = sum(p, (x) => x.chunksGenerated);
  const late = sum(p, (x) => x.chunksLate);
  const tiles = [
    ["Active", sum(p, (x) => x.sessionsActive), "generating now", "running"],
    ["Suspended", sum(p, (x) => x.sessionsSuspended), "parked in host memory", "suspended"],
    ["Queued", sum(p, (x) => x.sessionsQueued), "waiting for a worker", "queued"],
    ["Workers", `${sum(p, (x) => x.workersReady)}`, `of ${sum(p, (x) => x.workersWanted)} wanted`, ""],
    ["Chunk latency p99", ms(p99), target ? `target ${ms(target)}` : "", !target || p99 <= target ? "good" : "bad"],
    ["Late chunks", made ? ((100 * late) / made).toFixed(late && late / made < 0.01 ? 2 : 1) + " %" : "–", `${late.toLocaleString("en")} of ${made.toLocaleString("en")}`, ""],
  ];
  reconcile($("numbers"), tiles, (t) => t[0],
    (t) => el("div", { class: "tile" }, el("p", { class: "name" }, t[0]), el("p", { class: "value" }), el("p", { class: "note" })),
    (node, t) => {
      node.className = "tile " + t[3] + (t[1] === 0 ? " none" : "");
      text(node.children[1], String(t[1]));
      text(node.children[2], t[2]);
    });
}

// Lines over time

const SVG = "http://www.w3.org/2000/svg";
function lines(svg, names, top, label, format, target) {
  const w = 600, h = 120, pad = 4;
  svg.setAttribute("viewBox", `0 0 ${w} ${h}`);
  svg.setAttribute("aria-label", label);
  const now = history.at(-1)?.at ?? 0;
  const span = Math.min(HISTORY_S, Math.max(60, now - (history[0]?.at ?? now)));
  const x = (at) => w - ((now - at) / span) * w;
  const y = (v) => h - pad - (Math.min(v, top) / top) * (h - 2 * pad);
  const parts = [];
  for (let i = 1; i < 3; i++) parts.push(["line", { class: "rule", x1: 0, x2: w, y1: (h * i) / 3, y2: (h * i) / 3 }]);
  if (target) parts.push(["line", { class: "target", x1: 0, x2: w, y1: y(target), y2: y(target) }]);
  for (const [name, step] of names) {
    let d = "";
    let last;
    for (const point of history) {
      const v = point[name];
      if (v === undefined || v === null) { last = undefined; continue; }
      const px = x(point.at).toFixed(1), py = y(v).toFixed(1);
      d += last === undefined ? `M${px} ${py}` : step ? `H${px}V${py}` : `L${px} ${py}`;
      last = v;
    }
    if (d) parts.push(["path", { class: name, d }]);
  }
  svg.replaceChildren(...parts.map(([tag, a]) => {
    const node = document.createElementNS(SVG, tag);
    for (const [k, v] of Object.entries(a)) node.setAttribute(k, v);
    return node;
  }));
  const scale = svg.parentElement.querySelector(".scale") ?? svg.parentElement.appendChild(el("p", { class: "scale", "aria-hidden": "true" }, el("span"), el("span")));
  text(scale.children[0], format(top));
  text(scale.children[1], span >= 60 ? `${Math.round(span / 60)} min` : `${Math.round(span)} s`);
}

function remember(fleet) {
  const p = fleet.pools ?? [];
  const busy = sum(p, (x) => x.sessionsActive) > 0 || most(p, (x) => x.chunkLatencyP99S) > 0;
  const point = {
    at: performance.now() / 1000,
    p50: busy ? most(p, (x) => x.chunkLatencyP50S) : null,
    p99: busy ? most(p, (x) => x.chunkLatencyP99S) : null,
    worst: busy ? most(p, (x) => x.chunkLatencyWorstS) : null,
    active: sum(p, (x) => x.sessionsActive),
    queued: sum(p, (x) => x.sessionsQueued),
    workers: sum(p, (x) => x.workersReady),
    target: most(p, (x) => x.latencyTargetS),
  };
  history.push(point);
  while (history[0].at < point.at - HISTORY_S) history.shift();
  const top = Math.max(point.target * 1.25, most(history, (h) => h.worst) * 1.1, 0.1);
  lines($("latency"), [["worst"], ["p99"], ["p50"]], top, `Chunk latency: p50 ${ms(point.p50)}, p99 ${ms(point.p99)}, worst ${ms(point.worst)}, target ${ms(point.target)}`, (v) => ms(v), point.target);
  const load = Math.max(4, Math.ceil(most(history, (h) => Math.max(h.active, h.queued, h.workers)) * 1.25));
  lines($("load"), [["workers", true], ["queued", true], ["active", true]], load, `${point.active} active, ${point.queued} queued, ${point.workers} workers`, String);
}

// Workers

const stateOf = (session) => (session.phase ?? "Queued").toLowerCase();
const nameOf = (session) => session.spec?.name || (session.spec?.uid ?? "").slice(0, 8);
const promptOf = (session) => (session.spec?.controls ?? []).filter((c) => c.kind === "prompt").at(-1)?.text ?? "";
const bytes = (v) => (num(v) >= 2 ** 30 ? (num(v) / 2 ** 30).toFixed(1) + " GiB" : Math.round(num(v) / 2 ** 20) + " MiB");

function chips(parent, sessions) {
  reconcile(parent, sessions, (s) => s.spec.uid,
    (s) => el("a", { href: `/s/${s.spec.uid}/` }),
    (node, s) => {
      node.className = "chip " + stateOf(s);
      node.title = `${nameOf(s)}: ${stateOf(s)}${promptOf(s) ? ", “" + promptOf(s) + "”" : ""}`;
      node.setAttribute("aria-label", node.title);
      text(node, nameOf(s));
    });
}

function workers(fleet, sessions) {
  const rows = (fleet.pools ?? []).flatMap((pool) => (pool.workers ?? []).filter((w) => w.phase !== "Gone").map((w) => ({ ...w, target: pool.latencyTargetS })));
  const held = new Map();
  const waiting = [];
  for (const s of sessions) {
    if (["completed", "failed"].includes(stateOf(s))) continue;
    if (s.worker) held.set(s.worker, [...(held.get(s.worker) ?? []), s]);
    else waiting.push(s);
  }
  if (waiting.length) rows.push({ name: "waiting", phase: "Queue", sessions: waiting });
  reconcile($("workers"), rows, (r) => r.name,
    (r) => el("div", { class: "worker" },
      el("p", { class: "who" }, el("strong"), el("span", { class: "phase" })),
      el("div", { class: "chips" }),
      el("p", { class: "meter" }, el("span", { class: "value" }), el("meter", { min: 0, max: 1 })),
      el("p", { class: "memory muted" })),
    (node, r) => {
      const [who, box, meter, memory] = node.children;
      node.className = "worker " + (r.phase ?? "").toLowerCase();
      text(who.children[0], r.phase === "Queue" ? "Queue" : r.name);
      text(who.children[1], r.phase === "Queue" ? "no worker yet" : (r.phase ?? "").toLowerCase());
      chips(box, r.sessions ?? held.get(r.name) ?? []);
      const p99 = num(r.chunkLatencyP99S);
      meter.style.visibility = p99 ? "" : "hidden";
      text(meter.children[0], "p99 " + ms(p99));
      const m = meter.children[1];
      const limit = num(r.target) || 1;
      m.max = limit * 1.25; m.high = limit; m.low = limit * 0.9; m.optimum = 0; m.value = Math.min(p99, m.max);
      m.setAttribute("aria-label", `p99 of ${r.name} against its target`);
      text(memory, num(r.deviceBytesLimit) ? `${bytes(r.deviceBytesUsed)} of ${bytes(r.deviceBytesLimit)}` : "");
    });
  text($("reason"), (fleet.pools ?? []).map((p) => p.reason).filter(Boolean).join(" · ") || (rows.length ? "" : "No worker runs."));
}

// Sessions

const inSight = new Set();
const sight = new IntersectionObserver((entries) => {
  for (const e of entries) e.isIntersecting ? inSight.add(e.target) : inSight.delete(e.target);
  playWhatIsSeen();
}, { rootMargin: "80px" });

function playWhatIsSeen() {
  let playing = 0;
  for (const card of $("sessions").children) {
    const wanted = inSight.has(card) && card.playable && !document.hidden && playing < MOST_PLAYING;
    if (wanted) playing++;
    if (wanted && !card.player) card.start();
    if (!wanted && card.player) card.stop();
  }
}
document.addEventListener("visibilitychange", playWhatIsSeen);

function card(session) {
  const video = el("video", { muted: true, playsinline: true, autoplay: true, tabindex: "-1", "aria-label": "Video of " + nameOf(session) });
  video.muted = true;
  const node = el("article", { class: "card" },
    el("a", { class: "screen", href: `/s/${session.spec.uid}/` }, video, el("span", { class: "veil" })),
    el("div", { class: "about" }, el("p", { class: "title" }, el("a", { href: `/s/${session.spec.uid}/` }), el("span", { class: "state" })), el("p", { class: "says" }), el("p", { class: "where muted" })));
  const uid = session.spec.uid;
  const veil = node.querySelector(".veil");
  for (const event of ["playing", "timeupdate"]) video.addEventListener(event, () => { veil.hidden = video.readyState >= 2; });
  node.start = () => {
    node.player = { stop() {} };
    fetch(`/api/sessions/${uid}/watch`, { method: "POST" }).then((r) => {
      if (!node.player) return;
      if (!r.ok) { node.player = null; veil.hidden = false; text(veil, "no token"); node.playable = false; return; }
      // The token is renewed before it ends.
      node.player = play(video, `/s/${uid}/`, { onRefused: () => { node.player = null; setTimeout(playWhatIsSeen, 1000); } });
    }).catch(() => { node.player = null; });
  };
  node.stop = () => { node.player?.stop(); node.player = null; veil.hidden = false; };
  node.forget = () => { node.stop(); sight.unobserve(node); inSight.delete(node); };
  sight.observe(node);
  return node;
}

const ORDER = { running: 0, suspended: 1, queued: 2, failed: 3, completed: 4 };
function grid(sessions) {
  const shown = [...sessions].sort((a, b) => (ORDER[stateOf(a)] ?? 9) - (ORDER[stateOf(b)] ?? 9) || nameOf(a).localeCompare(nameOf(b), "en", { numeric: true }));
  reconcile($("sessions"), shown, (s) => s.spec.uid, card, (node, s) => {
    const state = stateOf(s);
    node.className = "card " + state;
    text(node.querySelector(".title a"), nameOf(s));
    text(node.querySelector(".state"), state);
    text(node.querySelector(".says"), promptOf(s));
    const chunks = num(s.nextChunk);
    text(node.querySelector(".where"), [s.worker, chunks ? `${chunks} chunks` : "", num(s.moves) ? `moved ${s.moves}×` : "", !s.worker ? s.message : ""].filter(Boolean).join(" · "));
    const veil = node.querySelector(".veil");
    text(veil, chunks ? (state === "suspended" ? "suspended" : "…") : s.message || "waiting for its first chunk");
    node.playable = chunks > 0 && node.playable !== false;
  });
  $("nothing").hidden = sessions.length > 0;
  text($("sessions-note"), sessions.length > MOST_PLAYING ? `${sessions.length}; the first ${MOST_PLAYING} in sight play` : "");
  playWhatIsSeen();
}

// The loop

function link(state, words) {
  $("link").className = "link " + state;
  text($("link").querySelector(".text"), words);
}

async function look() {
  try {
    const [fleet, list] = await Promise.all([ask("/api/fleet"), ask("/api/sessions")]);
    const sessions = list.sessions ?? [];
    numbers(fleet);
    remember(fleet);
    workers(fleet, sessions);
    grid(sessions);
    link("live", "live");
  } catch (problem) {
    if (problem instanceof SignedOut) {
      location.replace("/login");
      return;
    }
    link("silent", (problem.message && !(problem instanceof TypeError) ? problem.message : "The gateway does not answer.") + " Videos go on.");
  }
  setTimeout(look, document.hidden ? 5000 : 1000);
}

$("logout").addEventListener("click", async () => {
  await fetch("/logout", { method: "POST" });
  location.replace("/login");
});
look();
