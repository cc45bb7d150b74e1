// Where the ticks of an axis stand and what they say; looking up places in sorted lists.

// Piecewise linear between the knots; the ends hold beyond them.
const interpolate = (xs, ys, x) => {
  const last = xs.length - 1;
  if (x <= xs[0]) return ys[0];
  if (x >= xs[last]) return ys[last];
  const at = indexBefore(xs, x);
  const width = xs[at + 1] - xs[at];
  return width > 0 ? ys[at] + (x - xs[at]) / width * (ys[at + 1] - ys[at]) : ys[at + 1];
};

// Index of the last value at or before x, 0 where there is none.
const indexBefore = (xs, x) => {
  let low = 0, high = xs.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (xs[middle] <= x) low = middle; else high = middle - 1;
  }
  return low;
};

// At most seven round places between two values; whole ones where only those mean something.
const roundTicks = (from, to, isWhole) => {
  const rough = (to - from) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factors = isWhole && power < 10 ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10];
  const round = factors.find((factor) => factor * power >= rough * (1 - 1e-9)) * power;
  const stride = isWhole ? Math.max(1, round) : round;
  const decimals = Math.max(0, Math.min(12, 1 - Math.floor(Math.log10(stride))));
  const ticks = [];
  for (let index = Math.ceil(from / stride - 1e-9); index * stride <= to + 1e-9 * stride; index += 1) {
    ticks.push(Number((index * stride).toFixed(decimals)));
  }
  return ticks;
};

const logTicks = (from, to) => {
  const decades = to - from;
  const factors = decades < 2.5 ? [1, 2, 5] : [1];
  const stride = Math.max(1, Math.ceil(decades / 7));
  const ticks = [];
  for (let power = Math.floor(from); power <= to; power += stride) {
    for (const factor of factors) {
      const at = power + Math.log10(factor);
      if (at >= from && at <= to) ticks.push(factor * 10 ** power);
    }
  }
  return ticks.length > 1 ? ticks : roundTicks(10 ** from, 10 ** to, false);
};

// Digits that write evenly spaced ticks without rounding them.
const significantDigits = (ticks) => {
  const size = Math.max(...ticks.map(Math.abs));
  const isExact = (count) => ticks.every((tick) => Math.abs(Number(tick.toPrecision(count)) - tick) <= 1e-9 * size);
  return [3, 4, 5, 6, 7, 8, 9].find(isExact) ?? 10;
};

const tickText = (tick, significant) => {
  const size = Math.abs(tick);
  if (tick !== 0 && (size < 1e-3 || size >= 1e6)) return powers(tick);
  return Number(tick.toPrecision(significant)).toLocaleString("en-US", { maximumFractionDigits: 12 });
};
