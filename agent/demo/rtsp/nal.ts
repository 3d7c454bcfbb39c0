/** NAL units of an Annex B byte stream (H.264 and H.265 Annex B), without their start codes. */
export function splitNals(stream: Buffer): Buffer[] {
  const nals: Buffer[] = [];
  let start = -1;
  for (let at = stream.indexOf(startCode); at >= 0; at = stream.indexOf(startCode, at + 3)) {
    if (start >= 0) nals.push(trimZeros(stream.subarray(start, at)));
    start = at + 3;
  }
  if (start >= 0) nals.push(trimZeros(stream.subarray(start)));
  return nals.filter((nal) => nal.length > 0);
}

const startCode = Buffer.from([0, 0, 1]);

/** A four-byte start code begins with a zero that belongs to no NAL unit; none ends with a zero byte itself. */
function trimZeros(nal: Buffer): Buffer {
  let end = nal.length;
  while (end > 0 && nal[end - 1] === 0) end--;
  return nal.subarray(0, end);
}
