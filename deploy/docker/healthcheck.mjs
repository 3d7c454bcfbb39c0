/** For HEALTHCHECK: exit 0 if the agent in this container is alive and makes progress. */
import http from 'node:http';
import https from 'node:https';

const port = process.env.QC_HTTP__PORT || 8080;

/** @returns {Promise<number>} the status */
const ask = (client, url) =>
  new Promise((resolve, reject) => {
    // The certificate is not checked: it is for the public name, and this request stays inside the container.
    const request = client.get(url, { rejectUnauthorized: false, timeout: 8_000 }, (answer) => {
      answer.pipe(process.stdout);
      answer.once('end', () => resolve(answer.statusCode));
    });
    request.once('error', reject).once('timeout', () => request.destroy(new Error('no answer in 8 s')));
  });

const status = await ask(http, `http://127.0.0.1:${port}/healthz`)
  .catch(() => ask(https, `https://127.0.0.1:${port}/healthz`))
  .catch((error) => console.error(error.message));
process.exitCode = status === 200 ? 0 : 1;
