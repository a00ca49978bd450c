// The page that shows events as they come in. The stream is at the API's address, which the page gets a token for.
"use strict";

(() => {
  const page = document.querySelector("[data-live]");
  if (!page) return;
  const find = (name) => page.querySelector(`[data-live-${name}]`);
  const [list, form, pause, told] = [find("list"), find("filter"), find("pause"), find("told")];
  const MOST = 200; // rows that are kept
  const HIDDEN_FOR = 5 * 60_000; // a page that nobody looks at stops watching
  const TELL_EVERY = 10_000;
  const CHIPS = { accepted: "chip-good", rejected: "chip-bad", flagged: "chip-warm" };
  const counts = {};
  const waiting = []; // came in while the page was paused
  let source, lastId, timer, hiding, stopped, delay = 1_000, paused = false, untold = {}, generation = 0;

  function say(state, colour) {
    const text = find("state");
    if (text.textContent !== state) text.textContent = state;
    find("dot").setAttribute("class", colour);
  }

  const chosen = () => [...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value);

  function wanted(token) {
    const asked = new URLSearchParams(chosen());
    asked.set("token", token);
    if (lastId) asked.set("last_event_id", lastId);
    return `${page.dataset.stream}?${asked}`;
  }

  async function open() {
    close();
    const mine = ++generation;
    let answer;
    try {
      answer = await fetch(page.dataset.token, { headers: { Accept: "application/json" }, redirect: "manual" });
      if (answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status)) {
        say("You may not watch this shop any more. Load the page again.", "text-error");
        return;
      }
      if (!answer.ok) throw new Error(answer.status);
      const { token } = await answer.json();
      if (mine === generation) listen(new EventSource(wanted(token)));
    } catch {
      if (mine === generation) again();
    }
  }

  function listen(stream) {
    source = stream;
    stream.onopen = () => {
      delay = 1_000;
      say(paused ? "Paused" : "Live", paused ? "text-warning" : "text-success");
    };
    stream.onerror = again;
    stream.addEventListener("event", (message) => take(message, JSON.parse(message.data)));
    stream.addEventListener("more", (message) => note(message, `${JSON.parse(message.data).count} more of the same request are not shown.`));
    stream.addEventListener("skipped", (message) => note(message, JSON.parse(message.data).detail));
    stream.addEventListener("trouble", (message) => say(JSON.parse(message.data).detail, "text-warning"));
    stream.addEventListener("end", (message) => {
      const { code, detail } = JSON.parse(message.data);
      if (code === "time") return void open();
      close();
      say(`Ended: ${detail}`, "text-error");
    });
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function again() {
    close();
    say("Interrupted; connecting again…", "text-warning");
    timer = setTimeout(open, delay * (0.75 + Math.random() / 2));
    delay = Math.min(delay * 2, 15_000);
  }

  function take(message, event) {
    lastId = message.lastEventId || lastId;
    counts[event.outcome] = (counts[event.outcome] || 0) + 1;
    untold[event.outcome] = (untold[event.outcome] || 0) + 1;
    page.querySelector(`[data-live-count="${event.outcome}"]`).textContent = counts[event.outcome].toLocaleString();
    show(rowOf(event));
  }

  function note(message, text) {
    lastId = message.lastEventId || lastId;
    const row = document.createElement("li");
    row.className = "px-4 py-2 text-xs text-muted";
    row.textContent = text;
    show(row);
  }

  function show(row) {
    if (paused) {
      waiting.push(row);
      if (waiting.length > MOST) waiting.shift();
      pause.textContent = `Go on (${waiting.length} new)`;
      return;
    }
    find("empty").hidden = true;
    list.prepend(row);
    while (list.children.length > MOST) list.lastElementChild.remove();
  }

  function rowOf(event) {
    const row = find("row").content.firstElementChild.cloneNode(true);
    const part = (name) => row.querySelector(name);
    const at = new Date(event.at);
    part("time").dateTime = event.at;
    part("time").textContent = at.toLocaleTimeString([], { hour12: false });
    part("[data-outcome]").textContent = event.outcome === "flagged" ? `flagged: ${event.flag.replaceAll("_", " ")}` : event.outcome;
    if (CHIPS[event.outcome]) part("[data-outcome]").classList.add(CHIPS[event.outcome]);
    part("[data-type]").textContent = (event.type || "request").replaceAll("_", " ");
    const items = event.items || (event.item_id ? [event.item_id] : []);
    const more = (event.lines || 0) > items.length ? ` and ${event.lines - items.length} more` : "";
    part("[data-about]").textContent = [event.visitor_id || event.user_id, items.join(", ") + more].filter(Boolean).join(" · ");
    if (event.code) {
      part("[data-reason]").hidden = false;
      part("[data-reason]").textContent = `${event.code}${event.pointer ? ` at ${event.pointer}` : ""}: ${event.message}`;
    }
    part("pre").textContent = JSON.stringify(event, null, 2);
    if (event.visitor_id) {
      part("[data-only]").hidden = false;
      part("[data-only]").dataset.only = event.visitor_id;
    }
    return row;
  }

  function afresh() {
    lastId = undefined;
    list.replaceChildren();
    waiting.length = 0;
    find("empty").hidden = false;
    for (const name of Object.keys(counts)) {
      counts[name] = 0;
      page.querySelector(`[data-live-count="${name}"]`).textContent = "0";
    }
    const asked = new URLSearchParams(chosen()).toString();
    history.replaceState(null, "", asked ? `?${asked}` : location.pathname);
    say("Connecting…", "text-muted");
    open();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    afresh();
  });
  form.elements.outcome.addEventListener("change", afresh);
  list.addEventListener("click", (event) => {
    const only = event.target.closest("[data-only]");
    if (!only) return;
    form.elements.visitor_id.value = only.dataset.only;
    form.elements.visitor_id.focus();
    afresh();
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (source) say(paused ? "Paused" : "Live", paused ? "text-warning" : "text-success");
    if (!paused) waiting.splice(0).forEach(show);
  });

  // Screen readers hear a summary now and then, not every event.
  setInterval(() => {
    const news = Object.entries(untold).map(([outcome, count]) => `${count} ${outcome}`);
    if (news.length) told.textContent = `New: ${news.join(", ")}.`;
    untold = {};
  }, TELL_EVERY);

  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (!document.hidden && stopped) {
      stopped = false;
      open();
    }
    if (document.hidden) {
      hiding = setTimeout(() => {
        close();
        stopped = true;
        generation += 1;
        say("Stopped while nobody looked.", "text-muted");
      }, HIDDEN_FOR);
    }
  });
  window.addEventListener("pagehide", close);
  open();
})();
