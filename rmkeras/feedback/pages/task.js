// The rater's page: what is asked, what was answered, and a connection that may fail.
import { VIEWS, make, showText } from "./views.js";

const page = document.body.dataset;
const plan = { aspects: JSON.parse(page.aspects), low: Number(page.low), high: Number(page.high) };
const csrf = document.querySelector("meta[name=csrf]").content;
const at = (id) => document.getElementById(id);
const key = (name) => `rmkeras.${page.store}.${page.rater}.${name}`;
let asked = null;   // The item on the screen.
let view = null;
let last = null;    // Id of the answer that undo takes back.
let busy = false;   // Between an answer and its acknowledgement.
let shownAt = 0, hiddenFor = 0, hiddenAt = 0;

// Storage may be full or forbidden; then only reloading loses what is unsent.
function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(key(name));
    else localStorage.setItem(key(name), JSON.stringify(value));
  } catch { /* see above */ }
}
function kept(name) {
  try { return JSON.parse(localStorage.getItem(key(name))); } catch { return null; }
}

function say(text) {
  at("status").textContent = text;
  at("status").classList.remove("old");
  clearTimeout(say.timer);
  say.timer = setTimeout(() => at("status").classList.add("old"), 2500);
}
const alarm = (text) => { at("alarm").textContent = text; };

// Random, made once for each judgement: a repeated request counts once.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// Tries until the server has answered. Returns its reply, or null if it refused.
async function send(path, body) {
  for (let wait = 300; ; wait = Math.min(wait * 1.7, 5000)) {
    try {
      const response = await fetch(path, body === undefined ? {} : {
        method: "POST", body: JSON.stringify(body),
        headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf },
      });
      if (response.ok) { const reply = await response.json(); alarm(""); return reply; }
      if (response.status !== 429 && response.status < 500) {
        const { error } = await response.json().catch(() => ({ error: response.statusText }));
        alarm(response.status === 401 ? "You are not signed in any more. Open your link again." : error);
        return { refused: response.status };
      }
      alarm("The server is busy. Your answer is kept here and sent again.");
    } catch {
      alarm("No connection. Your answer is kept here and sent as soon as the server is back.");
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function load() {
  const reply = await send("/api/next");
  if (!reply.refused) show(reply);
}

function show(reply) {
  const { answered, skipped, left } = reply;
  last = reply.last;
  at("bar").max = Math.max(1, answered + skipped + left);
  at("bar").value = answered + skipped;
  at("count").textContent = `${answered} done, ${left} left` + (skipped ? `, ${skipped} skipped` : "");
  clearTimeout(show.timer);
  asked = reply.asked;
  at("note").value = "";
  at("note-part").open = false;
  if (asked === null) {
    view = null;
    at("question").textContent = "Thank you. Nothing is left for you now.";
    at("answers").replaceChildren(make("p", { className: "hint" }, "This page looks for new items by itself."));
    at("prompt-part").hidden = at("note-part").hidden = true;
    at("actions").replaceChildren(undoButton());
    at("actions").hidden = false;
    at("question").focus();
    show.timer = setTimeout(() => { if (!busy) load(); }, 10_000);
    return;
  }
  const draft = kept("draft");
  if (draft?.item === asked.item) {
    asked.value = { ...asked.value, ...draft.value };
    at("note").value = draft.note ?? "";
  } else if (asked.value?.note) at("note").value = asked.value.note;
  at("note-part").open = at("note").value !== "";
  view = VIEWS[asked.task](asked, plan, finish);
  at("question").textContent = view.question;
  at("prompt-part").hidden = asked.prompt.trim() === "";
  showText(at("prompt"), asked.prompt);
  at("answers").replaceChildren(view.element);
  at("note-part").hidden = false;
  const skip = make("button", { type: "button", onclick: () => finish({ skip: true }), "aria-keyshortcuts": "s" },
    "Skip", make("kbd", { "aria-hidden": "true" }, "s"));
  at("actions").classList.toggle("save", asked.task !== "compare");
  at("actions").replaceChildren(...view.actions, make("span", { className: "gap" }), skip, undoButton());
  at("actions").hidden = false;
  at("keys").replaceChildren(...[...view.help, ["s", "skip"], ["u", "undo the last answer"],
    ["n", "write a remark"], ["?", "this help"]].flatMap(([k, what]) =>
    [make("dt", {}, make("kbd", {}, k)), make("dd", {}, what)]));
  window.scrollTo(0, 0);
  (view.focus ?? at("question")).focus({ preventScroll: true });
  shownAt = performance.now();
  hiddenFor = 0;
}

function undoButton() {
  return make("button", { type: "button", onclick: undo, disabled: !last, "aria-keyshortcuts": "u" },
    "Undo", make("kbd", { "aria-hidden": "true" }, "u"));
}

// Called by a view: with a value when it is complete, else with the reason.
async function finish(value, why) {
  if (busy || asked === null) return;
  if (value === null) { say(why); return; }
  const note = at("note").value.trim();
  const seconds = Math.max(0, performance.now() - shownAt - hiddenFor) / 1000;
  await deliver({ id: newId(), item: asked.item, value: note ? { ...value, note } : value,
    seconds: Math.round(seconds * 100) / 100 });
}

async function deliver(answer) {
  busy = true;
  lock(true);
  keep("pending", answer);
  const reply = await send("/api/answer", answer);
  busy = false;
  lock(false);
  if (reply.refused === 401) return;
  keep("pending", null);
  if (!reply.refused) {
    keep("draft", null);
    say(answer.value.skip ? "Skipped." : "Saved.");
    show(reply);
  } else if (reply.refused === 409 || asked === null) await load();
}

async function undo() {
  if (busy || !last) return;
  busy = true;
  lock(true);
  const reply = await send("/api/undo", { id: last });
  busy = false;
  lock(false);
  if (reply.refused) return;
  keep("draft", null);
  show(reply);
  say("Taken back. Answer it again.");
}

function lock(on) {
  for (const button of at("actions").querySelectorAll("button")) {
    button.disabled = on || (button.getAttribute("aria-keyshortcuts") === "u" && !last);
  }
}

function saveDraft() {
  if (!asked || !view || busy) return;
  const value = view.draft();
  const note = at("note").value;
  if (value || note) keep("draft", { item: asked.item, value, note });
}

const typing = (element) => element.matches("textarea, input:not([type=radio]):not([type=checkbox]), select");
document.addEventListener("keydown", (event) => {
  if (at("help").open || event.isComposing) return;
  if (typing(event.target)) {
    if (event.key === "Escape") { event.target.blur(); at("question").focus(); }
    else if (event.target.id === "editor" && view?.press(event.key, event)) event.preventDefault();
    return;
  }
  // A button or link that has the focus keeps Enter and space for itself.
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
  if (event.target.matches("input[type=radio]") && event.key.startsWith("Arrow")) return;
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (!at("single").checked && !modified && event.key !== "Enter" && event.key !== "?") return;
  if (modified || event.repeat) return;
  const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const common = {
    u: undo, s: () => finish({ skip: true }), "?": () => at("help").showModal(),
    n: () => { at("note-part").open = true; at("note").focus(); },
  };
  if (view === null && pressed !== "u" && pressed !== "?") return;
  if (view?.press(pressed, event)) event.preventDefault();
  else if (pressed in common) { event.preventDefault(); common[pressed](); }
});
document.addEventListener("input", saveDraft);
document.addEventListener("click", () => setTimeout(saveDraft));
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else hiddenFor += performance.now() - hiddenAt; // Tea is no thinking time.
});
at("help-button").onclick = () => at("help").showModal();
at("single").checked = kept("single") !== false;
at("single").onchange = () => keep("single", at("single").checked);

// The guide is open the first time, and again when it has changed.
if (at("guide")) {
  const text = at("guide").textContent;
  at("guide").open = kept("guide") !== text;
  at("guide").ontoggle = () => { if (!at("guide").open) keep("guide", text); };
}

const pending = kept("pending");
if (pending) await deliver(pending); // Unsent when the page was closed.
if (asked === null) await load();
