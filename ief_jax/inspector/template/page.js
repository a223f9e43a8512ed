"use strict";
// Draws the page's subjects. All numbers come from the JSON element "data".

(() => {
  const byId = (id) => document.getElementById(id);
  const { content, arrays } = JSON.parse(byId("data").textContent);
  const TYPES = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };
  const FONT = { family: getComputedStyle(document.body).fontFamily, size: 11, color: "#222" };
  const SKIN = "rgb(176, 196, 222)", BONE = "#37474f", TRUTH = "#f0a35e";
  const still = { displayModeBar: false, responsive: true };
  let subject = null;
  let state = 0;
  let timer = null;
  let ready = false;  // whether the library is there

  // Arrays ------------------------------------------------------------------------------------

  /** The array that a field of the content stands for: its flat values and its shape. */
  function array(field) {
    const held = arrays[field.array];
    if (!held.values && !held.jpeg) {
      const bytes = Uint8Array.from(atob(held.data), (c) => c.charCodeAt(0));
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

  /** Every D-th of flat values, from the offset: one coordinate of all points. */
  function coordinate(flat, dimensions, offset) {
    const found = new Float32Array(flat.length / dimensions);
    for (let i = 0; i < found.length; i++) found[i] = flat[i * dimensions + offset];
    return found;
  }

  function meanSquare(flat) {
    let sum = 0;
    for (const value of flat) sum += value * value;
    return sum;
  }

  /** Arrows of a state; those whose own length says nothing get that of the others. */
  function vectors(arrows, all) {
    const mine = row(arrows.vectors, state);
    if (!arrows.as_long_as) return mine;
    const other = all.find((one) => one.name === arrows.as_long_as);
    const scale = Math.sqrt(meanSquare(row(other.vectors, state)) / meanSquare(mine));
    return Number.isFinite(scale) ? mine.map((value) => value * scale) : mine;
  }

  // Small parts -------------------------------------------------------------------------------

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    Object.assign(made, attributes);
    made.append(...children);
    return made;
  }

  const chosen = {};

  /** A box to tick that shows or hides something. */
  function tick(name, text, colour, on, change) {
    if (!(name in chosen)) chosen[name] = on;
    const box = element("input", { type: "checkbox", checked: chosen[name] });
    box.addEventListener("change", () => { chosen[name] = box.checked; change(); });
    const parts = [box];
    if (colour) {
      const swatch = element("span", { className: "swatch" });
      swatch.style.background = colour;
      parts.push(swatch);
    }
    return element("label", {}, ...parts, text);
  }

  const arrowText = (arrows) => arrows.name + (arrows.as_long_as ? " (length not to scale)" : "");

  // The body ----------------------------------------------------------------------------------

  const CAMERAS = {
    front: { eye: { x: 0.0, y: 0.1, z: 1.3 }, up: { x: 0, y: 1, z: 0 } },
    side: { eye: { x: 1.3, y: 0.1, z: 0.0 }, up: { x: 0, y: 1, z: 0 } },
    above: { eye: { x: 0.0, y: 1.3, z: 0.04 }, up: { x: 0, y: 0, z: -1 } },
  };

  /** Ranges of equal length about all that is ever shown. */
  function ranges(body) {
    const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    for (const field of [body.vertices || body.joints, body.truth]) {
      if (!field) continue;
      const { values } = array(field);
      for (let i = 0; i < values.length; i++) {
        const axis = i % 3;
        if (values[i] < low[axis]) low[axis] = values[i];
        if (values[i] > high[axis]) high[axis] = values[i];
      }
    }
    // A mesh reaches beyond its joints.
    const half = (body.vertices ? 0.52 : 0.62) * Math.max(...high.map((value, axis) => value - low[axis]));
    return low.map((value, axis) => {
      const middle = (value + high[axis]) / 2;
      return [middle - half, middle + half];
    });
  }

  function bodyMesh(body) {
    const flat = row(body.vertices, state);
    return { x: coordinate(flat, 3, 0), y: coordinate(flat, 3, 1), z: coordinate(flat, 3, 2) };
  }

  /** All lines and all points that are ticked, each in its colour: two traces are quick. */
  function strokes(body) {
    const joints = row(body.joints, state), axes = ["x", "y", "z"];
    const lines = { x: [], y: [], z: [], colour: [] }, points = { x: [], y: [], z: [], colour: [], text: [] };
    const line = (from, to, colour) => {
      axes.forEach((axis, d) => lines[axis].push(from[d], to[d], NaN));
      lines.colour.push(colour, colour, colour);
    };
    const point = (at, colour, text) => {
      axes.forEach((axis, d) => points[axis].push(at[d]));
      points.colour.push(colour);
      points.text.push(text);
    };
    const joint = (k) => joints.subarray(3 * k, 3 * k + 3);
    if (chosen.skeleton) {
      const ends = array(body.bones).values;
      for (let i = 0; i < ends.length; i += 2) line(joint(ends[i]), joint(ends[i + 1]), BONE);
      body.names.forEach((name, k) => point(joint(k), BONE, name));
    }
    for (const arrows of body.arrows) {
      if (!chosen[arrows.name]) continue;
      const by = vectors(arrows, body.arrows);
      for (let k = 0; k < by.length / 3; k++) {
        const from = joint(k), to = [0, 1, 2].map((d) => from[d] + by[3 * k + d]);
        if (Number.isNaN(to[0])) continue;
        line(from, to, arrows.colour);
        point(to, arrows.colour, `${body.names[k]}: ${arrows.name}`);
      }
    }
    return { lines, points };
  }

  /** Spheres of one standard deviation: the points L u of all unit vectors u, S = L L^T. */
  function ellipsoids(body) {
    const joints = row(body.joints, state), spread = row(body.covariance, state);
    const AROUND = 10, DOWN = 7;
    const x = [], y = [], z = [], i = [], j = [], k = [];
    for (let joint = 0; joint < joints.length / 3; joint++) {
      const s = spread.subarray(9 * joint, 9 * joint + 9);
      if (Number.isNaN(s[0])) continue;
      const a = Math.sqrt(Math.max(s[0], 1e-12)), b = s[3] / a, c = s[6] / a;
      const d = Math.sqrt(Math.max(s[4] - b * b, 1e-12)), e = (s[7] - b * c) / d;
      const f = Math.sqrt(Math.max(s[8] - c * c - e * e, 1e-12));
      const first = x.length;
      for (let v = 0; v <= DOWN; v++) {
        for (let u = 0; u < AROUND; u++) {
          const p = Math.PI * v / DOWN, q = 2 * Math.PI * u / AROUND;
          const n = [Math.sin(p) * Math.cos(q), Math.sin(p) * Math.sin(q), Math.cos(p)];
          x.push(joints[3 * joint] + a * n[0]);
          y.push(joints[3 * joint + 1] + b * n[0] + d * n[1]);
          z.push(joints[3 * joint + 2] + c * n[0] + e * n[1] + f * n[2]);
          if (v < DOWN) {
            const here = first + v * AROUND + u, next = first + v * AROUND + (u + 1) % AROUND;
            i.push(here, next); j.push(next, next + AROUND); k.push(here + AROUND, here + AROUND);
          }
        }
      }
    }
    return { x, y, z, i, j, k };
  }

  /** What is drawn of this state in 3D. */
  function bodyTraces() {
    const body = subject.body, traces = [], { lines, points } = strokes(body);
    if (body.vertices) {
      const faces = array(body.faces).values;
      traces.push({
        type: "mesh3d", ...bodyMesh(body), hoverinfo: "skip", color: SKIN, visible: chosen.mesh,
        i: coordinate(faces, 3, 0), j: coordinate(faces, 3, 1), k: coordinate(faces, 3, 2),
        opacity: chosen.skeleton ? 0.55 : 1.0,
        lighting: { ambient: 0.5, diffuse: 0.65, specular: 0.08, roughness: 0.9, fresnel: 0.05 },
        lightposition: { x: 1500, y: 3000, z: 4000 },
      });
    }
    traces.push({
      type: "scatter3d", mode: "lines", x: lines.x, y: lines.y, z: lines.z, hoverinfo: "skip",
      line: { color: lines.colour, width: 5 },
    });
    traces.push({
      type: "scatter3d", mode: "markers", x: points.x, y: points.y, z: points.z, text: points.text,
      marker: { color: points.colour, size: 3.5 }, hovertemplate: "%{text}<extra></extra>",
    });
    if (body.truth) {
      const flat = array(body.truth).values, faces = array(body.faces).values;
      traces.push({
        type: "mesh3d", color: TRUTH, opacity: 0.4, hoverinfo: "skip", visible: chosen.truth,
        x: coordinate(flat, 3, 0), y: coordinate(flat, 3, 1), z: coordinate(flat, 3, 2),
        i: coordinate(faces, 3, 0), j: coordinate(faces, 3, 1), k: coordinate(faces, 3, 2),
      });
    }
    if (body.covariance) {
      traces.push({
        type: "mesh3d", ...ellipsoids(body), color: "#8e24aa", opacity: 0.35, hoverinfo: "skip",
        visible: chosen.uncertainty,
      });
    }
    return traces.map((trace) => ({ ...trace, showlegend: false }));
  }

  function bodyLayout() {
    const axis = (range) => ({
      range, autorange: false, visible: false, showspikes: false, showbackground: false,
    });
    const [x, y, z] = ranges(subject.body);
    return {
      margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "#fff", font: FONT, uirevision: "kept",
      scene: {
        xaxis: axis(x), yaxis: axis(y), zaxis: axis(z), aspectmode: "cube", dragmode: "orbit",
        camera: CAMERAS.front, uirevision: "kept",
      },
    };
  }

  function newBody() {
    const body = subject.body;
    byId("body").hidden = !body;
    if (!body) return;
    const tools = byId("body-tools");
    tools.replaceChildren();
    if (body.vertices) tools.append(tick("mesh", "body", SKIN, true, drawBody));
    tools.append(tick("skeleton", "skeleton", BONE, true, drawBody));
    for (const arrows of body.arrows) {
      tools.append(tick(arrows.name, arrowText(arrows), arrows.colour, true, drawBody));
    }
    if (body.truth) tools.append(tick("truth", "truth", TRUTH, true, drawBody));
    if (body.covariance) {
      tools.append(tick("uncertainty", "uncertainty (1 s.d.)", "#8e24aa", true, drawBody));
    }
    for (const name of Object.keys(CAMERAS)) {
      const button = element("button", { type: "button", textContent: name });
      button.addEventListener("click", () => {
        if (ready) Plotly.relayout("space", { "scene.camera": CAMERAS[name] });
      });
      tools.append(button);
    }
  }

  function drawBody() {
    if (!subject.body || !ready) return;
    Plotly.react("space", bodyTraces(), bodyLayout(), still);
  }

  // The image ---------------------------------------------------------------------------------

  const SVG = "http://www.w3.org/2000/svg";

  function shape(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) {
      const title = document.createElementNS(SVG, "title");
      title.textContent = text;
      made.append(title);
    }
    return made;
  }

  /** [x, y, width, height] about all keypoints of all states, with a margin. */
  function frameOf(picture) {
    const photograph = picture.photograph && array(picture.photograph);
    if (photograph && chosen.whole) return [-0.5, -0.5, photograph.width, photograph.height];
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    const extend = (values, seen) => {
      for (let i = 0; i < values.length; i += 2) {
        if (seen && !(seen[i >> 1] > 0)) continue;
        if (Number.isNaN(values[i])) continue;
        left = Math.min(left, values[i]); right = Math.max(right, values[i]);
        top = Math.min(top, values[i + 1]); bottom = Math.max(bottom, values[i + 1]);
      }
    };
    extend(array(picture.estimate).values);
    if (picture.observed) {
      extend(array(picture.observed).values, picture.confidence && array(picture.confidence).values);
    }
    const margin = 0.08 * Math.max(right - left, bottom - top, 1);
    return [left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin];
  }

  /** One map, or all laid over one another, as a picture of white to red with its opacity. */
  function mapImage(layer, which) {
    const at = Math.min(state, array(layer.maps || layer.rows).shape[0] - 1);
    const count = layer.names.length;
    const canvas = document.createElement("canvas");
    let width, height, value;
    if (layer.maps) {
      [height, width] = array(layer.maps).shape.slice(2);
      const flat = row(layer.maps, at);
      value = (m, j, i) => flat[(m * height + j) * width + i] / 255;
    } else {
      const rows = row(layer.rows, at), columns = row(layer.columns, at);
      height = rows.length / count; width = columns.length / count;
      value = (m, j, i) => rows[m * height + j] * columns[m * width + i];
    }
    canvas.width = width; canvas.height = height;
    const pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
    const some = which < 0 ? [...Array(count).keys()] : [which];
    for (let j = 0; j < height; j++) {
      for (let i = 0; i < width; i++) {
        let most = 0;
        for (const m of some) most = Math.max(most, value(m, j, i));
        const at = 4 * (j * width + i);
        image.data.set([255, Math.round(235 * (1 - most)), 0, Math.round(200 * most)], at);
      }
    }
    pen.putImageData(image, 0, 0);
    return canvas.toDataURL();
  }

  const layered = { layer: -1, map: -1 };

  function newPicture() {
    const picture = subject.picture;
    byId("picture").hidden = !picture;
    if (!picture) return;
    const tools = byId("picture-tools");
    tools.replaceChildren();
    if (picture.photograph) {
      tools.append(tick("photograph", "photograph", "", true, drawPicture));
      tools.append(tick("whole", "whole", "", false, drawPicture));
    }
    if (picture.observed) tools.append(tick("observed", "given", "", true, drawPicture));
    tools.append(tick("estimate", "estimate", "", true, drawPicture));
    for (const arrows of picture.arrows) {
      tools.append(tick(`${arrows.name} in the image`, arrowText(arrows), arrows.colour, true, drawPicture));
    }
    layered.layer = Math.min(layered.layer, picture.layers.length - 1);
    if (!picture.layers.length) return;
    const maps = element("select", { ariaLabel: "Keypoint of the map" });
    const fill = () => {
      maps.hidden = layered.layer < 0;
      const names = maps.hidden ? [] : picture.layers[layered.layer].names;
      layered.map = Math.min(layered.map, names.length - 1);
      maps.replaceChildren(
        element("option", { value: -1, textContent: "all" }),
        ...names.map((name, i) => element("option", { value: i, textContent: name })),
      );
      maps.value = layered.map;
    };
    const kinds = element("select", { ariaLabel: "Layer" },
      element("option", { value: -1, textContent: "no layer" }),
      ...picture.layers.map((one, i) => element("option", { value: i, textContent: one.name })));
    kinds.value = layered.layer;
    kinds.addEventListener("change", () => { layered.layer = +kinds.value; fill(); drawPicture(); });
    maps.addEventListener("change", () => { layered.map = +maps.value; drawPicture(); });
    fill();
    tools.append(kinds, maps);
  }

  function drawPicture() {
    const picture = subject.picture;
    if (!picture) return;
    const frame = frameOf(picture), parts = [];
    // A length on the screen, in pixels of the photograph
    const box = byId("image").getBoundingClientRect();
    const unit = Math.max(frame[2] / Math.max(box.width, 1), frame[3] / Math.max(box.height, 1));
    if (picture.photograph && chosen.photograph) {
      const held = array(picture.photograph);
      parts.push(shape("image", {
        href: held.jpeg, x: -0.5, y: -0.5, width: held.width, height: held.height,
        preserveAspectRatio: "none",
      }));
    }
    if (layered.layer >= 0) {
      const layer = picture.layers[layered.layer], [left, top, right, bottom] = layer.box;
      parts.push(shape("image", {
        href: mapImage(layer, layered.map), x: left, y: top, width: right - left,
        height: bottom - top, preserveAspectRatio: "none",
      }));
    }
    const limbs = array(picture.limbs).values;
    const lines = (points, seen, style) => {
      for (let i = 0; i < limbs.length; i += 2) {
        const [a, b] = [limbs[i], limbs[i + 1]];
        if (seen && !(seen[a] > 0 && seen[b] > 0)) continue;
        parts.push(shape("line", {
          x1: points[2 * a], y1: points[2 * a + 1], x2: points[2 * b], y2: points[2 * b + 1],
          ...style(b),
        }));
      }
    };
    if (picture.observed && chosen.observed) {
      const points = array(picture.observed).values;
      const seen = picture.confidence ? array(picture.confidence).values : null;
      lines(points, seen, (k) => ({
        stroke: picture.colours[k], "stroke-width": 3 * unit, "stroke-opacity": 0.75,
      }));
      picture.names.forEach((name, k) => {
        if (seen && !(seen[k] > 0)) return;
        const sure = seen ? `, confidence ${seen[k].toFixed(2)}` : "";
        parts.push(shape("circle", {
          cx: points[2 * k], cy: points[2 * k + 1], r: 4.5 * unit, fill: picture.colours[k],
          stroke: "#fff", "stroke-width": unit,
        }, `${name}: given${sure}`));
      });
    }
    const points = row(picture.estimate, state);
    if (chosen.estimate) {
      lines(points, null, () => ({ stroke: "#fff", "stroke-width": 3.2 * unit, "stroke-opacity": 0.8 }));
      lines(points, null, () => ({ stroke: "#222", "stroke-width": 1.5 * unit }));
      picture.names.forEach((name, k) => {
        parts.push(shape("circle", {
          cx: points[2 * k], cy: points[2 * k + 1], r: 4 * unit, fill: picture.observed ? "#fff" : picture.colours[k],
          "fill-opacity": picture.observed ? 0.35 : 1, stroke: "#222", "stroke-width": 1.5 * unit,
        }, `${name}: estimate`));
      });
    }
    for (const arrows of picture.arrows) {
      if (!chosen[`${arrows.name} in the image`]) continue;
      const by = vectors(arrows, picture.arrows);
      for (let k = 0; k < by.length / 2; k++) {
        const [x, y, dx, dy] = [points[2 * k], points[2 * k + 1], by[2 * k], by[2 * k + 1]];
        const length = Math.hypot(dx, dy);
        if (!(length > 0.5 * unit)) continue;
        const head = Math.min(7 * unit, 0.5 * length), ux = dx / length, uy = dy / length;
        const [ex, ey] = [x + dx, y + dy];
        parts.push(shape("path", {
          d: `M${x} ${y}L${ex - 0.7 * head * ux} ${ey - 0.7 * head * uy}`, stroke: arrows.colour,
          "stroke-width": 2.2 * unit, fill: "none",
        }));
        parts.push(shape("path", {
          d: `M${ex} ${ey}L${ex - head * ux - 0.5 * head * uy} ${ey - head * uy + 0.5 * head * ux}`
            + `L${ex - head * ux + 0.5 * head * uy} ${ey - head * uy - 0.5 * head * ux}Z`,
          fill: arrows.colour,
        }, `${picture.names[k]}: ${arrows.name}` + (arrows.as_long_as ? "" : `, ${length.toFixed(1)} px`)));
      }
    }
    const svg = byId("image");
    svg.setAttribute("viewBox", frame.join(" "));
    svg.replaceChildren(...parts);
  }

  // Charts and matrices -----------------------------------------------------------------------

  const marker = () => ({
    type: "line", xref: "x", yref: "paper", x0: state, x1: state, y0: 0, y1: 1,
    line: { color: "#1565c0", width: 1.5 },
  });

  /** States that came of second-order steps stand on grey. */
  function shade() {
    const first = subject.labels.findIndex((label) => label.startsWith("second-order"));
    if (first < 0) return [];
    return [{
      type: "rect", xref: "x", yref: "paper", x0: first - 0.5, x1: subject.labels.length - 0.5,
      y0: 0, y1: 1, fillcolor: "#eceff1", line: { width: 0 }, layer: "below",
    }];
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

  /** How many powers of ten lie between the smallest and the largest value. */
  function decades(traces) {
    const values = traces.flatMap((trace) => [...trace.y]).filter((value) => value > 0);
    return Math.log10(Math.max(...values) / Math.min(...values));
  }

  function newChart(chart, plot) {
    const traces = Object.entries(chart.curves).map(([name, values]) => ({
      type: "scatter", mode: "lines+markers", name, x: subject.labels.map((_, i) => i),
      y: array(values).values, text: subject.labels, connectgaps: false,
      line: { color: chart.colours[name] || "#37474f", width: 1.8 }, marker: { size: 5 },
      hovertemplate: `%{text}: %{y:.4g}<extra>${name}</extra>`,
    }));
    const axis = { gridcolor: "#eee", zeroline: false, fixedrange: true, automargin: true };
    Plotly.newPlot(plot, traces, {
      font: FONT, margin: { l: 34, r: 6, t: 4, b: 22 }, paper_bgcolor: "#fff",
      plot_bgcolor: "rgba(0,0,0,0)", shapes: [...shade(), marker()], dragmode: false,
      showlegend: traces.length > 1, legend: { orientation: "h", y: -0.14, x: 0, font: { size: 10 } },
      xaxis: { ...axis, range: [-0.4, subject.labels.length - 0.6], dtick: Math.ceil(subject.labels.length / 10), tick0: 0 },
      yaxis: {
        ...axis, type: chart.logarithmic ? "log" : "linear", exponentformat: "power",
        rangemode: chart.logarithmic ? "normal" : "tozero",
        ...(chart.logarithmic ? { dtick: decades(traces) > 1.5 ? 1 : "D2" } : { nticks: 5 }),
      },
    }, still);
    plot.on("plotly_click", (event) => go(event.points[0].x));
  }

  function newMatrix(matrix, plot) {
    plot.style.height = `${Math.min(110 + 15 * matrix.rows.length, 560)}px`;
    const axis = { fixedrange: true, automargin: true, ticks: "", tickfont: { size: plot.clientWidth < 480 ? 7 : 9.5 }, dtick: 1 };
    const peak = array(matrix.values).values.reduce((a, b) => Math.max(a, b), 0);
    Plotly.newPlot(plot, [{
      type: "heatmap", x: matrix.columns, y: matrix.rows, z: matrixRows(matrix), zmin: 0, zmax: peak,
      colorscale: [[0, "#ffffff"], [0.15, "#d6e4f5"], [0.5, "#5b93cf"], [1, "#0d3b7a"]],
      colorbar: { thickness: 8, outlinewidth: 0, tickfont: { size: 10 } },
      hovertemplate: `${matrix.row_title} %{y}<br>${matrix.column_title} %{x}<br>%{z:.3g}<extra></extra>`,
    }], {
      font: FONT, margin: { l: 60, r: 6, t: 4, b: 60 }, dragmode: false,
      xaxis: { ...axis, tickangle: -55, title: { text: matrix.column_title, font: { size: 11 } } },
      yaxis: { ...axis, autorange: "reversed", title: { text: matrix.row_title, font: { size: 11 } } },
    }, still);
  }

  function matrixRows(matrix) {
    const { values, shape } = array(matrix.values);
    const flat = shape.length === 3 ? row(matrix.values, Math.min(state, shape[0] - 1)) : values;
    const width = matrix.columns.length;
    return matrix.rows.map((_, r) => Array.from(flat.subarray(r * width, (r + 1) * width)));
  }

  function drawCharts() {
    const shapes = [...shade(), marker()];
    // Those that are not drawn yet will be, of this state.
    const drawn = (plot) => plot.classList.contains("js-plotly-plot");
    for (const plot of document.querySelectorAll(".chart")) {
      if (drawn(plot)) Plotly.relayout(plot, { shapes });
    }
    document.querySelectorAll(".matrix").forEach((plot, i) => {
      const matrix = subject.matrices[i];
      if (drawn(plot) && array(matrix.values).shape.length === 3) Plotly.restyle(plot, { z: [matrixRows(matrix)] });
    });
  }

  // From state to state, from subject to subject ----------------------------------------------

  function say() {
    const step = byId("step"), last = subject.labels.length - 1;
    step.max = last;
    step.value = state;
    const text = `${subject.labels[state]} (${state} of ${last})`;
    byId("label").textContent = text;
    step.setAttribute("aria-valuetext", text);
  }

  function go(to) {
    const next = Math.max(0, Math.min(subject.labels.length - 1, to));
    if (next === state) return;
    state = next;
    say();
    drawBody();
    drawPicture();
    drawCharts();
  }

  function show(index, at = 0) {
    const count = content.subjects.length;
    if (index < 0 || index >= count) return;
    subject = content.subjects[index];
    state = at;
    delete document.body.dataset.drawn;
    byId("subject").value = index;
    say();
    newPicture();
    newBody();
    drawPicture();
    for (const section of ["tables", "charts", "matrices"]) byId(section).replaceChildren();
    for (const table of subject.tables) newTable(table);
    document.querySelector("nav").hidden = !subject.body && !subject.picture;
    later(drawBody);
    // All cards before anything is drawn: their number decides how wide they are.
    for (const chart of subject.charts) {
      const plot = card("charts", "chart", chart.title);
      later(() => newChart(chart, plot));
    }
    for (const matrix of subject.matrices) {
      const plot = card("matrices", "matrix", matrix.title);
      later(() => newMatrix(matrix, plot));
    }
  }

  // The page answers between any two of these.
  const waiting = [];

  function later(draw) {
    const mine = subject;
    waiting.push(() => { if (mine === subject) draw(); });
    if (ready && waiting.length === 1) setTimeout(work);
  }

  function work() {
    const next = waiting.shift();
    if (next) next();
    if (waiting.length) setTimeout(work);
    else document.body.dataset.drawn = "yes";
  }

  const index = () => content.subjects.indexOf(subject);

  function play() {
    if (timer) {
      clearInterval(timer);
      timer = null;
    } else {
      if (state === subject.labels.length - 1) go(0);
      timer = setInterval(() => {
        if (state === subject.labels.length - 1) play(); else go(state + 1);
      }, 700);
    }
    byId("play").innerHTML = timer ? "&#10073;&#10073;" : "&#9654;";
    byId("play").setAttribute("aria-label", timer ? "Pause" : "Play");
  }

  const KEYS = {
    ArrowRight: () => go(state + 1),
    ArrowLeft: () => go(state - 1),
    Home: () => go(0),
    End: () => go(subject.labels.length - 1),
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
  byId("choose").hidden = content.subjects.length < 2;
  byId("subject").append(...content.subjects.map(
    (one, value) => element("option", { value, textContent: one.title })));
  byId("subject").addEventListener("change", (event) => show(+event.target.value));
  byId("step").addEventListener("input", (event) => go(+event.target.value));
  byId("back").addEventListener("click", () => go(state - 1));
  byId("on").addEventListener("click", () => go(state + 1));
  byId("play").addEventListener("click", play);
  window.addEventListener("resize", drawPicture);
  show(0);

  // The library comes once the browser has shown what needs none.
  requestAnimationFrame(() => setTimeout(() => {
    const library = element("script");
    library.textContent = byId("library").textContent;
    document.head.append(library);
    ready = true;
    work();
  }));
})();
