// A map of concepts over a picture: hover tells a cell, a click or the arrow keys move the cursor.
export default {
  template: `
    <div>
      <svg v-if="concepts.length" ref="map" :viewBox="'0 0 ' + width + ' ' + height" tabindex="0" role="application"
        aria-label="Map of concepts. Arrow keys move from cell to cell, Enter changes a concept."
        style="display:block; width:100%; touch-action:manipulation" @keydown="pressed">
        <image :href="source" :width="width" :height="height" class="pixels" />
        <g :opacity="level / 100">
          <rect v-for="(concept, i) in concepts" :key="i" :x="x(i)" :y="y(i)" :width="wide" :height="high"
            :fill="colour(concept)" :fill-opacity="concept ? faint + (strong - faint) * confidence[i] : 0"
            pointer-events="all" @click="move(i)"><title>{{ told(i) }}</title></rect>
        </g>
        <g v-if="shown" :opacity="Math.min(1, level / 50)" :font-size="0.45 * high" text-anchor="middle"
          fill="#fff" stroke="#000" :stroke-width="0.08 * high" paint-order="stroke" pointer-events="none">
          <template v-for="(concept, i) in concepts" :key="i">
            <text v-if="concept" :x="x(i) + wide / 2" :y="y(i) + 0.66 * high">{{ concept }}</text>
          </template>
        </g>
        <g fill="none" pointer-events="none" :stroke-width="0.06 * high">
          <template v-for="(concept, i) in concepts" :key="i">
            <rect v-if="concept !== found[i]" :x="x(i)" :y="y(i)" :width="wide" :height="high"
              stroke="#fff" :stroke-dasharray="0.2 * high" />
          </template>
          <rect v-for="[line, ink] in [[0.22, '#000'], [0.1, '#fff']]" :key="ink" :stroke="ink"
            :x="x(at)" :y="y(at)" :width="wide" :height="high" :stroke-width="line * high" />
        </g>
      </svg>
      <div aria-live="polite" style="min-height:1.5em">{{ concepts.length ? told(at) : "" }}</div>
      <div style="display:flex; flex-wrap:wrap; gap:4px 12px; align-items:center">
        <label style="display:flex; gap:6px; align-items:center">opacity
          <input type="range" min="0" max="100" v-model.number="level" @change="$emit('opacity', level)"></label>
        <label><input type="checkbox" v-model="shown" @change="$emit('numbers', shown ? 1 : 0)"> numbers</label>
      </div>
    </div>`,
  props: { source: String, width: Number, height: Number, rows: Number, columns: Number,
           found: { default: () => [] }, concepts: { default: () => [] },
           confidence: { default: () => [] }, colours: Array, faint: Number, strong: Number,
           start: Number, opacity: Number, numbers: Boolean },
  data() { return { cursor: this.start, level: Math.round(100 * this.opacity), shown: this.numbers }; },
  computed: {
    wide() { return this.width / this.columns; },
    at() { return Math.max(0, Math.min(this.cursor, this.concepts.length - 1)); },
    high() { return this.height / this.rows; },
  },
  methods: {
    x(i) { return (i % this.columns) * this.wide; },
    y(i) { return Math.floor(i / this.columns) * this.high; },
    colour(concept) { return concept ? this.colours[(concept - 1) % this.colours.length] : "#000"; },
    told(i) {
      const now = this.concepts[i], was = this.found[i];
      const where = `row ${Math.floor(i / this.columns) + 1}, column ${(i % this.columns) + 1}`;
      const changed = now === was ? "" : `, changed to ${now}`;
      return `${where}: concept ${was}, confidence ${this.confidence[i].toFixed(2)}${changed}`;
    },
    move(i) {
      this.cursor = i;
      this.$emit("cell", i);
    },
    refocus() { this.$refs.map.focus(); },
    pressed(event) {
      const row = Math.floor(this.at / this.columns), column = this.at % this.columns;
      const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
                              ArrowRight: [0, 1] }[event.key] || [0, 0];
      if (event.key === "Enter") this.$emit("wanted");
      else if (!down && !right) return;
      event.preventDefault();
      if (event.key === "Enter") return;
      this.move(Math.min(this.rows - 1, Math.max(0, row + down)) * this.columns
        + Math.min(this.columns - 1, Math.max(0, column + right)));
    },
  },
};
