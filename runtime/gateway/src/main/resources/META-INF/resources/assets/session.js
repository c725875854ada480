// One session's page: its video, what it is, and its controls.
import { play } from "./player.js";

const $ = (id) => document.getElementById(id);
const base = location.pathname.replace(/[^/]*$/, "");
const video = $("video");
let socket;
let info = {};
let known; // a chunk whose place in time we know
let current; // the segment that plays
let counter = 0;
let next = 0;

function link(state, words) {
  $("link").className = "link " + state;
  $("link").querySelector(".text").textContent = words;
}

function facts() {
  const rows = [
    ["Session", info.name && info.name !== info.uid ? `${info.name}` : info.uid],
    ["Worker", info.worker || "none yet"],
    ["Epoch", info.epoch || "–"],
    ["Chunks", next || "–"],
    ["Video", known ? `${((known.firstFrame + known.frames) / known.fps).toFixed(1)} s, ${info.width}×${info.height} at ${known.fps} fps` : "–"],
    ["Seed", info.seed],
    ["Pacing", info.pacing],
  ];
  $("facts").replaceChildren(...rows.flatMap(([k, v]) => {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = k;
    dd.textContent = v ?? "–";
    return [dt, dd];
  }));
  $("prompt").textContent = info.prompt || "…";
  document.title = (info.name || "Session") + " · Reelfleet";
}

// Seconds of the session's video that were played: the player's own clock may begin anywhere.
function played() {
  if (!current || !known) return undefined;
  const start = (known.firstFrame - (known.chunk - current.sn) * known.frames) / known.fps;
  return Math.max(0, start + video.currentTime - current.start);
}

function heartbeat() {
  const seconds = played();
  if (seconds === undefined) return;
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "heartbeat", played_s: seconds }));
  else fetch(base + "heartbeat", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ played_s: seconds }) }).catch(() => {});
}

function connect() {
  const from = next ? `&from=${next}` : "";
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${base}ws?media=none${from}`);
  socket.onopen = () => link("live", "live");
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    switch (message.type) {
      case "session":
        if (info.epoch && message.epoch !== info.epoch) note(`moved to ${message.worker}`, "done");
        info = message;
        break;
      case "chunk":
        known = message;
        next = message.chunk + 1;
        break;
      case "end":
        info.state = "ended";
        link("ended", "ended" + (message.reason ? ": " + message.reason.toLowerCase() : ""));
        $("steer").querySelectorAll("input, button").forEach((e) => { e.disabled = true; });
        break;
      case "ack":
        acknowledged(message);
        break;
      case "error":
        refused(message);
        break;
    }
    facts();
  };
  socket.onclose = (event) => {
    if (event.code === 4401) location.reload();
    if (info.state === "ended") return;
    link("silent", "The gateway does not answer. Trying again.");
    setTimeout(connect, 1500);
  };
}

function note(words, state) {
  const li = document.createElement("li");
  li.className = state;
  li.textContent = words;
  $("acks").prepend(li);
  while ($("acks").children.length > 6) $("acks").lastChild.remove();
  return li;
}

const asked = new Map();

$("steer").addEventListener("submit", (event) => {
  event.preventDefault();
  const wish = $("wish").value.trim();
  if (!wish || socket?.readyState !== WebSocket.OPEN) return;
  const id = `${Date.now()}-${counter++}`;
  asked.set(id, { li: note(`“${wish}”: sent`, "sent"), wish, at: performance.now() });
  socket.send(JSON.stringify({ type: "control", id, controls: [{ kind: "prompt", text: wish }] }));
  $("wish").value = "";
});

function acknowledged({ id, stage, chunk }) {
  const ask = asked.get(id);
  if (!ask) return;
  const seconds = ((performance.now() - ask.at) / 1000).toFixed(1);
  if (stage === "received") {
    ask.li.textContent = `“${ask.wish}”: received`;
  } else {
    ask.li.textContent = `“${ask.wish}”: applied at chunk ${chunk}, after ${seconds} s`;
    ask.li.className = "done";
    asked.delete(id);
  }
}

function refused({ id, message }) {
  const ask = asked.get(id);
  if (!ask) { note(message, "bad"); return; }
  ask.li.textContent = `“${ask.wish}”: ${message}`;
  ask.li.className = "bad";
  asked.delete(id);
}

video.muted = true;
for (const event of ["playing", "timeupdate"]) video.addEventListener(event, () => { $("veil").hidden = video.readyState >= 2; });
video.addEventListener("loadedmetadata", () => { video.style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`; });
play(video, base, { onSegment: (frag) => { current = frag; }, onRefused: () => location.reload() });
connect();
facts();
setInterval(heartbeat, 2000);
