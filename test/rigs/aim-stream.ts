/** Reads the stream for aiming a camera as a client does. */
import type { AimRecord } from '../../agent/http/aim-view.ts';

export interface AimStream extends AsyncDisposable {
  readonly status: number;
  readonly records: (AimRecord & { readonly jpeg?: Buffer })[];
  readonly ended: boolean;
}

export async function readAim(url: string, headers: Record<string, string> = {}): Promise<AimStream> {
  const stop = new AbortController();
  const response = await fetch(url, { signal: stop.signal, headers });
  const stream = { status: response.status, records: [] as AimStream['records'], ended: false };
  const read = async () => {
    let bytes = Buffer.alloc(0);
    for await (const chunk of response.body!) {
      bytes = Buffer.concat([bytes, chunk]);
      for (;;) {
        if (bytes.length < 8) break;
        const [json, image] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4)];
        if (bytes.length < 8 + json + image) break;
        const record = JSON.parse(bytes.toString('utf8', 8, 8 + json)) as AimRecord;
        const jpeg = Buffer.from(bytes.subarray(8 + json, 8 + json + image));
        stream.records.push(image > 0 ? { ...record, jpeg } : record);
        bytes = bytes.subarray(8 + json + image);
      }
    }
  };
  const reading = read()
    .catch(() => undefined)
    .finally(() => {
      stream.ended = true;
    });
  return Object.assign(stream, {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  });
}
