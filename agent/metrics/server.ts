/** Metrics of the inference server, if there is one. */
import { failures } from '../../models/remote/client.ts';
import { type Declare, secondsBuckets } from './declare.ts';

const outcomes = ['answered', ...failures];

export function declareServer({ counter, gauge, histogram }: Declare) {
  const requests = counter(
    'qc_remote_requests_total',
    'Requests to the inference server by outcome; images of all requests without an answer were judged locally',
    ['outcome'],
  );
  const seconds = histogram(
    'qc_remote_request_seconds',
    'Duration of a request that the inference server answered',
    [],
    secondsBuckets,
  );
  const serverUp = gauge(
    'qc_remote_up',
    '1 while the inference server judges; 0 while it does not, or none is configured',
  );
  return {
    serverUp,
    /** Counters start at 0, so that the first event is an increase. */
    expectServer(): void {
      for (const outcome of outcomes) requests.inc({ outcome }, 0);
    },
    serverAsked(outcome: string, tookSeconds: number): void {
      requests.inc({ outcome });
      if (outcome === 'answered') seconds.observe(tookSeconds);
    },
  };
}
