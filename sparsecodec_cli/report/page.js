"use strict";
// Draws and plays what the page holds: films of the residual, scatterplots of events, playheads. No library, no request.

const data = JSON.parse(document.getElementById("data").textContent);
const announcer = document.getElementById("status");
const redraws = [];  // called when the colours of the page change

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

// ---------------------------------------------------------------- sounds of events

const player = {
  context: null,
  nodes: [],
  onEnd: null,

  // parts: [{lanes, lane, begin_s, length_s, at_s}], at_s from now; ended is called when all are over, or stopped
  async play(parts, ended) {
    this.stop();
    for (const audio of document.querySelectorAll("audio")) audio.pause();
    this.context ??= new AudioContext();
    const mine = {};
    this.token = mine;
    this.onEnd = ended;
    await this.context.resume();
    const buffers = await Promise.all(parts.map((part) => this.buffer(part.lanes, part.lane)));
    if (this.token !== mine) return;
    const now = this.context.currentTime + 0.03;
    let left = parts.length;
    parts.forEach((part, i) => {
      const node = new AudioBufferSourceNode(this.context, { buffer: buffers[i] });
      node.connect(new GainNode(this.context, { gain: part.lanes.gain })).connect(this.context.destination);
      node.onended = () => { if (--left === 0 && this.token === mine) this.stop(); };
      node.start(now + part.at_s, part.begin_s, part.length_s);
      this.nodes.push(node);
    });
    if (!left) this.stop();
  },

  stop() {
    const ended = this.onEnd;
    this.token = this.onEnd = null;
    for (const node of this.nodes) { node.onended = null; node.stop(); node.disconnect(); }
    this.nodes = [];
    ended?.();
  },

  buffer(lanes, lane) {
    lanes.buffers ??= [];
    lanes.buffers[lane] ??= this.context.decodeAudioData(bytesOf(lanes.uris[lane].split(",")[1]).buffer);
    return lanes.buffers[lane];
  },
};

// ---------------------------------------------------------------- recordings: a playhead over their plots

for (const track of document.querySelectorAll(".track")) {
  const audio = track.querySelector("audio"), head = track.querySelector(".playhead"), plot = track.querySelector(".plot");
  audio.addEventListener("play", () => {
    player.stop();
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  if (!head) continue;
  const seconds = Number(track.dataset.duration);
  const draw = () => {
    head.hidden = audio.currentTime === 0 && audio.paused;
    head.style.left = `calc(var(--left) + ${clamp(audio.currentTime / seconds, 0, 1)} * (100% - var(--left)))`;
    if (!audio.paused) requestAnimationFrame(draw);
  };
  for (const event of ["play", "pause", "seeked", "ended"]) audio.addEventListener(event, draw);
  plot.addEventListener("click", (event) => {
    const box = plot.querySelector(".spectrogram").getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    if (share >= 0) audio.currentTime = clamp(share, 0, 1) * seconds;
  });
}

// ---------------------------------------------------------------- what an event is, in words

function shareText(share) {
  return `${share < 0 ? "added" : "removed"} ${Math.abs(share).toFixed(2)} %`;
}

function describe(source, i) {
  const events = source.events, is = (name) => events[name] !== undefined && events[name][i] !== null;
  const lines = [`event ${events.index[i]}` + (source.many ? ` of ${source.name}` : "") + `, ${events.time_s[i].toFixed(3)} s`];
  const facts = [];
  if (is("note")) facts.push(events.note[i], `velocity ${events.velocity[i]}`);
  if (is("level_db")) facts.push(`level ${events.level_db[i].toFixed(1)} dB`);
  if (is("channel")) facts.push(`channel ${events.channel[i]}`);
  lines.push(facts.join(", "));
  if (events.note) {
    lines.push(`${events.begins[i] ? "begins" : "carries on"} a note, attack ${(1000 * events.attack_s[i]).toFixed(0)} ms`);
    const end = `until ${events.end_s[i].toFixed(3)} s, `;
    lines.push(end + (is("decay_s") ? `then released in ${(1000 * events.decay_s[i]).toFixed(0)} ms` : "goes on into the next event"));
  } else if (events.attack_s) {
    const begins = events.begins[i] ? "begins by itself" : "carries on the event before it";
    lines.push(`${begins}, attack ${(1000 * events.attack_s[i]).toFixed(0)} ms`);
    lines.push(is("decay_s") ? `decay ${(1000 * events.decay_s[i]).toFixed(0)} ms` : "goes on into the next event");
    lines.push(is("f0_hz") ? `pitch ${events.f0_hz[i].toFixed(0)} Hz` : "no pitch");
  }
  if (is("share")) {
    lines.push(`${shareText(events.share[i])} of the energy`);
  }
  return lines.filter(Boolean).join("\n");
}

// ---------------------------------------------------------------- film of the residual

class Film {
  constructor(element) {
    const source = data.examples[element.dataset.example];
    Object.assign(this, { source, film: source.film, removed: 0, shown: -1, timer: null });
    this.canvas = element.querySelector("canvas");
    this.button = element.querySelector("button");
    this.slider = element.querySelector("input");
    this.output = element.querySelector("output");
    this.canvas.width = Math.max(1, this.film.frames);
    this.canvas.height = this.film.rows;
    this.palette = bytesOf(data.palette);
    this.offsets = [0];  // where the frames of each removal are in the strip
    let at = this.film.frames;
    for (const [, , frames] of this.film.removals) { this.offsets.push(at); at += frames; }
    this.button.addEventListener("click", () => (this.timer === null ? this.play() : this.pause()));
    this.slider.addEventListener("input", () => { this.pause(); this.show(Number(this.slider.value)); });
    this.ready = this.load();
  }

  async load() {
    const picture = new Image();
    picture.src = this.film.picture;
    await picture.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    const pixels = context.getImageData(0, 0, picture.width, picture.height).data;
    this.strip = new Uint8Array(pixels.length / 4).map((_, i) => pixels[4 * i]);
    this.pixels = new ImageData(this.canvas.width, this.canvas.height);
    this.show(0);
  }

  // Frames of the strip onto the picture, from column `first` on.
  paint(offset, first, frames) {
    const { rows, strip_frames: wrap } = this.film, out = this.pixels.data, width = this.canvas.width;
    for (let k = 0; k < frames; k++) {
      const column = (offset + k) % wrap, top = Math.floor((offset + k) / wrap) * rows;
      for (let row = 0; row < rows; row++) {
        const level = this.strip[(top + row) * wrap + column], to = 4 * (row * width + first + k);
        out.set(this.palette.subarray(3 * level, 3 * level + 3), to);
        out[to + 3] = 255;
      }
    }
  }

  show(removed) {
    const { removals, left, frames } = this.film;
    this.removed = clamp(removed, 0, removals.length);
    if (this.shown < 0 || this.shown > this.removed) { this.paint(0, 0, frames); this.shown = 0; }
    for (; this.shown < this.removed; this.shown++) {
      const [, first, n] = removals[this.shown];
      this.paint(this.offsets[this.shown + 1], first, n);
    }
    this.canvas.getContext("2d").putImageData(this.pixels, 0, 0);
    this.slider.value = this.removed;
    const rest = `${left[this.removed].toFixed(1)} % of the energy is left`;
    let text = `Nothing is taken out yet: ${rest}.`;
    if (this.removed) {
      const i = removals[this.removed - 1][0], events = this.source.events;
      text = `Removal ${this.removed} of ${removals.length}: event ${events.index[i]}, at ${events.time_s[i].toFixed(3)} s, ${shareText(events.share[i])}; ${rest}.`;
    }
    this.output.textContent = text;
    this.slider.setAttribute("aria-valuetext", text);
  }

  play() {
    if (this.removed === this.film.removals.length) this.show(0);
    this.button.textContent = "Pause";
    this.button.setAttribute("aria-pressed", "true");
    const every = clamp(20000 / Math.max(1, this.film.removals.length), 40, 500);
    this.timer = setInterval(() => {
      this.show(this.removed + 1);
      if (this.removed === this.film.removals.length) this.pause();
    }, every);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "Play";
    this.button.setAttribute("aria-pressed", "false");
  }
}

// ---------------------------------------------------------------- scatterplot of events

const ROLL = data.roll;  // where events are notes: names beside the upward axis, height of a semitone; else null
const MARGIN = { left: ROLL ? 64 : 14, right: 14, top: 14, bottom: 34 };

class Scatter {
  // points: [{source, i, x, end, y, radius, rgb}] in order of x; end is x where an event is a dot; whole: a long recording, which zooms, and plays its audio
  constructor(element, points, duration_s, whole) {
    Object.assign(this, { points, duration_s, whole, from: 0, to: duration_s, cursor: -1, chosen: new Set(), playing: new Set() });
    this.element = element;
    this.canvas = element.querySelector("canvas");
    this.tip = element.querySelector(".tip");
    this.canvas.setAttribute("aria-valuemin", points.length ? 1 : 0);
    this.canvas.setAttribute("aria-valuemax", points.length);
    this.hidden = new Set();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    redraws.push(() => this.draw());
    element.scatter = this;
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => { this.drag = null; this.draw(); });
    canvas.addEventListener("pointerleave", (event) => {
      if (!this.drag && event.pointerType === "mouse") this.hover(-1);  // a finger leaves when it is lifted
    });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => { this.tip.hidden = true; });
    if (this.whole) canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.25 : 0.8, this.timeAt(this.place(event).x));
    }, { passive: false });
  }

  // ---- places

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  get width() { return Math.max(1, this.canvas.clientWidth - MARGIN.left - MARGIN.right); }
  get height() { return Math.max(1, this.canvas.clientHeight - MARGIN.top - MARGIN.bottom); }

  timeAt(x) { return this.from + ((x - MARGIN.left) / this.width) * (this.to - this.from); }

  positionOf(k) {
    const p = this.points[k];
    return {
      x: MARGIN.left + ((p.x - this.from) / Math.max(this.to - this.from, 1e-9)) * this.width,
      y: MARGIN.top + (1 - p.y) * this.height,
    };
  }

  // A dot, or the box of a note; its left edge is at the position.
  boxOf(k) {
    const at = this.positionOf(k), p = this.points[k];
    if (!ROLL) return { ...at, width: 0, half: 0 };
    const width = ((p.end - p.x) / Math.max(this.to - this.from, 1e-9)) * this.width;
    return { ...at, width: Math.max(width, 3), half: clamp(0.4 * ROLL.row * this.height, 1.5, 8) };
  }

  isShown(k) {
    const p = this.points[k];
    return p.end >= this.from && p.x <= this.to && !this.hidden.has(p.source);
  }

  // Smaller where many share the room.
  get scale() {
    let n = 0;
    for (let k = 0; k < this.points.length; k++) n += this.isShown(k);
    return clamp(Math.sqrt((0.4 * this.width) / Math.max(n, 1)), 0.3, 1);
  }

  nearest(x, y) {
    const scale = this.scale;
    let best = -1, least = Infinity;
    for (let k = 0; k < this.points.length; k++) {
      if (!this.isShown(k)) continue;
      const at = this.boxOf(k);
      const right = Math.max(at.x - x, x - at.x - at.width, 0), up = Math.max(Math.abs(at.y - y) - at.half, 0);
      const away = Math.hypot(right, up) - (ROLL ? 0 : scale * this.points[k].radius);
      if (away < least || (ROLL && away === least)) [best, least] = [k, away];
    }
    return least <= 8 ? best : -1;
  }

  // ---- pointer

  press(event) {
    if (event.button !== 0) return;
    const at = this.place(event);
    this.drag = { ...at, to: at, moved: false, from: this.from };
    this.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    const at = this.place(event);
    if (!this.drag) return this.hover(this.nearest(at.x, at.y));
    this.drag.to = at;
    this.drag.moved ||= Math.hypot(at.x - this.drag.x, at.y - this.drag.y) > 5;
    if (!this.drag.moved) return;
    if (this.whole) {
      const span = this.to - this.from;
      this.look(this.drag.from - ((at.x - this.drag.x) / this.width) * span, span);
    } else {
      this.chosen = this.within(this.drag);
      this.draw();
    }
  }

  release(event) {
    const drag = this.drag;
    this.drag = null;
    if (!drag) return;
    if (!drag.moved) {
      const k = this.nearest(drag.x, drag.y);
      this.chosen = new Set();
      if (k >= 0) { this.go(k); this.play([k]); } else { player.stop(); this.draw(); }
    } else if (!this.whole) {
      this.draw();
      if (this.chosen.size) this.play([...this.chosen]);
    }
  }

  within({ x, y, to }) {
    const found = new Set();
    for (let k = 0; k < this.points.length; k++) {
      if (!this.isShown(k)) continue;
      const at = this.boxOf(k);
      const beside = at.x > Math.max(x, to.x) || at.x + at.width < Math.min(x, to.x);
      if (!beside && (at.y - y) * (at.y - to.y) <= 0) found.add(k);
    }
    return found;
  }

  hover(k) {
    this.canvas.style.cursor = k >= 0 ? "pointer" : "";
    if (k < 0) this.tip.hidden = true; else this.tell(k);
  }

  // ---- keyboard

  key(event) {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    const page = { PageUp: -1, PageDown: 1 }[event.key];
    if (step) this.step(step, event.shiftKey && !this.whole);
    else if (page && this.whole) this.look(this.from + (page * (this.to - this.from)) / 2, this.to - this.from);
    else if (page) this.step(10 * page, event.shiftKey);
    else if (event.key === "Home") this.step(-Infinity, event.shiftKey && !this.whole);
    else if (event.key === "End") this.step(Infinity, event.shiftKey && !this.whole);
    else if (event.key === "Enter" || event.key === " ") this.playChosen();
    else if (event.key === "Escape") { player.stop(); this.audio?.pause(); this.chosen = new Set(); this.anchor = -1; this.tip.hidden = true; this.draw(); }
    else if (this.whole && (event.key === "+" || event.key === "=")) this.zoom(1.5);
    else if (this.whole && event.key === "-") this.zoom(1 / 1.5);
    else return;
    event.preventDefault();
  }

  step(by, choose) {
    const shown = this.points.map((_, k) => k).filter((k) => !this.hidden.has(this.points[k].source));
    if (!shown.length) return;
    const at = shown.indexOf(this.cursor);
    const next = shown[clamp(at < 0 ? (by > 0 && by < Infinity ? 0 : by < 0 ? 0 : shown.length - 1) : at + by, 0, shown.length - 1)];
    if (choose) {
      if (!(this.anchor >= 0)) this.anchor = this.cursor >= 0 ? this.cursor : next;
      const [low, high] = [Math.min(this.anchor, next), Math.max(this.anchor, next)];
      this.chosen = new Set(shown.filter((k) => k >= low && k <= high));
    } else {
      this.anchor = -1;
      this.chosen = new Set();
    }
    this.go(next);
    if (choose) this.canvas.setAttribute("aria-valuetext", `${this.chosen.size} events chosen; ${this.text(next)}`);
  }

  playChosen() {
    if (this.chosen.size) this.play([...this.chosen]);
    else if (this.cursor >= 0) this.play([this.cursor]);
  }

  // ---- choosing and playing

  go(k) {
    this.cursor = k;
    const p = this.points[k], span = this.to - this.from;
    if (p.x < this.from || p.x > this.to) this.look(p.x - span / 2, span);
    this.canvas.setAttribute("aria-valuenow", k + 1);
    this.canvas.setAttribute("aria-valuetext", this.text(k));
    this.tell(k);
    markVectors(p.source, p.i);
    this.draw();
  }

  text(k) { return describe(this.points[k].source, this.points[k].i).replaceAll("\n", ", "); }

  tell(k) {
    const at = this.positionOf(k), tip = this.tip;
    at.x = Math.max(at.x, MARGIN.left);  // a note may have begun before what is shown
    tip.textContent = describe(this.points[k].source, this.points[k].i);
    tip.hidden = false;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const [right, below] = [at.x + 14, at.y + 14];
    let left = right + tip.offsetWidth <= width ? right : at.x - 14 - tip.offsetWidth;
    let top = clamp(at.y - tip.offsetHeight / 2, 0, Math.max(0, height - tip.offsetHeight));
    if (left < 0) {  // no room beside the event
      left = clamp(at.x - tip.offsetWidth / 2, 0, Math.max(0, width - tip.offsetWidth));
      top = below + tip.offsetHeight <= height ? below : Math.max(0, at.y - 14 - tip.offsetHeight);
    }
    tip.style.left = `${left}px`;
    tip.style.top = `${top}px`;
  }

  play(chosen) {
    if (this.whole) return this.playWhole(this.points[chosen[0]]);
    player.stop();  // what sounds still would take the marks of what begins with it
    const first = Math.min(...chosen.map((k) => this.start(this.points[k])));
    const parts = chosen.filter((k) => this.length(this.points[k]) > 0).map((k) => {
      const { source, i } = this.points[k], events = source.events;
      return { lanes: source.lanes, lane: events.lane[i], begin_s: events.begin_s[i], length_s: events.length_s[i], at_s: this.start(this.points[k]) - first };
    });
    this.playing = new Set(chosen);
    this.element.dataset.playing = chosen.map((k) => this.points[k].source.events.index[this.points[k].i]).join(" ");
    announcer.textContent = chosen.length > 1 ? `Playing ${chosen.length} events.` : `Playing event ${this.element.dataset.playing}.`;
    this.draw();
    player.play(parts, () => { this.playing = new Set(); delete this.element.dataset.playing; this.draw(); });
  }

  start(p) { return p.source.events.begin_s[p.i]; }
  length(p) { return p.source.events.length_s[p.i]; }

  playWhole(p) {
    player.stop();
    this.audio.currentTime = p.source.events.time_s[p.i];
    this.audio.play();
  }

  // ---- zoom and pan

  zoom(factor, around = this.cursor >= 0 && this.isShown(this.cursor) ? this.points[this.cursor].x : (this.from + this.to) / 2) {
    const span = clamp((this.to - this.from) / factor, Math.min(0.5, this.duration_s), this.duration_s);
    this.look(around - ((around - this.from) / (this.to - this.from)) * span, span);
  }

  look(from, span) {
    this.from = clamp(from, 0, this.duration_s - span);
    this.to = this.from + span;
    this.tip.hidden = true;
    this.onLook?.();
    this.draw();
  }

  // ---- drawing

  draw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => { this.asked = false; this.paint(); });
  }

  paint() {
    const canvas = this.canvas, ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    this.paintAxis(g, width, height);
    if (!this.points.length) {
      g.fillText("no events", width / 2, height / 2);
      return;
    }
    const text = colour("--text"), accent = colour("--accent");
    g.save();
    g.beginPath();
    const left = ROLL ? MARGIN.left : 0;
    g.rect(left, 0, width - left, height - MARGIN.bottom + 13);  // all of the largest event at the bottom
    g.clip();
    const scale = this.scale, some = this.chosen.size > 0 || this.playing.size > 0;
    for (let k = 0; k < this.points.length; k++) {
      if (!this.isShown(k)) continue;
      const p = this.points[k];
      const lit = this.chosen.has(k) || this.playing.has(k);
      g.globalAlpha = some && !lit ? 0.3 : 0.85;
      g.fillStyle = `#${p.rgb}`;
      this.outline(g, k, scale, 0);
      g.fill();
      if (lit) { g.globalAlpha = 1; g.lineWidth = 2; g.strokeStyle = text; g.stroke(); }
    }
    g.globalAlpha = 1;
    if (this.cursor >= 0 && this.isShown(this.cursor)) {
      g.lineWidth = 2;
      g.strokeStyle = accent;
      this.outline(g, this.cursor, scale, ROLL ? 2.5 : 4);
      g.stroke();
    }
    g.restore();
    if (this.drag?.moved && !this.whole) {
      g.strokeStyle = accent;
      g.setLineDash([4, 3]);
      g.strokeRect(this.drag.x, this.drag.y, this.drag.to.x - this.drag.x, this.drag.to.y - this.drag.y);
      g.setLineDash([]);
    }
    this.movePlayhead();
  }

  // The path of an event, so many pixels larger.
  outline(g, k, scale, larger) {
    const at = this.boxOf(k);
    g.beginPath();
    if (ROLL) g.rect(at.x - larger, at.y - at.half - larger, at.width + 2 * larger, 2 * (at.half + larger));
    else g.arc(at.x, at.y, scale * this.points[k].radius + larger, 0, 7);
  }

  // An element of its own, so that thousands of events need not be drawn for each of its steps.
  movePlayhead() {
    if (!this.audio) return;
    const x = MARGIN.left + ((this.audio.currentTime - this.from) / (this.to - this.from)) * this.width;
    this.head.hidden = this.audio.currentTime === 0 || x < MARGIN.left || x > MARGIN.left + this.width;
    this.head.style.left = `${x}px`;
  }

  paintAxis(g, width, height) {
    const span = this.to - this.from, most = Math.max(2, this.width / 80);
    const every = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].find((s) => span / s <= most) ?? 7200;
    g.strokeStyle = colour("--line");
    g.fillStyle = colour("--muted");
    g.lineWidth = 1;
    g.font = "12px system-ui, sans-serif";
    g.textAlign = "center";
    for (let n = Math.ceil(this.from / every - 1e-9); n * every <= this.to + 1e-9; n++) {
      const x = MARGIN.left + ((n * every - this.from) / Math.max(span, 1e-9)) * this.width;
      g.beginPath();
      g.moveTo(x, 0);
      g.lineTo(x, height - MARGIN.bottom + 13);
      g.stroke();
      const label = `${Number((n * every).toFixed(2))} s`, half = g.measureText(label).width / 2 + 2;
      g.fillText(label, clamp(x, half, width - half), height - 6);
    }
    if (ROLL) this.paintKeys(g, width);
  }

  // Names of notes, as many as have room, and lines at all of them.
  paintKeys(g, width) {
    g.textAlign = "right";
    g.textBaseline = "middle";
    let last = Infinity;
    for (const [name, place] of ROLL.ticks) {
      const y = MARGIN.top + (1 - place) * this.height;
      g.beginPath();
      g.moveTo(MARGIN.left, y);
      g.lineTo(width, y);
      g.stroke();
      if (last - y < 11) continue;
      g.fillText(name, MARGIN.left - 8, y);
      last = y;
    }
    g.textBaseline = "alphabetic";
  }
}

function markVectors(source, i) {
  const box = document.querySelector(`.vectors[data-events="${source.key}"] .chosen`);
  if (!box) return;
  const n = source.events.index.length;
  box.hidden = false;
  box.style.left = `calc(var(--left) + ${i / n} * (100% - var(--left)) - 2px)`;
  box.style.width = `calc(${1 / n} * (100% - var(--left)) + 4px)`;
}

function pointsOf(source, origin_s) {
  const { events } = source;
  return events.index.map((_, i) => ({
    source, i, x: events.time_s[i] - origin_s, end: (events.end_s ?? events.time_s)[i] - origin_s, y: events.place[i], radius: events.radius[i], rgb: events.rgb[i],
  }));
}

// ---------------------------------------------------------------- all of it

for (const [key, source] of [...Object.entries(data.examples), ...Object.entries(data.wholes)]) source.key = key;

for (const element of document.querySelectorAll(".film")) element.film = new Film(element);

for (const [key, source] of Object.entries(data.examples)) {
  // time as in the recording: an example that begins at 20 s has its axis from there
  const scatter = new Scatter(document.querySelector(`.scatter[data-events="${key}"]`), pointsOf(source, 0), source.duration_s, false);
  scatter.from = source.start_s;
  scatter.to = source.start_s + source.duration_s;
  // a click on a column of the vectors plays its event, too
  const picture = document.querySelector(`.vectors[data-events="${key}"] img`);
  picture.addEventListener("click", (event) => {
    const n = scatter.points.length;
    if (!n) return;
    const k = clamp(Math.floor((event.offsetX / picture.clientWidth) * n), 0, n - 1);
    scatter.chosen = new Set();
    scatter.go(k);
    scatter.play([k]);
  });
}

for (const [key, source] of Object.entries(data.wholes)) {
  const element = document.querySelector(`.scatter[data-events="${key}"]`), section = element.closest(".whole");
  const scatter = new Scatter(element, pointsOf(source, 0), source.duration_s, true);
  scatter.audio = section.querySelector("audio");
  scatter.head = Object.assign(document.createElement("div"), { className: "playhead", hidden: true });
  element.append(scatter.head);
  const tick = () => { scatter.movePlayhead(); if (!scatter.audio.paused) requestAnimationFrame(tick); };
  for (const event of ["play", "pause", "seeked"]) scatter.audio.addEventListener(event, tick);
  const wave = section.querySelector(".waveform"), output = section.querySelector("output");
  const points = wave.viewBox.baseVal.width;
  scatter.onLook = () => {
    const share = (s) => (s / source.duration_s) * points;
    wave.setAttribute("viewBox", `${share(scatter.from)} 0 ${share(scatter.to - scatter.from)} 200`);
    output.textContent = `${scatter.from.toFixed(1)} to ${scatter.to.toFixed(1)} s`;
  };
  scatter.onLook();
  for (const button of section.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => {
    const span = scatter.to - scatter.from;
    ({
      in: () => scatter.zoom(2), out: () => scatter.zoom(0.5), all: () => scatter.look(0, source.duration_s),
      left: () => scatter.look(scatter.from - span / 2, span), right: () => scatter.look(scatter.from + span / 2, span),
    })[button.dataset.zoom]();
  });
}

const together = document.querySelector('.scatter[data-events="all"]');
if (together) {
  const sources = Object.values(data.examples).map((source) => Object.assign({ ...source }, { many: true }));
  const points = sources.flatMap((source) => pointsOf(source, source.start_s)).sort((a, b) => a.x - b.x);
  const scatter = new Scatter(together, points, Math.max(...sources.map((s) => s.duration_s)), false);
  scatter.start = (p) => p.source.events.begin_s[p.i];
  const legend = document.querySelector(".legend");
  for (const source of sources) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "toggle";
    button.setAttribute("aria-pressed", "true");
    button.textContent = source.start_s ? `${source.name}, from ${source.start_s.toFixed(1)} s` : source.name;
    button.addEventListener("click", () => {
      const show = scatter.hidden.has(source);
      if (show) scatter.hidden.delete(source); else scatter.hidden.add(source);
      button.setAttribute("aria-pressed", String(show));
      scatter.chosen = new Set();
      scatter.tip.hidden = true;
      scatter.draw();
    });
    legend.append(button);
  }
}

// lengths of sounds, only when all else is there
window.addEventListener("load", () => setTimeout(() => {
  for (const audio of document.querySelectorAll("audio")) audio.preload = "metadata";
}));
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraws.forEach((draw) => draw()));
document.documentElement.dataset.ready = "true";
