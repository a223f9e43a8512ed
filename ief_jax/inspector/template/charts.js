// Curves over the states, heat maps and tables.

/** A number as text: 3 digits. */
function digits(value) {
  if (!Number.isFinite(value)) return "-";
  const size = Math.abs(value);
  if (size && (size < 1e-3 || size >= 1e5)) return value.toExponential(1);
  return String(+value.toPrecision(3));
}

/** Round numbers from low to high, some four. */
function ticks(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((times) => times * power >= rough * 0.999);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-6); n * step <= high * (1 + 1e-9) + 1e-6 * step; n++) found.push(n * step);
  return found;
}

/** The same on a logarithmic scale: powers of ten, or within few of these also twice and five times. */
function logarithmicTicks(low, high) {
  const first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const every = Math.ceil((last - first) / 5), found = [];
  const times = last - first > 2 ? [1] : last - first > 1 ? [1, 3] : [1, 2, 5];
  for (let power = first; power <= last; power += every) {
    for (const one of times) found.push(one * 10 ** power);
  }
  return found.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}

/** A titled card in a section, with a place to draw in. */
function card(section, kind, title) {
  const plot = element("div", { className: kind });
  byId(section).append(
    element("div", { className: "card" }, element("h2", { textContent: title }), plot));
  return plot;
}

function newTable(table) {
  const line = (kind, cells) =>
    element("tr", {}, ...cells.map((text) => element(kind, { textContent: text })));
  card("tables", "table", table.title).append(element("table", {},
    element("thead", {}, line("th", table.columns)),
    element("tbody", {}, ...table.rows.map((cells) => line("td", cells)))));
}

/** The first state that came of a second-order step, or -1. */
const secondOrder = (labels) => labels.findIndex((label) => label.startsWith("second"));

const LEFT = 40, TOP = 6, BOTTOM = 18, RIGHT = 8, HEIGHT = 140;

/** Curves, drawn as wide as there is room; click or tap goes to a state. */
class ChartView {
  constructor(chart, labels, plot, go) {
    Object.assign(this, { chart, labels, plot });
    this.svg = shape("svg", { class: "curves", role: "img", "aria-label": chart.title });
    this.legend = element("div", { className: "legend" });
    plot.append(this.svg, this.legend);
    this.curves = Object.entries(chart.curves).map(([name, field]) => (
      { name, values: array(field).values, colour: chart.colours[name] || "#37474f" }));
    const at = (event) => {
      const x = event.clientX - this.svg.getBoundingClientRect().left;
      return Math.max(0, Math.min(labels.length - 1, Math.round((x - LEFT) / this.step - 0.5)));
    };
    this.svg.addEventListener("click", (event) => go(at(event)));
    tipped(this.svg, (event) => {
      const state = at(event);
      const known = this.curves.filter(({ values }) => Number.isFinite(values[state]));
      return [labels[state], ...known.map(({ name, values }) => `${name} ${digits(values[state])}`)].join("\n");
    });
  }

  /** Lengths of the axes: low and high value. */
  range() {
    const all = this.curves.flatMap(({ values }) => [...values]).filter(Number.isFinite);
    const shown = this.chart.logarithmic ? all.filter((value) => value > 0) : [...all, 0];
    let low = Math.min(...shown), high = Math.max(...shown);
    if (!shown.length) [low, high] = [this.chart.logarithmic ? 0.1 : 0, 1];
    if (this.chart.logarithmic) return [low / 1.25, high * 1.25];
    if (high === low) high = low + 1;
    const margin = 0.06 * (high - low);
    return [low < 0 ? low - margin : 0, high > 0 ? high + margin : 0];
  }

  draw(state) {
    const { labels, chart } = this, parts = [];
    const width = Math.max(this.plot.clientWidth, 120);
    const [low, high] = this.range(), logarithmic = chart.logarithmic;
    const scale = logarithmic ? Math.log : (value) => value;
    this.step = (width - LEFT - RIGHT) / labels.length;
    const x = (n) => LEFT + (n + 0.5) * this.step;
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (scale(high) - scale(value)) / (scale(high) - scale(low));
    // States that came of second-order steps stand on grey.
    const second = secondOrder(labels);
    if (second >= 0) {
      parts.push(shape("rect", {
        x: x(second - 0.5), y: TOP, width: width - RIGHT - x(second - 0.5), height: HEIGHT - TOP - BOTTOM, fill: "#eceff1",
      }));
    }
    for (const value of (logarithmic ? logarithmicTicks : ticks)(low, high)) {
      parts.push(shape("line", { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), stroke: value ? "#e8e8e8" : "#bbb" }));
      parts.push(written(digits(value), { x: LEFT - 5, y: y(value) + 3.5, "text-anchor": "end" }));
    }
    const every = Math.ceil(labels.length / (width / 32));
    labels.forEach((_, n) => {
      if (n % every === 0) parts.push(written(n, { x: x(n), y: HEIGHT - 4, "text-anchor": "middle" }));
    });
    parts.push(shape("line", {
      class: "state", x1: x(state), x2: x(state), y1: TOP, y2: HEIGHT - BOTTOM, stroke: "#1565c0", "stroke-width": 1.5,
    }));
    for (const { name, values, colour } of this.curves) {
      let line = "", pen = "M";
      values.forEach((value, n) => {
        const there = Number.isFinite(value) && (!logarithmic || value > 0);
        if (!there) { pen = "M"; return; }
        line += `${pen}${x(n)} ${y(value)}`;
        pen = "L";
      });
      parts.push(shape("path", { d: line, stroke: colour, fill: "none", "stroke-width": 1.8, "stroke-linejoin": "round" }));
      values.forEach((value, n) => {
        if (!Number.isFinite(value) || (logarithmic && !(value > 0))) return;
        parts.push(shape("circle", { cx: x(n), cy: y(value), r: n === state ? 4 : 2.6, fill: colour, "data-curve": name, "data-state": n }));
      });
    }
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren(...parts);
    this.legend.replaceChildren(...this.curves.map(({ name, values, colour }) => {
      const swatch = element("span", { className: "swatch" });
      swatch.style.background = colour;
      return element("span", {}, swatch, `${name} `, element("b", { textContent: digits(values[state]) }));
    }));
  }
}

const BLUES = [[0, [255, 255, 255]], [0.15, [214, 228, 245]], [0.5, [91, 147, 207]], [1, [13, 59, 122]]];

/** The colour of a share of the largest value. */
function blue(share) {
  const above = Math.max(1, BLUES.findIndex(([at]) => at >= share));
  const [[from, a], [to, b]] = [BLUES[above - 1], BLUES[above]];
  return a.map((value, i) => Math.round(value + (b[i] - value) * (share - from) / (to - from)));
}

/** A heat map with the names of its rows and columns. */
class MatrixView {
  constructor(matrix, plot) {
    Object.assign(this, { matrix, plot });
    this.peak = array(matrix.values).values.reduce((a, b) => (b > a ? b : a), 0) || 1;
    this.svg = shape("svg", { class: "cells", role: "img", "aria-label": matrix.title });
    const scale = element("div", { className: "legend" }, "0");
    const bar = element("span", { className: "scale" });
    bar.style.background = `linear-gradient(to right, ${BLUES.map(([at, colour]) => `rgb(${colour}) ${100 * at}%`)})`;
    scale.append(bar, digits(this.peak));
    if (matrix.row_title) scale.append(element("span", { textContent: `rows: ${matrix.row_title}, columns: ${matrix.column_title}` }));
    this.late = element("span", { textContent: "of the last step: none follows this state", hidden: true });
    scale.append(this.late);
    plot.append(this.svg, scale);
    tipped(this.svg, (event) => {
      const box = this.svg.getBoundingClientRect();
      const c = Math.floor((event.clientX - box.left - this.left) / this.wide);
      const r = Math.floor((event.clientY - box.top) / this.high);
      if (!(matrix.rows[r] && matrix.columns[c])) return "";
      const text = (title, name) => (title ? `${title} ${name}` : name);
      return `${text(matrix.row_title, matrix.rows[r])}\n${text(matrix.column_title, matrix.columns[c])}\n`
        + digits(this.values[r * matrix.columns.length + c]);
    });
  }

  draw(state) {
    const { rows, columns, values } = this.matrix, held = array(values);
    const late = held.shape.length === 3 && state >= held.shape[0];
    this.late.hidden = !late;
    this.svg.classList.toggle("none", late);
    if (!this.plot.clientWidth) return;  // there will be an event when the window has a size
    if (held.shape.length < 3 && this.values && this.drawn === this.plot.clientWidth) return;
    this.drawn = this.plot.clientWidth;
    this.values = held.shape.length === 3 ? row(values, Math.min(state, held.shape[0] - 1)) : held.values;
    const size = this.plot.clientWidth < 440 ? 8.5 : 10, letter = 0.6 * size;
    const longest = (names) => letter * Math.max(...names.map((name) => name.length));
    this.left = longest(rows) + 8;
    this.wide = Math.min((this.plot.clientWidth - this.left - 4) / columns.length, 40);
    this.high = Math.min(Math.max(this.wide * 0.7, size * 1.25), 22);
    const width = this.left + this.wide * columns.length + 4, below = this.high * rows.length;
    const height = below + 0.8 * longest(columns) + 14;
    const canvas = element("canvas", { width: columns.length, height: rows.length });
    const pen = canvas.getContext("2d"), image = pen.createImageData(columns.length, rows.length);
    this.values.forEach((value, i) => image.data.set([...blue(Math.max(0, Math.min(1, value / this.peak))), 255], 4 * i));
    pen.putImageData(image, 0, 0);
    const every = Math.ceil(size / this.wide);
    const parts = [
      shape("image", {
        href: canvas.toDataURL(), x: this.left, y: 0, width: this.wide * columns.length, height: below,
        preserveAspectRatio: "none", style: "image-rendering: pixelated",
      }),
      shape("rect", {
        x: this.left, y: 0, width: this.wide * columns.length, height: below, fill: "none", stroke: "#ddd",
      }),
      ...rows.map((name, r) => written(name, {
        x: this.left - 5, y: (r + 0.5) * this.high + 0.35 * size, "text-anchor": "end", style: `font-size: ${size}px`,
      })),
      ...columns.map((name, c) => [name, c]).filter(([, c]) => c % every === 0).map(([name, c]) => {
        const [x, y] = [this.left + (c + 0.5) * this.wide + 0.35 * size, below + 6];
        return written(name, { x, y, "text-anchor": "end", style: `font-size: ${size}px`, transform: `rotate(-60 ${x} ${y})` });
      }),
    ];
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("width", width);
    this.svg.setAttribute("height", height);
    this.svg.replaceChildren(...parts);
  }
}
