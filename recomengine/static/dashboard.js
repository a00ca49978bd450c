// What the pages cannot do with HTML alone. Everything here is a convenience: without it links, forms and menus still work.
"use strict";

const themeOf = () =>
  document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

function toggleTheme() {
  const theme = themeOf() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax${secure}`;
}

async function copy(button) {
  await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent.trim());
  const label = button.getAttribute("aria-label");
  button.setAttribute("aria-label", "Copied");
  button.classList.add("text-success");
  setTimeout(() => {
    button.setAttribute("aria-label", label);
    button.classList.remove("text-success");
  }, 1500);
}

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const search = document.querySelector("[data-search]");
  if (search && !search.contains(event.target)) closeResults(search);
  const button = event.target.closest("[data-theme-toggle], [data-copy]");
  if (button?.hasAttribute("data-theme-toggle")) toggleTheme();
  else if (button) copy(button);
});

// Signing up: the shop's days begin at midnight where its owner is.
for (const field of document.querySelectorAll("[data-timezone]")) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  if (!timeZone) continue;
  field.value = timeZone;
  document.querySelector("[data-timezone-name]").textContent = timeZone;
}

function closeResults(search) {
  search.querySelector("[data-results]").replaceChildren();
}

// The search box: "/" goes there, arrows walk through what was found, Escape closes it.
function walk(search, step) {
  const stops = [search.querySelector("input"), ...search.querySelectorAll("[data-results] a")];
  const next = stops.indexOf(document.activeElement) + step;
  stops[Math.max(0, Math.min(stops.length - 1, next))].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector("details[data-menu][open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  }
  const search = document.querySelector("[data-search]");
  if (!search) return;
  const typing = event.target.matches("input, textarea, select");
  if (event.key === "/" && !typing && !event.metaKey && !event.ctrlKey) {
    event.preventDefault();
    search.querySelector("input").focus();
  }
  if (!search.contains(event.target)) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    walk(search, event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Escape") {
    search.querySelector("input").focus();
    closeResults(search);
  }
});

// A picture that does not load gives way to the initials beneath it.
document.addEventListener("error", (event) => { if (event.target.matches?.(".tile img")) event.target.remove(); }, true);

// A select that chooses what the page shows does so at once.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// What is shown once came as the answer to a form; loading the page again must not send that form again.
const once = document.querySelector("[data-once]");
if (once) history.replaceState(null, "", once.dataset.once);

// A form that makes something is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-busy]")) return;
  if (event.target.ariaBusy === "true") event.preventDefault();
  event.target.ariaBusy = "true";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-busy]")) form.ariaBusy = null;
});

// After a preview was swapped in: its heading has the focus, and the list of hits is gone.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id !== "result") return;
  const search = document.querySelector("[data-search]");
  closeResults(search);
  search.querySelector("input").value = new URL(location.href).searchParams.get("q") || "";
});
