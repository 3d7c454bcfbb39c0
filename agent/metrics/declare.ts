/** Shorter ways to declare a metric in a registry. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export type Declare = ReturnType<typeof declareIn>;

export function declareIn(registry: Registry) {
  const registers = [registry];
  return {
    counter: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Counter<L>({ name, help, labelNames: [...labelNames], registers }),
    gauge: <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[] = [],
      collect: (this: Gauge<L>) => void = () => {},
    ) => new Gauge<L>({ name, help, labelNames: [...labelNames], registers, collect }),
    histogram: <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[],
      buckets: readonly number[],
    ) => new Histogram<L>({ name, help, labelNames: [...labelNames], buckets: [...buckets], registers }),
    /** A counter that is kept elsewhere and read at every scrape. */
    readCounter: (name: string, help: string, read: () => number) => {
      let before = 0;
      return new Counter({
        name,
        help,
        registers,
        collect() {
          const now = read();
          this.inc(Math.max(0, now - before));
          before = now;
        },
      });
    },
  };
}

/** 1 ms to 10 s, dense where a part has to be judged in time. */
export const secondsBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10,
];
