// Follows the event stream and loads the page's main part anew when something happened, and now and then for the
// ages. The page is whole without it.
"use strict";

const QUIET_MS = 300;
const AGES_MS = 15000;
const live = document.getElementById("live");
let due = 0;
let loading = false;

function say(text) {
  if (live) live.textContent = text;
}

async function refresh() {
  if (loading || document.hidden) return;
  loading = true;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return say("The daemon cannot show this at the moment.");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("main");
    const main = document.getElementById("main");
    if (!fresh || !main) return;
    const open = [...main.querySelectorAll("details")].map((details) => details.open);
    [...fresh.querySelectorAll("details")].forEach((details, index) => { details.open = Boolean(open[index]); });
    main.replaceWith(fresh);
    say("Live");
  } catch (error) {
    say("The daemon does not answer; what you see may be old.");
  } finally {
    loading = false;
  }
}

function soon() {
  clearTimeout(due);
  due = setTimeout(refresh, QUIET_MS);
}

const stream = new EventSource("/api/v1/events");
stream.addEventListener("open", () => say("Live"));
stream.addEventListener("history", soon);
stream.addEventListener("error", () => say("Connecting…"));
document.addEventListener("visibilitychange", soon);
setInterval(refresh, AGES_MS);
