// Updates the page every second, and sends the form without leaving the page. The page also works without it.
"use strict";

const PERIOD = 1000;
const GONE = "The sandbox doesn't respond. Check that it is still running.";
const MESSAGES = "[role=status], [role=alert]";
const OWN_ATTRIBUTES = new Set(["open", "aria-invalid"]);

/** Make `old` equal to `fresh` with few changes, to keep the focus, the selection and open details. */
function update(old, fresh) {
  if (old.isEqualNode(fresh) || old.matches?.(MESSAGES)) return;
  if (old.nodeType === Node.TEXT_NODE) {
    old.data = fresh.data;
    return;
  }
  for (const { name, value } of fresh.attributes) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !OWN_ATTRIBUTES.has(name)) old.removeAttribute(name);
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
    // Moving an element would take the focus away, so remove the elements before it instead.
    while (next.id && same && place && place !== same && !known.has(place.id)) pass().remove();
    if (place && place === same && same.nodeName === next.nodeName && same.id === next.id) update(pass(), next);
    else old.insertBefore(next, place);
  }
  while (place) pass().remove();
}

/** Show the result of a button next to it, and scroll only if the result isn't visible. */
function say(message, problem = "") {
  document.querySelector("#message").textContent = message;
  document.querySelector("#problem").textContent = problem;
  document.querySelector(problem ? "#problem" : "#message").scrollIntoView({ block: "nearest" });
}

/** Load the page and show it; return its error message, or undefined if the sandbox doesn't respond. */
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
  // The fields of other troubles may be invalid, because the sandbox ignores them.
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
  // Changing a field selects its trouble.
  const radio = target.closest(".choice")?.querySelector("[type=radio]");
  if (radio) radio.checked = true;
});
setTimeout(refresh, PERIOD);
