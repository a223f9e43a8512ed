// From state to state, from subject to subject.

let subject = null;
let state = 0;
let timer = null;
let space = null;  // the large view of bodies; once three.js is there
const smallSpaces = [];
let views = [];  // whatever draws a state beside the body and the picture

const last = () => subject.labels.length - 1;
const index = () => content.subjects.indexOf(subject);

function say() {
  const step = byId("step");
  step.max = last();
  step.value = state;
  const text = `${subject.labels[state]} (${state} of ${last()})`;
  byId("label").textContent = text;
  step.setAttribute("aria-valuetext", text);
}

function draw() {
  say();
  if (subject.picture) drawPicture(byId("image"), subject.picture, state);
  for (const view of views) view.draw(state);
  if (subject.body && space) space.draw(state);
}

function go(to) {
  const next = Math.max(0, Math.min(last(), to));
  if (next === state) return;
  state = next;
  draw();
}

function bodyTools(tools, body) {
  tools.replaceChildren();
  if (body.vertices) tools.append(tick("mesh", "body", SKIN, draw));
  tools.append(tick("skeleton", "skeleton", BONE, draw));
  for (const arrows of body.arrows) tools.append(tick(arrows.name, arrowText(arrows), arrows.colour, draw));
  if (body.truth || body.true_points) tools.append(tick("truth", "truth", TRUTH, draw));
  if (body.covariance) {
    const label = tick("uncertainty", "uncertainty (1 s.d.)", SPREAD, draw);
    // Pale where this state has none.
    views.push({ draw: (at) => label.classList.toggle("none", Number.isNaN(row(body.covariance, at)[0])) });
    tools.append(label);
  }
  for (const name of Object.keys(VIEWS)) {
    const button = element("button", { type: "button", textContent: name });
    button.addEventListener("click", () => { if (space) space.look(name); });
    tools.append(button);
  }
}

/** A place where bodies are seen; null, and said so, where the browser has no 3D. */
function newSpace(place) {
  try {
    return new Space(place);
  } catch (error) {
    place.textContent = "This browser shows no 3D: WebGL is not to be had.";
    return null;
  }
}

/** Another subject of the page, small. */
class Example {
  constructor(other, number) {
    this.other = other;
    const title = element("button", { type: "button", textContent: other.title });
    title.addEventListener("click", () => show(content.subjects.indexOf(other)));
    const figure = element("figure", {}, element("figcaption", {}, title));
    this.number = number;
    byId("examples").append(figure);
    if (other.body) figure.append(this.place = element("div", { className: "small" }));
    else if (other.picture) figure.append(this.svg = shape("svg", { class: "small" }));
  }

  draw(state) {
    const at = Math.min(state, this.other.labels.length - 1);
    if (this.svg) drawPicture(this.svg, this.other.picture, at);
    if (!this.place || !window.THREE) return;
    if (!this.space) {
      const kept = smallSpaces[this.number] ||= newSpace(element("div", { className: "small" }));
      if (!kept) return;
      this.place.replaceWith(kept.place);
      this.space = kept;
      kept.take(this.other.body);
    }
    this.space.draw(at);
  }
}

/** Another subject: at the same step, where it has the same ones. */
function show(to) {
  if (to < 0 || to >= content.subjects.length) return;
  const before = subject;
  subject = content.subjects[to];
  // First the start; of results, the end.
  if (!before) state = subject.examples.length ? last() : 0;
  else if (before.labels.join() !== subject.labels.join()) state = 0;
  const { body, picture, examples } = subject;
  byId("subject").value = to;
  byId("body").hidden = !body;
  byId("picture").hidden = !picture;
  document.querySelector("main").hidden = !body && !picture;
  document.querySelector("nav").hidden = subject.labels.length < 2;
  byId("turn").hidden = !body && !examples.some((one) => content.subjects[one].body);
  byId("note").textContent = subject.note;
  byId("grey").hidden = secondOrder(subject.labels) < 0;
  for (const section of ["examples", "tables", "charts", "matrices"]) byId(section).replaceChildren();
  subject.tables.forEach(newTable);
  // All cards before anything is drawn: their number decides how wide they are.
  views = [
    ...examples.map((one, number) => new Example(content.subjects[one], number)),
    ...subject.charts.map((chart) => new ChartView(chart, subject.labels, card("charts", "chart", chart.title), go)),
    ...subject.matrices.map((matrix) => new MatrixView(matrix, card("matrices", "matrix", matrix.title))),
  ];
  if (picture) views.push({ draw: pictureTools(byId("picture-tools"), picture, draw) });
  if (body) bodyTools(byId("body-tools"), body);
  if (body && space) space.take(body);
  draw();
}

function play() {
  if (timer) {
    clearInterval(timer);
    timer = null;
  } else {
    if (state === last()) go(0);
    timer = setInterval(() => {
      if (state === last()) play(); else go(state + 1);
    }, 700);
  }
  byId("play").innerHTML = timer ? "&#10073;&#10073;" : "&#9654;";
  byId("play").setAttribute("aria-label", timer ? "Pause" : "Play");
}

const KEYS = {
  ArrowRight: () => go(state + 1),
  ArrowLeft: () => go(state - 1),
  Home: () => go(0),
  End: () => go(last()),
  PageDown: () => show(index() + 1),
  PageUp: () => show(index() - 1),
  " ": play,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.tagName === "SELECT") return;
  if (event.key === " " && event.target.tagName !== "BODY") return;
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
byId("title").textContent = content.title;
const several = content.subjects.length > 1;
byId("choose").hidden = byId("others").hidden = !several;
byId("alone").textContent = several ? "" : content.subjects[0].title;
byId("subject").append(...content.subjects.map(
  (one, value) => element("option", { value, textContent: one.title })));
byId("subject").addEventListener("change", (event) => show(+event.target.value));
tipped(byId("image"), (event) => said(byId("image"), event));
byId("step").addEventListener("input", (event) => go(+event.target.value));
byId("back").addEventListener("click", () => go(state - 1));
byId("on").addEventListener("click", () => go(state + 1));
byId("play").addEventListener("click", play);
addEventListener("resize", draw);
show(0);

// What needs three.js comes once the browser has shown what needs none.
requestAnimationFrame(() => setTimeout(() => {
  if (content.subjects.some((one) => one.body)) {
    const library = element("script");
    library.textContent = byId("library").textContent;
    document.head.append(library);
    space = newSpace(byId("space"));
    if (space && subject.body) space.take(subject.body);
    draw();
  }
  document.body.dataset.drawn = "yes";
}));
