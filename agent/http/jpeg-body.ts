import { z } from 'zod';

/** The body of a picture, for types and the document; Buffers are sent as they are. */
export const jpegBody = z
  .custom<Buffer>((body) => Buffer.isBuffer(body))
  .meta({ type: 'string', format: 'binary' });
