/** Draws images of parts for the calibration rig. */
import sharp from 'sharp';

const marks: Readonly<Record<string, string>> = {
  scratch: '<path d="M120 70l70 92l-16 30" stroke="#2a2420" stroke-width="5" fill="none"/>',
  dent: '<ellipse cx="215" cy="95" rx="24" ry="15" fill="#6d757c" stroke="#4b5157" stroke-width="4"/>',
  stain: '<ellipse cx="95" cy="195" rx="26" ry="18" fill="#6b4a22" opacity=".75"/>',
};

/** A metal part with a bore; each number looks different. */
export function drawPart(n: number, kind: string): Promise<Buffer> {
  const turn = (n * 37) % 360;
  return sharp(
    Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="300" height="260">
      <defs><linearGradient id="m" x1="0" x2="1" y1="0" y2="1"><stop offset="0" stop-color="#c9cfd4"/><stop
        offset=".5" stop-color="#8d959c"/><stop offset="1" stop-color="#b8bec4"/></linearGradient></defs>
      <rect width="300" height="260" fill="#3a4148"/>
      <rect x="55" y="35" width="190" height="190" rx="20" fill="url(#m)" stroke="#5b6269" stroke-width="3"/>
      <circle cx="150" cy="130" r="34" fill="#565d64"/>
      <g transform="rotate(${turn} 150 130)"><circle cx="150" cy="72" r="7" fill="#4a5056"/></g>
      ${marks[kind] ?? ''}</svg>`),
  )
    .png()
    .toBuffer();
}

/** A heat map over the image of a part. */
export function drawHeat(part: Buffer, n: number): Promise<Buffer> {
  const glow = `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="260"><defs><radialGradient id="g"><stop
    offset="0" stop-color="#ff3b00" stop-opacity=".9"/><stop offset="1" stop-color="#0030ff"
    stop-opacity=".35"/></radialGradient></defs><rect width="300" height="260" fill="#0030ff" opacity=".35"/>
    <circle cx="${120 + (n % 60)}" cy="130" r="90" fill="url(#g)"/></svg>`;
  return sharp(part)
    .composite([{ input: Buffer.from(glow) }])
    .png()
    .toBuffer();
}
