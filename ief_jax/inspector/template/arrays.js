"use strict";
// What the page holds, and small parts that all views are made of.
// All numbers come from the JSON element "data".

const byId = (id) => document.getElementById(id);
const { content, arrays } = JSON.parse(byId("data").textContent);
const TYPES = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

/** The array that a field of the content stands for: its flat values and its shape. */
function array(field) {
  const held = arrays[field.array];
  if (!held.values && !held.jpeg) {
    const text = atob(held.data), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    held.values = new TYPES[held.dtype](bytes.buffer);
    held.data = null;
  }
  return held;
}

/** Row `index` of an array along its first axis, flat. */
function row(field, index) {
  const { values, shape } = array(field);
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  return values.subarray(index * size, (index + 1) * size);
}

function squared(flat) {
  let sum = 0;
  for (const value of flat) if (!Number.isNaN(value)) sum += value * value;
  return sum;
}

/** Arrows of a state; those whose own length says nothing get that of the others. */
function vectors(arrows, all, state) {
  const mine = row(arrows.vectors, state);
  if (!arrows.as_long_as) return mine;
  const other = all.find((one) => one.name === arrows.as_long_as);
  const scale = Math.sqrt(squared(row(other.vectors, state)) / squared(mine));
  return Number.isFinite(scale) ? mine.map((value) => value * scale) : mine;
}

const arrowText = (arrows) => arrows.name + (arrows.as_long_as ? " (length not to scale)" : "");

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

/** An element of SVG; the text is shown where the pointer is near it. */
function shape(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.dataset.says = text;
  return made;
}

const written = (text, attributes) => {
  const made = shape("text", attributes);
  made.textContent = text;
  return made;
};

const chosen = { whole: false };
/** Whether something is to be shown: all is, until its box is not ticked. */
const on = (name) => chosen[name] ?? true;

/** A box to tick that shows or hides something. */
function tick(name, text, colour, change) {
  const box = element("input", { type: "checkbox", checked: on(name) });
  box.addEventListener("change", () => { chosen[name] = box.checked; change(); });
  const parts = [box];
  if (colour) {
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = colour;
    parts.push(swatch);
  }
  return element("label", {}, ...parts, text);
}

/** Says something beside a point of the window; nothing without a text. */
function tip(text, x, y) {
  const shown = byId("tip");
  shown.hidden = !text;
  if (!text) return;
  shown.textContent = text;
  const right = x + 14 + shown.offsetWidth > innerWidth;
  shown.style.left = `${Math.max(right ? x - 10 - shown.offsetWidth : x + 14, 2)}px`;
  shown.style.top = `${Math.max(y - shown.offsetHeight - 6, 2)}px`;
}

/** Says what `text(event)` gives wherever the pointer is over an element, or taps it. */
function tipped(over, text) {
  const say = (event) => tip(text(event), event.clientX, event.clientY);
  over.addEventListener("pointermove", say);
  over.addEventListener("pointerdown", say);
  // What is tapped stays until something else is.
  over.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") tip(""); });
}
addEventListener("pointerdown", () => tip(""), true);

/** What the element of SVG says that is nearest to the pointer. */
function said(svg, event) {
  let text = "", nearest = 12;
  for (const one of svg.querySelectorAll("[data-says]")) {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    const distance = Math.hypot((left + right) / 2 - event.clientX, (top + bottom) / 2 - event.clientY);
    if (distance < nearest) [text, nearest] = [one.dataset.says, distance];
  }
  return text;
}
