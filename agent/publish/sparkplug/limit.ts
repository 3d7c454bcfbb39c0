/**
 * Rate limiter: acts at once if the last action was at least `everyMs` ago; earlier requests are combined into one action
 * after that time. So the last request is always served, with at most one action per `everyMs`.
 */
export function atMostEvery(everyMs: number, act: () => void): { ask(): void } & Disposable {
  let timer: NodeJS.Timeout | undefined;
  let isAsked = false;
  const rest = () => {
    timer = undefined;
    if (isAsked) begin();
  };
  const begin = () => {
    isAsked = false;
    timer = setTimeout(rest, everyMs);
    act();
  };
  return {
    ask() {
      if (timer) isAsked = true;
      else begin();
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
    },
  };
}
