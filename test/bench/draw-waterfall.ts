/** A waterfall chart as SVG: each stage begins at the sum of the medians of the stages before it. */

export interface WaterfallRow {
  readonly name: string;
  /** ms. */
  readonly median: number;
  readonly p99: number;
}

export interface Waterfall {
  /** In order of time. */
  readonly stages: readonly WaterfallRow[];
  /** The whole time, and the time it is compared with. */
  readonly total: WaterfallRow;
  readonly bare: WaterfallRow;
  readonly caption: string;
}

const left = 150;
const plot = 560;
const right = 170;
const rowHeight = 24;
const top = 34;

export function drawWaterfall({ stages, total, bare, caption }: Waterfall): string {
  let begin = 0;
  const rows = stages.map((stage) => {
    const from = begin;
    begin += Math.max(0, stage.median);
    return { ...stage, from, fill: '#3b7dd8' };
  });
  rows.push({ ...total, from: 0, fill: '#5b6570' }, { ...bare, from: 0, fill: '#c9852c' });
  const most = Math.max(...rows.map(({ from, median, p99 }) => from + Math.max(median, p99)));
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000].find((one) => most / one <= 8) ?? 5_000;
  const scale = plot / (Math.ceil(most / step) * step);
  const x = (ms: number) => (left + Math.max(0, ms) * scale).toFixed(1);
  const bottom = top + rows.length * rowHeight;
  const height = bottom + 46;
  const ticks = Array.from({ length: Math.ceil(most / step) + 1 }, (_, n) => n * step);
  const grid = ticks.map(
    (ms) =>
      `<path d="M${x(ms)} ${top - 6}V${bottom}" stroke="#e3e6e9"/>` +
      `<text x="${x(ms)}" y="${top - 12}" text-anchor="middle" fill="#5b6570">${ms} ms</text>`,
  );
  const bars = rows.map(({ name, from, median, p99, fill }, n) => {
    const y = top + n * rowHeight;
    const middle = y + rowHeight / 2;
    const width = Math.max(1, Math.max(0, median) * scale).toFixed(1);
    return (
      `<text x="${left - 10}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>` +
      `<path d="M${x(from)} ${middle}H${x(from + p99)}m0 -4v8" stroke="${fill}" stroke-opacity=".6" fill="none"/>` +
      `<rect x="${x(from)}" y="${y + 5}" width="${width}" height="${rowHeight - 10}" rx="2" fill="${fill}"/>` +
      `<text x="${left + plot + 12}" y="${middle + 4}" fill="#5b6570">${number(median)} · p99 ${number(p99)} ms</text>`
    );
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + plot + right} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#20262c">
<title>Where the time of a part goes</title>
<rect width="100%" height="100%" fill="#fff"/>
${[...grid, ...bars].join('\n')}
<text x="${left - 140}" y="${bottom + 22}" fill="#5b6570" font-size="11">bar: median · line: to the 99th percentile of that stage · ms</text>
<text x="${left - 140}" y="${bottom + 38}" fill="#5b6570" font-size="11">${escaped(caption)}</text>
</svg>
`;
}

const number = (ms: number) => ms.toFixed(ms < 10 ? 2 : 1);

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
