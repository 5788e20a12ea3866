// Keeps a page true while it is open: loads its main part anew when something happened, counts ages on by the daemon's
// clock, and says so in large when the daemon says nothing any more. The page is whole without it.
"use strict";

// The daemon speaks every 5 s at least, and as soon as the stream is open.
const SILENCE_MS = 15000;
const FIRST_WORD_MS = 5000;
const TICK_MS = 1000;
const QUIET_MS = 300;
// Not everything that changes is an event: when something was last checked, for one.
const REFRESH_MS = 10000;
const RETRY_MS = 3000;
const ANSWER_MS = 8000;
// Not fetched: it is shown when there is nobody to fetch it from.
const SILENT_ICON = "data:image/svg+xml," + encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="16" fill="#b3201f"/>' +
  '<path d="M10 10 22 22M22 10 10 22" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>');

const live = document.getElementById("live");
const silence = document.getElementById("silence");
const icon = document.getElementById("icon");
const liveIcon = icon.getAttribute("href");
const title = document.title;

// The daemon's clock when what is shown was made, and its last word: the clock again, and when that arrived by both of
// ours. The wall clock goes on while this machine sleeps, and jumps when it is set; the other one does neither.
let shown = clockOf(document);
let word = at(shown);
let hasHeard = false;
// A page that a browser kept for later looks like one whose reader's clock is wrong, until the daemon speaks.
let isDoubtful = Math.abs(Date.now() - shown) >= SILENCE_MS;
// What keeps this page from being shown anew, though the daemon speaks.
let trouble = null;
let isLost = false;
let isLoading = false;
let isLeaving = false;
let due = 0;
let refreshedAt = performance.now();
let triedAt = 0;
let stream = null;

function at(server) {
  return { server, wall: Date.now(), own: performance.now() };
}

function sinceWord() {
  return Math.max(Date.now() - word.wall, performance.now() - word.own, 0);
}

function clockOf(page) {
  const meta = page.querySelector("meta[name='moorline-now']");
  return meta ? Date.parse(meta.content) : NaN;
}

function say(text) {
  if (live.textContent !== text) live.textContent = text;
}

// As `age` in console/wording.rs.
function age(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

function countAges() {
  const now = Math.floor((word.server + sinceWord()) / 1000);
  for (const time of document.querySelectorAll("#main time[data-age]")) {
    const then = Math.floor(Date.parse(time.dateTime) / 1000);
    if (Number.isNaN(then)) continue;
    const text = age(Math.max(now - then, 0));
    if (time.textContent !== text) time.textContent = text;
  }
}

function leave() {
  isLeaving = true;
  location.reload();
}

function markLost(reason, since) {
  isLost = true;
  const when = new Date(since).toISOString().slice(0, 19).replace("T", " ");
  const text = `${reason} since ${when} UTC. What you see is from then and may be wrong now.`;
  if (silence.textContent !== text) silence.textContent = text;
  silence.hidden = false;
  document.documentElement.classList.add("lost");
  document.title = `✖ ${reason} since ${when.slice(11)} UTC · ${title}`;
  icon.href = SILENT_ICON;
  say("");
}

function markFound() {
  // What is shown is old, and perhaps the daemon is another release: the whole page comes anew.
  if (Math.abs(word.server - shown) >= SILENCE_MS) return leave();
  isLost = false;
  silence.hidden = true;
  document.documentElement.classList.remove("lost");
  document.title = title;
  icon.href = liveIcon;
}

function tick() {
  if (isLeaving) return;
  countAges();
  const isQuiet = isDoubtful || sinceWord() >= (hasHeard ? SILENCE_MS : FIRST_WORD_MS);
  if (isQuiet) markLost("No word from the daemon", word.server);
  else if (trouble) markLost(trouble, shown);
  else if (isLost) markFound();
  if (isLeaving) return;
  const now = performance.now();
  const isClosed = !stream || stream.readyState === EventSource.CLOSED;
  if ((isLost || isClosed) && now - triedAt >= RETRY_MS) {
    triedAt = now;
    // A connection that slept may hang and never say so.
    if (isQuiet || isClosed) connect();
    refresh();
  } else if (!document.hidden && now - refreshedAt >= REFRESH_MS) {
    refresh();
  }
}

function hear(server) {
  if (Number.isNaN(server)) return;
  word = at(server);
  hasHeard = true;
  isDoubtful = false;
  tick();
  if (!isLost) say("Live");
}

async function refresh() {
  if (isLoading || isLeaving) return;
  isLoading = true;
  refreshedAt = performance.now();
  try {
    const answer = await fetch(location.href, {
      credentials: "same-origin",
      redirect: "error",
      cache: "no-store",
      headers: { accept: "text/html" },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const server = clockOf(page);
    // A proxy in front may answer for a daemon that is gone, but does not know its clock.
    if (Number.isNaN(server)) return;
    // Signed out, or no longer there: the page of that says so itself.
    if ([401, 403, 404].includes(answer.status)) return leave();
    trouble = answer.ok ? null : `The daemon cannot show this page (${answer.status})`;
    if (answer.ok && !isLost) replace(page, server);
    hear(server);
  } catch {
    // Silence will tell.
  } finally {
    isLoading = false;
  }
}

function replace(page, server) {
  const fresh = page.getElementById("main");
  const main = document.getElementById("main");
  if (!fresh || !main) return;
  // Somebody types into the filter: the next look replaces it.
  if (main.querySelector("input:focus")) return;
  const open = [...main.querySelectorAll("details")].map((details) => details.open);
  [...fresh.querySelectorAll("details")].forEach((details, index) => { details.open = Boolean(open[index]); });
  main.replaceWith(fresh);
  shown = server;
}

function soon() {
  clearTimeout(due);
  due = setTimeout(() => { if (!document.hidden) refresh(); }, QUIET_MS);
}

function connect() {
  if (stream) stream.close();
  stream = new EventSource("/api/v1/events");
  stream.addEventListener("clock", (event) => hear(Date.parse(event.data)));
  stream.addEventListener("history", soon);
  stream.addEventListener("error", () => { if (!isLost) say("Connecting…"); });
}

connect();
tick();
setInterval(tick, TICK_MS);
// Back from sleep, from another tab, or from the browser's memory: nothing green before it is known.
document.addEventListener("visibilitychange", () => { tick(); soon(); });
addEventListener("pageshow", (event) => { if (event.persisted) { tick(); soon(); } });
