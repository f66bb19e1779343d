// A picture with a cursor on a grid: a click or the arrow keys move it, a click or Enter asks.
export default {
  template: `
    <div v-if="source">
      <svg :viewBox="'0 0 ' + width + ' ' + height" tabindex="0" role="application"
        aria-label="Image. Arrow keys move the region, Enter finds regions like it."
        style="display:block; width:100%; cursor:crosshair" @click="clicked" @keydown="pressed">
        <image :href="source" :width="width" :height="height" />
        <g fill="none" pointer-events="none">
          <rect v-for="[line, ink] in [[5, '#000'], [2, '#e69f00']]" :key="ink" v-bind="region"
            :stroke="ink" :stroke-width="line * unit" />
          <rect v-if="moved" v-bind="region" stroke="#fff" :stroke-width="2 * unit"
            :stroke-dasharray="4 * unit" />
        </g>
      </svg>
      <div aria-live="polite" style="min-height:1.5em">row {{ row + edge }}, column {{ column + edge }} of
        {{ rows }} x {{ columns }}<span v-if="moved">: press Enter to search</span></div>
    </div>`,
  props: { source: String, width: Number, height: Number, rows: Number, columns: Number,
           edge: Number, reach: Number, startRow: Number, startColumn: Number, asked: Number },
  data() { return { row: this.startRow, column: this.startColumn, moved: false }; },
  watch: { asked() { this.row = this.startRow; this.column = this.startColumn; this.moved = false; } },
  computed: {
    unit() { return Math.max(this.width, this.height) / 384; },
    region() {
      const [y, high] = this.span(this.row, this.rows, this.height);
      const [x, wide] = this.span(this.column, this.columns, this.width);
      return { x, y, width: wide, height: high };
    },
  },
  methods: {
    span(key, cells, size) {
      const first = Math.max(0, key + this.edge - this.reach);
      const last = Math.min(cells, key + this.edge + this.reach + 1);
      return [first * size / cells, (last - first) * size / cells];
    },
    move(row, column) {
      this.row = Math.min(this.rows - 2 * this.edge - 1, Math.max(0, row));
      this.column = Math.min(this.columns - 2 * this.edge - 1, Math.max(0, column));
      this.moved = true;
    },
    ask() { this.$emit("wanted", [this.row, this.column]); },
    clicked(event) {
      const box = event.currentTarget.getBoundingClientRect();
      this.move(Math.floor((event.clientY - box.top) * this.rows / box.height) - this.edge,
                Math.floor((event.clientX - box.left) * this.columns / box.width) - this.edge);
      this.ask();
    },
    pressed(event) {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (step) this.move(this.row + step[0], this.column + step[1]);
      else if (event.key === "Enter") this.ask();
      else return;
      event.preventDefault();
    },
  },
};
