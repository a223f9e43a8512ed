// The keypoints in the image.

const layered = { layer: -1, map: -1 };

/** [x, y, width, height] about all keypoints of all states, with a margin. */
function frameOf(picture) {
  const photograph = picture.photograph && array(picture.photograph);
  if (photograph && on("whole")) return [-0.5, -0.5, photograph.width, photograph.height];
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

/** Whether a state has maps: what belongs to a step is of the state that it starts from. */
const mapped = (layer, state) => state < array(layer.maps || layer.rows).shape[0];

/** One map, or all laid over one another, as a picture of white to red with its opacity. */
function mapImage(layer, which, state) {
  const count = layer.names.length;
  const canvas = document.createElement("canvas");
  let width, height, value;
  if (layer.maps) {
    [height, width] = array(layer.maps).shape.slice(2);
    const flat = row(layer.maps, state);
    value = (m, j, i) => flat[(m * height + j) * width + i] / 255;
  } else {
    const rows = row(layer.rows, state), columns = row(layer.columns, state);
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

/** What can be ticked and chosen above a picture; gives what a state changes of it. */
function pictureTools(tools, picture, draw) {
  tools.replaceChildren();
  if (picture.photograph) {
    tools.append(tick("photograph", "photograph", "", draw));
    tools.append(tick("whole", "whole", "", draw));
  }
  if (picture.observed) tools.append(tick("observed", picture.observed_are, "", draw));
  tools.append(tick("estimate", "estimate", "", draw));
  for (const arrows of picture.arrows) {
    tools.append(tick(`${arrows.name} in the image`, arrowText(arrows), arrows.colour, draw));
  }
  layered.layer = Math.min(layered.layer, picture.layers.length - 1);
  if (!picture.layers.length) return () => {};
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
  kinds.addEventListener("change", () => { layered.layer = +kinds.value; fill(); draw(); });
  maps.addEventListener("change", () => { layered.map = +maps.value; draw(); });
  fill();
  const none = element("span", { className: "soft", textContent: "none after the last step", hidden: true });
  tools.append(kinds, maps, none);
  // Said where a layer is chosen that this state does not have.
  return (state) => {
    const layer = picture.layers[layered.layer];
    none.hidden = !layer || mapped(layer, state);
  };
}

/** Draws a state of a picture in an element of SVG. */
function drawPicture(svg, picture, state) {
  const frame = frameOf(picture), parts = [];
  // A length on the screen, in pixels of the photograph
  const box = svg.getBoundingClientRect();
  const unit = Math.max(frame[2] / Math.max(box.width, 1), frame[3] / Math.max(box.height, 1));
  if (picture.photograph && on("photograph")) {
    const held = array(picture.photograph);
    parts.push(shape("image", {
      href: held.jpeg, x: -0.5, y: -0.5, width: held.width, height: held.height,
      preserveAspectRatio: "none",
    }));
  }
  const layer = picture.layers[layered.layer];
  if (layer && mapped(layer, state)) {
    const [left, top, right, bottom] = layer.box;
    parts.push(shape("image", {
      href: mapImage(layer, layered.map, state), x: left, y: top, width: right - left,
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
  if (picture.observed && on("observed")) {
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
      }, `${name}: ${picture.observed_are}${sure}`));
    });
  }
  const points = row(picture.estimate, state);
  if (on("estimate")) {
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
    if (!on(`${arrows.name} in the image`)) continue;
    const by = vectors(arrows, picture.arrows, state);
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
  svg.setAttribute("viewBox", frame.join(" "));
  svg.replaceChildren(...parts);
}
