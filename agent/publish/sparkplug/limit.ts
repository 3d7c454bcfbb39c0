/**
 * Acts at once where it has not for `everyMs`; what is asked before that is done once, when the time is over. So the
 * last request is always honoured, and however many there are cost no more than one each `everyMs`.
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
