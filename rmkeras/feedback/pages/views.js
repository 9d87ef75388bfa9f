// What each task looks like. A view has: question, element, actions (buttons),
// keys (for the help), value() or a reason why there is none yet, press(key).

const LONG = 100_000; // Characters shown at once; more would freeze the page.

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// Texts go in as text, never as HTML, each with its own direction of writing.
export function showText(element, text) {
  element.replaceChildren(text.slice(0, LONG));
  if (text.length <= LONG) return;
  const more = make("button", { type: "button", className: "small more" },
    `Show all ${text.length.toLocaleString("en")} characters`);
  more.onclick = () => element.replaceChildren(text);
  element.append("…", document.createElement("br"), more);
}

function card(number, text, ...extra) {
  const body = make("div", { className: "text", dir: "auto" });
  showText(body, text);
  const head = make("h3", { id: `answer-${number}` }, `Answer ${number}`, ...extra);
  return make("article", { className: "card", "aria-labelledby": head.id }, head, body);
}

const kbd = (key) => make("kbd", { "aria-hidden": "true" }, key);
function button(label, key, act, className = "") {
  return make("button", { type: "button", className, onclick: act, "aria-keyshortcuts": key },
    label, kbd(key));
}

function compare(asked, plan, done) {
  const say = (choice) => () => done({ choice });
  const about = asked.aspect ? `Which answer is more ${asked.aspect}?` : "Which answer is better?";
  const cards = asked.texts.map((text, i) => card(i + 1, text));
  const before = asked.value?.choice;
  const mark = { left: [0], right: [1], tie: [0, 1] }[before] ?? [];
  for (const i of mark) cards[i].classList.add("chosen");
  const keys = { 1: say("left"), ArrowLeft: say("left"), 2: say("right"), ArrowRight: say("right"),
    t: say("tie"), 0: say("tie"), b: say("bad") };
  return {
    question: about,
    element: make("div", { className: "cards two" }, ...cards),
    actions: [button("1 is better", "1", keys[1], "main"), button("Tie", "t", keys.t),
      button("2 is better", "2", keys[2], "main"), button("Both bad", "b", keys.b)],
    help: [["1 or ←", "the first is better"], ["2 or →", "the second is better"],
      ["t or 0", "tie"], ["b", "both are bad"]],
    press: (key) => key in keys && (keys[key](), true),
    draft: () => null,
  };
}

function rate(asked, plan, done) {
  const given = { ...(asked.value?.ratings ?? {}) };
  const count = plan.high - plan.low + 1;
  const plain = plan.low >= 0 && plan.high <= 9; // A digit is the rating itself.
  const body = make("div", { className: "text", dir: "auto" });
  showText(body, asked.texts[0]);
  const sets = plan.aspects.map((aspect, i) => {
    const options = Array.from({ length: count }, (_, k) => {
      const rating = plan.low + k;
      const input = make("input", { type: "radio", name: `aspect-${i}`, value: rating,
        checked: given[aspect] === rating });
      input.onchange = () => { given[aspect] = rating; update(); };
      return make("label", {}, input, make("span", { className: "dot" }, String(rating)));
    });
    return make("fieldset", {}, make("legend", { dir: "auto" }, aspect),
      make("div", { className: "scale" }, make("span", { className: "end" }, "not at all"),
        ...options, make("span", { className: "end" }, "fully")));
  });
  const save = button("Save", "Enter", () => finish(), "main");
  const now = () => {
    const at = sets.findIndex((set) => set.contains(document.activeElement));
    return at >= 0 ? at : plan.aspects.findIndex((aspect) => !(aspect in given));
  };
  function update() {
    const missing = plan.aspects.findIndex((aspect) => !(aspect in given));
    sets.forEach((set, i) => set.classList.toggle("now", i === missing));
    save.setAttribute("aria-disabled", String(missing >= 0));
  }
  function finish() {
    const missing = plan.aspects.filter((aspect) => !(aspect in given));
    if (missing.length) return `Still to rate: ${missing.join(", ")}`;
    return done({ ratings: given });
  }
  save.onclick = () => { const why = finish(); if (why) done(null, why); };
  update();
  return {
    question: "How good is this text?",
    element: make("div", {}, make("article", { className: "card", "aria-label": "Text" }, body),
      make("div", { className: "sets" }, ...sets)),
    actions: [save],
    help: [[plain ? `${plan.low}–${plan.high}` : `1–${Math.min(9, count)}`,
      plain ? "rating of the marked aspect" : `rating of the marked aspect, 1 is ${plan.low}`],
    ["Tab, arrows", "another aspect, another rating"], ["Enter", "save"]],
    press(key) {
      if (key === "Enter") { save.onclick(); return true; }
      if (!/^[0-9]$/.test(key)) return false;
      const k = plain ? Number(key) - plan.low : Number(key) - 1;
      const at = now();
      if (at < 0 || k < 0 || k >= count) return false;
      sets[at].querySelectorAll("input")[k].click();
      const next = plan.aspects.findIndex((aspect) => !(aspect in given));
      if (next >= 0) sets[next].querySelector("input").focus();
      else save.focus();
      return true;
    },
    draft: () => ({ ratings: given }),
  };
}

function rank(asked, plan, done) {
  let order = [...(asked.value?.ranking ?? [])];
  const count = asked.texts.length;
  const cards = asked.texts.map((text, i) => {
    const pick = make("button", { type: "button", className: "small", onclick: () => choose(i) });
    return card(i + 1, text, pick);
  });
  const save = button("Save", "Enter", () => finish(), "main");
  const back = button("Take last back", "⌫", () => { order.pop(); update(); });
  back.setAttribute("aria-keyshortcuts", "Backspace");
  function choose(i) {
    order = order.includes(i) ? order.filter((k) => k !== i) : [...order, i];
    update();
  }
  function update() {
    cards.forEach((element, i) => {
      const place = order.indexOf(i);
      const pick = element.querySelector("button");
      element.classList.toggle("chosen", place >= 0);
      pick.setAttribute("aria-pressed", String(place >= 0));
      pick.setAttribute("aria-label", place >= 0 ? `Answer ${i + 1} has place ${place + 1}; take it back`
        : `Give answer ${i + 1} place ${order.length + 1}`);
      pick.replaceChildren(place >= 0 ? make("span", { className: "place" }, `No. ${place + 1}`)
        : `make it no. ${order.length + 1}`, kbd(String(i + 1)));
    });
    back.disabled = !order.length;
    save.setAttribute("aria-disabled", String(order.length < count));
  }
  function finish() {
    if (order.length < count) return done(null, `${count - order.length} answers have no place yet`);
    return done({ ranking: order });
  }
  update();
  const about = asked.aspect ? `, by how ${asked.aspect} they are` : "";
  return {
    question: `Rank these ${count} answers${about}, the best first`,
    element: make("div", { className: "cards" }, ...cards),
    actions: [save, back],
    help: [[`1–${count}`, "give this answer the next place, or take it back"],
      ["Backspace", "take the last place back"], ["Enter", "save"]],
    press(key) {
      if (key === "Enter") { finish(); return true; }
      if (key === "Backspace") { back.click(); return true; }
      if (!/^[1-9]$/.test(key) || Number(key) > count) return false;
      choose(Number(key) - 1);
      return true;
    },
    draft: () => ({ ranking: order }),
  };
}

function edit(asked, plan, done) {
  const original = asked.texts[0];
  const area = make("textarea", { className: "editor", dir: "auto", rows: 12, id: "editor",
    value: asked.value?.text ?? original, "aria-describedby": "question" });
  const save = button("Save", "Ctrl+Enter", () => finish(), "main");
  save.setAttribute("aria-keyshortcuts", "Control+Enter");
  const reset = make("button", { type: "button", onclick: () => { area.value = original; area.focus(); } },
    "Start again");
  // A text area turns \r\n into \n; a text that was left alone stays as it was.
  const plainOriginal = area.ownerDocument.createElement("textarea");
  plainOriginal.value = original;
  function finish() {
    const text = area.value === plainOriginal.value ? original : area.value;
    return text.trim() ? done({ text }) : done(null, "The text is empty");
  }
  return {
    question: "Make this text better",
    element: make("div", {}, make("label", { htmlFor: "editor" }, "Text"), area),
    actions: [save, reset],
    help: [["Ctrl+Enter", "save"], ["Esc", "leave the text, so that other keys work"]],
    focus: area,
    press(key, event) {
      if (key === "Enter" && (event.ctrlKey || event.metaKey)) { finish(); return true; }
      return false;
    },
    draft: () => ({ text: area.value }),
  };
}

export const VIEWS = { compare, rate, rank, edit };
