/** Shows the newest of the pictures asked for; those in between are never fetched. */

/** Pictures a second are for the eye; the line is faster. */
const leastGapMs = 120;

/**
 * @param {HTMLCanvasElement} canvas takes the size of the picture
 * @param {(shown: {capturedAt: number, width: number, height: number}) => void} onShown
 */
export function createPicture(canvas, onShown = () => {}) {
  let wanted;
  let busy = false;
  /** Counts up when what was asked for before must not appear any more. */
  let generation = 0;

  const showOne = async (url) => {
    const asked = generation;
    const response = await fetch(url);
    if (response.status !== 200) return;
    const picture = await createImageBitmap(await response.blob());
    if (asked !== generation) return;
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.getContext('2d').drawImage(picture, 0, 0);
    picture.close();
    const capturedAt = Date.parse(response.headers.get('qc-captured-at') ?? '');
    onShown({ capturedAt, width: canvas.width, height: canvas.height });
  };

  return {
    async show(url) {
      wanted = url;
      if (busy) return;
      busy = true;
      while (wanted !== undefined) {
        const next = wanted;
        wanted = undefined;
        // A picture that is gone, or an agent that is: the page says so elsewhere.
        await showOne(next).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, leastGapMs));
      }
      busy = false;
    },
    /** There is no picture of what is shown now. */
    clear() {
      wanted = undefined;
      generation++;
      canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
    },
  };
}
