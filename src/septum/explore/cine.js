// A film as one picture of all its frames, of which one is shown; space plays, arrows step.
export default {
  template: `
    <div>
      <div :style="frameStyle" role="img" :aria-label="'frame ' + (frame + 1) + ' of ' + frames"></div>
      <div v-if="frames > 1" style="display:flex; gap:8px; align-items:center; margin-top:4px">
        <button type="button" @click="toggle" :aria-label="playing ? 'pause' : 'play'"
          style="width:2em; font-size:1.1em">{{ playing ? '❚❚' : '▶' }}</button>
        <input type="range" min="0" :max="frames - 1" v-model.number="frame" @input="stop"
          aria-label="frame" style="flex:1">
        <span style="min-width:5em; text-align:right">{{ frame + 1 }} / {{ frames }}</span>
        <label style="white-space:nowrap"><input type="number" min="1" max="100" v-model.number="speed"
          @change="rated" aria-label="frames per second" style="width:4em; color:inherit;
          background:transparent; border:1px solid currentColor; border-radius:3px"> /s</label>
      </div>
    </div>`,
  props: { source: String, frames: Number, across: Number, width: Number, height: Number,
           start: Number, rate: Number },
  data() { return { frame: this.start, speed: this.rate, playing: false, timer: null }; },
  computed: {
    frameStyle() {
      const down = Math.ceil(this.frames / this.across);
      const x = this.frame % this.across, y = Math.floor(this.frame / this.across);
      return {
        width: this.width + "px", height: this.height + "px", maxWidth: "100%",
        backgroundImage: `url(${this.source})`,
        backgroundSize: `${this.across * this.width}px ${down * this.height}px`,
        backgroundPosition: `${-x * this.width}px ${-y * this.height}px`,
        imageRendering: "auto",
      };
    },
  },
  methods: {
    toggle() { this.playing ? this.stop() : this.play(); },
    play() {
      this.playing = true;
      clearInterval(this.timer);
      this.timer = setInterval(() => { this.frame = (this.frame + 1) % this.frames; }, 1000 / this.speed);
    },
    stop() {
      this.playing = false;
      clearInterval(this.timer);
      this.$emit("paused", this.frame);
    },
    rated() {
      this.speed = Math.min(100, Math.max(1, Number(this.speed) || 25));
      this.$emit("rated", this.speed);
      if (this.playing) this.play();
    },
  },
  unmounted() { clearInterval(this.timer); },
};
