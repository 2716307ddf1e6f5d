// Keeps the page fresh, and sends the form without leaving it. The page works without this.
"use strict";

const PERIOD = 1000;
const GONE = "The sandbox does not answer. Is it still running?";

/** Change `old` until it is like `fresh`, and touch nothing else: focus, selection and open details stay. */
function update(old, fresh) {
  if (old.isEqualNode(fresh) || old.id === "message") return;
  if (old.nodeType === Node.TEXT_NODE) {
    old.data = fresh.data;
    return;
  }
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  const kept = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  const known = new Map([...old.children].filter((child) => kept.has(child.id)).map((child) => [child.id, child]));
  let place = old.firstChild;
  const pass = () => {
    const passed = place;
    place = place.nextSibling;
    return passed;
  };
  for (const next of [...fresh.childNodes]) {
    const same = next.id ? known.get(next.id) : place;
    // What stays is not moved, which would take the focus away: what stands before it goes.
    while (next.id && same && place && place !== same && !known.has(place.id)) pass().remove();
    if (place && place === same && same.nodeName === next.nodeName && same.id === next.id) update(pass(), next);
    else old.insertBefore(next, place);
  }
  while (place) pass().remove();
}

function say(text) {
  document.querySelector("#message").textContent = text;
}

/** Ask for the page and show it; return the message in it, or undefined when nothing answers. */
async function load(url, options) {
  let text;
  try {
    const response = await fetch(url, { ...options, headers: { accept: "text/html" } });
    text = await response.text();
  } catch {
    return undefined;
  }
  const fresh = new DOMParser().parseFromString(text, "text/html");
  update(document.querySelector("main"), fresh.querySelector("main"));
  return fresh.querySelector("#message").textContent;
}

async function refresh() {
  if (!document.hidden) {
    const isGone = (await load("/")) === undefined;
    if (isGone !== wasGone) say(isGone ? GONE : "");
    wasGone = isGone;
  }
  setTimeout(refresh, PERIOD);
}

async function submit(event) {
  event.preventDefault();
  const { submitter, target: form } = event;
  const body = new URLSearchParams(new FormData(form, submitter));
  const problem = await load(form.action, { method: "POST", body });
  say(problem === undefined ? GONE : problem || submitter.dataset.done);
}

let wasGone = false;
const form = document.querySelector("form");
form.addEventListener("submit", submit);
form.addEventListener("input", ({ target }) => {
  // Who sets an amount means that trouble.
  const radio = target.closest(".choice")?.querySelector("[type=radio]");
  if (radio) radio.checked = true;
});
setTimeout(refresh, PERIOD);
