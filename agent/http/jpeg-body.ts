import { z } from 'zod';

/** The schema of an image body, for types and the document; Buffers are sent unchanged. */
export const jpegBody = z
  .custom<Buffer>((body) => Buffer.isBuffer(body))
  .meta({ type: 'string', format: 'binary' });
