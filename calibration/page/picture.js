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

  const showOne = async (url) => {
    const response = await fetch(url);
    if (response.status !== 200) return;
    const picture = await createImageBitmap(await response.blob());
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
  };
}
