// The body in 3D, by three.js.

const SKIN = "#b0c4de", BONE = "#37474f", TRUTH = "#f0a35e", SPREAD = "#8e24aa";
const VIEWS = {
  front: [[0, 0.07, 1], [0, 1, 0]],
  side: [[1, 0.07, 0], [0, 1, 0]],
  above: [[0, 1, 0], [0, 0, -1]],
};

/** The smallest box about all that a body ever shows: [low, high]. */
function bounds(body) {
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  for (const field of [body.vertices || body.joints, body.truth, body.true_points]) {
    if (!field) continue;
    const { values } = array(field);
    for (let i = 0; i < values.length; i++) {
      const axis = i % 3;
      if (values[i] < low[axis]) low[axis] = values[i];
      if (values[i] > high[axis]) high[axis] = values[i];
    }
  }
  // And the tips of its arrows
  for (let state = 0; state < array(body.joints).shape[0]; state++) {
    const joints = row(body.joints, state);
    for (const arrows of body.arrows) {
      vectors(arrows, body.arrows, state).forEach((value, i) => {
        if (Number.isNaN(value)) return;
        low[i % 3] = Math.min(low[i % 3], joints[i] + value);
        high[i % 3] = Math.max(high[i % 3], joints[i] + value);
      });
    }
  }
  return [low, high];
}

/** Where a body is seen, in an element; it can be turned. */
class Space {
  constructor(place) {
    this.place = place;
    this.renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true });
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    const canvas = this.renderer.domElement;
    place.replaceChildren(canvas);
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(26, 1, 0.01, 100);
    // The light comes along with who looks.
    const light = new THREE.DirectionalLight(0xffffff, 0.62);
    light.position.set(-0.5, 0.9, 1);
    this.camera.add(light);
    this.scene.add(this.camera, new THREE.AmbientLight(0xffffff, 0.46));
    this.controls = new THREE.TrackballControls(this.camera, canvas);
    Object.assign(this.controls, { staticMoving: true, rotateSpeed: 2.5, keys: [] });
    this.controls.addEventListener("change", () => this.render());
    // The controls look once a frame at what was done, if anything was.
    let waiting = false;
    const look = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; this.controls.update(); });
    };
    for (const kind of ["pointermove", "pointerup", "touchmove", "wheel"]) {
      addEventListener(kind, look, { passive: true });
    }
    tipped(canvas, (event) => this.named(event));
    new ResizeObserver(() => { this.resize(); this.render(); }).observe(place);
  }

  /** Takes another body. */
  take(body) {
    const first = !this.body;
    if (this.all) {
      this.all.traverse((part) => { if (part.geometry) { part.geometry.dispose(); part.material.dispose(); } });
      this.scene.remove(this.all);
    }
    this.body = body;
    this.all = new THREE.Group();
    this.scene.add(this.all);
    const [low, high] = bounds(body);
    this.low = new THREE.Vector3(...low);
    this.high = new THREE.Vector3(...high);
    this.size = 0.5 * Math.max(...high.map((value, axis) => value - low[axis]));
    this.resize();
    if (first) this.look("front"); else this.fit();

    const skin = (colour, options) => new THREE.MeshLambertMaterial({ color: colour, ...options });
    const glass = { transparent: true, depthWrite: false };
    const add = (part, order) => { part.renderOrder = order; part.frustumCulled = false; this.all.add(part); return part; };
    const many = (geometry, material, count, order = 0) => add(new THREE.InstancedMesh(geometry, material, count), order);
    const rod = () => new THREE.CylinderGeometry(1, 1, 1, 10).translate(0, 0.5, 0);
    const ball = (across) => new THREE.SphereGeometry(1, across, Math.round(0.7 * across));
    const count = body.names.length;
    this.bones = many(rod(), skin(BONE), array(body.bones).shape[0]);
    this.balls = many(ball(12), skin(BONE), count);
    this.arrows = body.arrows.map((arrows) => ({
      rods: many(rod(), skin(arrows.colour), count),
      heads: many(new THREE.ConeGeometry(1, 1, 12).translate(0, 0.5, 0), skin(arrows.colour), count),
    }));
    if (body.true_points) this.points = many(ball(8), skin(TRUTH), array(body.true_points).shape[0]);
    if (body.covariance) {
      this.spread = many(ball(16), skin(SPREAD, { opacity: 0.35, ...glass }), count, 1);
    }
    const solid = () => new THREE.BufferGeometry()
      .setIndex(new THREE.BufferAttribute(new Uint32Array(array(body.faces).values), 1));
    if (body.truth) {
      const geometry = solid().setAttribute(
        "position", new THREE.BufferAttribute(array(body.truth).values, 3));
      geometry.computeVertexNormals();
      this.truth = add(new THREE.Mesh(geometry, skin(TRUTH, { opacity: 0.5, ...glass })), 2);
    }
    if (body.vertices) {
      const geometry = solid().setAttribute(
        "position", new THREE.BufferAttribute(new Float32Array(row(body.vertices, 0)), 3));
      // Its surface towards us alone: depths come first, then colours over what is inside.
      this.depths = add(new THREE.Mesh(geometry, new THREE.MeshBasicMaterial({ colorWrite: false, transparent: true })), 3);
      this.mesh = add(new THREE.Mesh(geometry, skin(SKIN, { transparent: true })), 4);
    }
  }

  /** Shows a state. */
  draw(state) {
    const body = this.body, joints = row(body.joints, state), thin = 0.008 * this.size;
    const joint = (k) => new THREE.Vector3(...joints.subarray(3 * k, 3 * k + 3));
    this.names = [];
    const nothing = new THREE.Matrix4().makeScale(0, 0, 0);
    /** The unit rod along y, laid from one point to another. */
    const laid = (from, to, width) => {
      const way = to.clone().sub(from), length = way.length();
      if (!(length > 1e-6)) return nothing;
      const turn = new THREE.Quaternion().setFromUnitVectors(
        new THREE.Vector3(0, 1, 0), way.divideScalar(length));
      return new THREE.Matrix4().compose(from, turn, new THREE.Vector3(width, length, width));
    };
    const place = (part, shown, matrix) => {
      part.visible = shown;
      if (!shown) return;
      for (let i = 0; i < part.count; i++) part.setMatrixAt(i, matrix(i));
      part.instanceMatrix.needsUpdate = true;
    };
    const ends = array(body.bones).values;
    place(this.bones, on("skeleton"), (i) => laid(joint(ends[2 * i]), joint(ends[2 * i + 1]), thin));
    place(this.balls, on("skeleton"), (k) => {
      this.names.push([joint(k), body.names[k]]);
      return new THREE.Matrix4().makeScale(2 * thin, 2 * thin, 2 * thin).setPosition(joint(k));
    });
    body.arrows.forEach((arrows, n) => {
      const by = vectors(arrows, body.arrows, state), shown = on(arrows.name);
      const tips = body.names.map((_, k) => joint(k).add(new THREE.Vector3(...by.subarray(3 * k, 3 * k + 3))));
      const head = (k) => {
        const way = joint(k).sub(tips[k]), length = way.length();
        return tips[k].clone().add(way.multiplyScalar(Math.min(7 * thin / length, 0.6) || 0));
      };
      place(this.arrows[n].rods, shown, (k) => laid(joint(k), head(k), 0.9 * thin));
      place(this.arrows[n].heads, shown, (k) => {
        if (Number.isFinite(tips[k].x)) this.names.push([tips[k], `${body.names[k]}: ${arrows.name}`]);
        return laid(head(k), tips[k], 2.4 * thin);
      });
    });
    if (body.covariance) {
      const covariance = row(body.covariance, state);
      place(this.spread, on("uncertainty"), (k) => {
        const factor = cholesky(covariance.subarray(9 * k, 9 * k + 9));
        return factor ? new THREE.Matrix4().set(...factor).setPosition(joint(k)) : nothing;
      });
    }
    if (body.true_points) {
      const { values } = array(body.true_points);
      place(this.points, on("truth"), (i) => new THREE.Matrix4().makeScale(3 * thin, 3 * thin, 3 * thin)
        .setPosition(...values.subarray(3 * i, 3 * i + 3)));
    }
    if (body.truth) this.truth.visible = on("truth");
    if (body.vertices) {
      this.mesh.visible = on("mesh");
      // Nothing is inside that would be seen.
      const whole = !on("skeleton") && !on("truth") && !on("uncertainty")
        && !body.arrows.some((arrows) => on(arrows.name));
      this.mesh.material.opacity = whole ? 1 : 0.62;
      this.depths.visible = on("mesh");
      const { position } = this.mesh.geometry.attributes;
      position.array.set(row(body.vertices, state));
      position.needsUpdate = true;
      this.mesh.geometry.computeVertexNormals();
    }
    this.render();
  }

  render() {
    if (this.all) this.renderer.render(this.scene, this.camera);
  }

  resize() {
    const { clientWidth, clientHeight } = this.place;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setSize(clientWidth, clientHeight);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.controls.handleResize();
  }

  /** Looks at the body from one of the named sides. */
  look(name) {
    const [from, up] = VIEWS[name];
    this.controls.target.set(0, 0, 0);
    this.camera.position.set(...from);
    this.camera.up.set(...up);
    this.fit();
  }

  /** Goes so far away, from where it looks, that the whole body is seen. */
  fit() {
    const middle = this.low.clone().add(this.high).multiplyScalar(0.5);
    const back = this.camera.position.clone().sub(this.controls.target).normalize();
    const right = this.camera.up.clone().cross(back).normalize(), up = back.clone().cross(right);
    const slope = Math.tan(this.camera.fov * Math.PI / 360);
    let away = 0;
    for (let corner = 0; corner < 8; corner++) {
      const at = new THREE.Vector3(
        ...["x", "y", "z"].map((axis, i) => (corner & (1 << i) ? this.high : this.low)[axis]));
      at.sub(middle);
      const wide = Math.max(Math.abs(at.dot(right)) / this.camera.aspect, Math.abs(at.dot(up)));
      away = Math.max(away, at.dot(back) + 1.04 * wide / slope);
    }
    this.controls.target.copy(middle);
    this.camera.position.copy(middle).addScaledVector(back, away);
    this.camera.lookAt(middle);
    this.controls.update();
    this.render();
  }

  /** The joint or the tip of an arrow under the pointer. */
  named(event) {
    if (event.buttons && event.type === "pointermove") return "";
    const box = this.renderer.domElement.getBoundingClientRect();
    let found = "", nearest = 12;
    for (const [at, name] of this.names || []) {
      const seen = at.clone().project(this.camera);
      const x = box.left + (seen.x + 1) / 2 * box.width, y = box.top + (1 - seen.y) / 2 * box.height;
      const distance = Math.hypot(x - event.clientX, y - event.clientY);
      if (distance < nearest) [found, nearest] = [name, distance];
    }
    return found;
  }
}

/** L of a covariance L L^T, as the rows of a 4x4 matrix: it takes the unit sphere to one deviation. */
function cholesky(s) {
  if (Number.isNaN(s[0])) return null;
  const a = Math.sqrt(Math.max(s[0], 1e-12)), b = s[3] / a, c = s[6] / a;
  const d = Math.sqrt(Math.max(s[4] - b * b, 1e-12)), e = (s[7] - b * c) / d;
  const f = Math.sqrt(Math.max(s[8] - c * c - e * e, 1e-12));
  return [a, 0, 0, 0, b, d, 0, 0, c, e, f, 0, 0, 0, 0, 1];
}
