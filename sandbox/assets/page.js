// Keeps the page fresh, and sends the form without leaving it. The page works without this.
"use strict";

const PERIOD = 1000;
const GONE = "The sandbox does not answer. Is it still running?";
const MESSAGES = "[role=status], [role=alert]";
const OURS = new Set(["open", "aria-invalid"]);

/** Change `old` until it is like `fresh`, and touch nothing else: focus, selection and open details stay. */
function update(old, fresh) {
  if (old.isEqualNode(fresh) || old.matches?.(MESSAGES)) return;
  if (old.nodeType === Node.TEXT_NODE) {
    old.data = fresh.data;
    return;
  }
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OURS.has(name)) old.removeAttribute(name);
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

/** Show what came of a button, beside it; the browser scrolls no further than needed. */
function say(message, problem = "") {
  document.querySelector("#message").textContent = message;
  document.querySelector("#problem").textContent = problem;
  document.querySelector(problem ? "#problem" : "#message").scrollIntoView({ block: "nearest" });
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
  return fresh.querySelector("#problem").textContent;
}

async function refresh() {
  if (!document.hidden) {
    const isGone = (await load("/")) === undefined;
    const notice = document.querySelector("#gone");
    if (isGone === !notice.textContent) notice.textContent = isGone ? GONE : "";
  }
  setTimeout(refresh, PERIOD);
}

async function submit(event) {
  event.preventDefault();
  const { submitter, target: form } = event;
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  // What belongs to a trouble that is not chosen may hold anything.
  const needed = submitter.name === "clear" ? "#key" : ".choice:has(:checked) *, #key";
  for (const field of form.querySelectorAll(needed)) {
    if (field.reportValidity?.() === false) return;
  }
  const body = new URLSearchParams(new FormData(form, submitter));
  const problem = await load(form.action, { method: "POST", body });
  if (problem === "") say(submitter.dataset.done);
  else say("", problem ?? GONE);
  form.querySelector("[aria-invalid]")?.focus();
}

const form = document.querySelector("form");
form.addEventListener("submit", submit);
form.addEventListener("input", ({ target }) => {
  // Who sets an amount means that trouble.
  const radio = target.closest(".choice")?.querySelector("[type=radio]");
  if (radio) radio.checked = true;
});
setTimeout(refresh, PERIOD);
