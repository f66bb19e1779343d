// Points on a plane: hover names one, a click or Enter opens it, a drawn outline chooses many.
const SHAPES = [ // of radius 1; the same order as the markers of a saved plot
  "M1,0A1,1 0 1 1 -1,0A1,1 0 1 1 1,0Z", "M-.9,-.9H.9V.9H-.9Z", "M0,-1.15L1.1,.9H-1.1Z",
  "M0,-1.25L1.25,0L0,1.25L-1.25,0Z", "M-.4,-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
  "M-1.1,-.6L-.6,-1.1L0,-.5L.6,-1.1L1.1,-.6L.5,0L1.1,.6L.6,1.1L0,.5L-.6,1.1L-1.1,.6L-.5,0Z",
];
const SIZE = 4, REACH = 14, DRAG = 5;
export default {
  template: `
    <div>
      <div ref="frame" style="position:relative; width:100%; aspect-ratio:3/2">
        <canvas ref="canvas" tabindex="0" role="application" style="width:100%; height:100%; touch-action:none"
          aria-label="Map of all images. Arrow keys go from point to point, Enter opens the image."
          @pointerdown="down" @pointermove="over" @pointerup="up" @pointerleave="near = -1"
          @keydown="pressed" @focus="draw" @blur="draw"></canvas>
      </div>
      <div style="display:flex; justify-content:space-between; gap:8px; font-size:0.85em">
        <span>→ {{ axes[0] }}</span><span>↑ {{ axes[1] }}</span></div>
      <div aria-live="polite" style="min-height:1.5em; font-weight:bold; overflow-wrap:anywhere">{{ told }}</div>
      <div style="display:flex; flex-wrap:wrap; gap:2px 14px; font-size:0.9em" aria-label="legend">
        <span v-for="(item, k) in legend" :key="k" style="display:flex; gap:4px; align-items:center">
          <svg width="14" height="14" viewBox="-1.6 -1.6 3.2 3.2"><path :d="shape(k)" :fill="colours[k]"
            stroke="currentColor" stroke-width=".25" /></svg>{{ item }}</span>
        <template v-if="ends.length">
          <span>{{ ends[0] }}</span>
          <span :style="{ width: '160px', background: 'linear-gradient(90deg,' + colours.join(',') + ')' }"></span>
          <span>{{ ends[1] }}</span>
        </template>
        <span style="display:flex; gap:4px; align-items:center"><svg width="14" height="14"
          viewBox="-1.6 -1.6 3.2 3.2"><circle r="1.3" fill="none" stroke="currentColor" stroke-width=".35" />
          </svg>least typical 1 %</span>
      </div>
    </div>`,
  props: { x: { default: () => [] }, y: { default: () => [] }, names: { default: () => [] },
           colour: { default: () => [] }, said: { default: () => [] }, colours: { default: () => [] },
           legend: { default: () => [] }, ends: { default: () => [] }, axes: { default: () => ["", ""] },
           unusual: { default: () => [] }, chosen: { default: () => [] }, at: { default: 0 } },
  data() { return { near: -1, cursor: this.at, outline: [] }; },
  computed: {
    told() {
      const i = this.near >= 0 ? this.near : this.cursor;
      return i < this.names.length ? `${this.names[i]} · ${this.said[i]}` : "";
    },
    picked() { return new Set(this.chosen); },
  },
  watch: { at(now) { this.cursor = now; } },
  mounted() {
    this.resized = new ResizeObserver(this.draw);
    this.resized.observe(this.$refs.frame);
    this.themed = new MutationObserver(this.draw);
    this.themed.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    for (const name of ["x", "colour", "colours", "chosen", "at"]) this.$watch(name, this.draw);
  },
  unmounted() { this.resized.disconnect(); this.themed.disconnect(); },
  methods: {
    shape(k) { return this.ends.length ? SHAPES[0] : SHAPES[k % SHAPES.length]; },
    size() { return [this.$refs.frame.clientWidth, this.$refs.frame.clientHeight]; },
    place(i) { const [w, h] = this.size(); return [this.x[i] * w, (1 - this.y[i]) * h]; },
    draw() {
      const canvas = this.$refs.canvas, [w, h] = this.size(), dense = window.devicePixelRatio || 1;
      if (!canvas || !w) return;
      canvas.width = w * dense; canvas.height = h * dense;
      const pen = canvas.getContext("2d"), ink = getComputedStyle(canvas).color;
      pen.scale(dense, dense);
      pen.strokeStyle = ink; pen.globalAlpha = 0.4; pen.strokeRect(0.5, 0.5, w - 1, h - 1);
      const shapes = SHAPES.map((d) => new Path2D(d));
      for (const front of this.chosen.length ? [false, true] : [true])
        for (let i = 0; i < this.x.length; i++)
          if (!this.chosen.length || this.picked.has(i) === front) this.mark(pen, i, shapes, ink, front);
      pen.globalAlpha = 1;
      for (const i of this.unusual) this.ring(pen, i, 1.7 * SIZE, ink, 1.5);
      this.ring(pen, this.cursor, 2.4 * SIZE, ink, document.activeElement === canvas ? 4 : 2.5);
      if (this.near >= 0) this.ring(pen, this.near, 2 * SIZE, ink, 1.5);
      this.trace(pen, ink);
    },
    mark(pen, i, shapes, ink, front) {
      const [x, y] = this.place(i), k = this.colour[i];
      pen.save(); pen.translate(x, y); pen.scale(SIZE, SIZE);
      const shape = shapes[this.ends.length ? 0 : Math.max(0, k) % SHAPES.length];
      pen.globalAlpha = front ? 0.85 : 0.15;
      if (k >= 0) { pen.fillStyle = this.colours[k]; pen.fill(shape); }
      pen.globalAlpha *= 0.5; pen.lineWidth = 0.15; pen.strokeStyle = ink; pen.stroke(shape);
      pen.restore();
    },
    ring(pen, i, radius, ink, width) {
      if (i >= this.x.length) return;
      pen.beginPath(); pen.arc(...this.place(i), radius, 0, 2 * Math.PI);
      pen.strokeStyle = ink; pen.lineWidth = width; pen.stroke();
    },
    trace(pen, ink) {
      if (this.outline.length < 2) return;
      pen.beginPath(); this.outline.forEach(([x, y]) => pen.lineTo(x, y)); pen.closePath();
      pen.setLineDash([5, 4]); pen.strokeStyle = ink; pen.lineWidth = 1.5; pen.stroke(); pen.setLineDash([]);
    },
    nearest(x, y) {
      let best = -1, least = REACH ** 2;
      for (let i = 0; i < this.x.length; i++) {
        const [u, v] = this.place(i), far = (u - x) ** 2 + (v - y) ** 2;
        if (far < least) { best = i; least = far; }
      }
      return best;
    },
    down(event) {
      event.target.setPointerCapture(event.pointerId);
      this.near = -1;
      this.outline = [[event.offsetX, event.offsetY]];
    },
    over(event) {
      if (this.outline.length) this.outline.push(...this.passed(event));
      else this.near = this.nearest(event.offsetX, event.offsetY);
      this.draw();
    },
    passed(event) { // a browser that is busy tells several moves at once
      const box = this.$refs.canvas.getBoundingClientRect(), moves = event.getCoalescedEvents?.() ?? [];
      return (moves.length ? moves : [event]).map((e) => [e.clientX - box.left, e.clientY - box.top]);
    },
    up(event) {
      const [w, h] = this.size(), outline = this.outline, [x, y] = outline[0] || [0, 0];
      const far = Math.max(0, ...outline.map(([u, v]) => Math.hypot(u - x, v - y)));
      this.outline = [];
      if (far > DRAG) this.$emit("lassoed", outline.map(([u, v]) => [u / w, 1 - v / h]));
      else this.open(this.nearest(event.offsetX, event.offsetY));
      this.draw();
    },
    open(i) {
      if (i < 0) return;
      this.cursor = i;
      this.$emit("opened", i);
    },
    pressed(event) {
      const way = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
      if (event.key === "Enter") this.open(this.cursor);
      else if (!way) return;
      else this.step(...way);
      event.preventDefault();
      this.draw();
    },
    step(right, down) { // to the nearest point that lies more that way than aside
      const [x, y] = this.place(this.cursor);
      let best = this.cursor, least = Infinity;
      for (let i = 0; i < this.x.length; i++) {
        const [u, v] = this.place(i), along = (u - x) * right + (v - y) * down;
        const aside = Math.abs((u - x) * down) + Math.abs((v - y) * right);
        if (along > 0.5 && aside <= along && along + aside < least) { best = i; least = along + aside; }
      }
      this.near = -1;
      this.cursor = best;
    },
  },
};
