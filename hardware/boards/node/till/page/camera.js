// Two displays that look at each other: the till's code for the customer, and the customer's code through this camera.
// What a camera saw goes to the till as text; a scanner that types does as well. Nothing of a picture leaves the page.
import '/till/jsqr.js';
import { html, useEffect, useRef, useState } from '/till/view.js';
import { t } from '/till/words.js';

/** How often the till's code is looked at, and a picture of the camera is read, milliseconds. */
const CODE_MS = 250;
const LOOK_MS = 120;
/** Pixels of a picture that is searched: enough for the largest code at an arm's length. */
const SIDE_MAX = 640;

/** Calls `look` again and again, each when the one before is done; the answer ends it. */
function again(look, ms) {
  let over = false;
  const next = async () => {
    if (over) return;
    await look();
    setTimeout(next, ms);
  };
  next();
  return () => {
    over = true;
  };
}

function stopAll(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** The text of the code that the camera shows; undefined: none. */
function readVideo(video, canvas) {
  const { videoWidth, videoHeight } = video;
  if (videoWidth === 0) return undefined;
  const scale = Math.min(1, SIDE_MAX / Math.max(videoWidth, videoHeight));
  canvas.width = Math.round(videoWidth * scale);
  canvas.height = Math.round(videoHeight * scale);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
  return self.jsQR(data, width, height, { inversionAttempts: 'dontInvert' })?.data || undefined;
}

/** The customer's side: a camera that is asked for once, and told to stop with the sale. */
function Camera({ onSeen }) {
  const video = useRef();
  const [state, setState] = useState('asking');
  useEffect(() => {
    const canvas = document.createElement('canvas');
    let stream;
    let stop = () => undefined;
    let over = false;
    const open = async () => {
      try {
        // Undefined where the page came over plain HTTP from another machine.
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      } catch {
        return setState('none');
      }
      if (over) return stopAll(stream);
      video.current.srcObject = stream;
      await video.current.play();
      setState('looking');
      let last;
      stop = again(async () => {
        const text = readVideo(video.current, canvas);
        if (text !== undefined && text !== last)
          await onSeen(text).then(
            () => {
              last = text;
            },
            () => undefined,
          );
      }, LOOK_MS);
    };
    open();
    return () => {
      over = true;
      stop();
      if (stream !== undefined) stopAll(stream);
    };
  }, []);
  return html`<div class="camera">
    <video ref=${video} muted playsinline class=${state === 'looking' ? '' : 'dark'} aria-label=${t("The customer's code")}></video>
    ${state === 'none' && html`<p class="quiet">${t('No camera: a scanner that types will do.')}</p>`}
  </div>`;
}

/** Both codes of a sale that is asked for; nothing on a till that does not tap by codes. */
export function Codes({ till }) {
  const [shown, setShown] = useState();
  useEffect(() => {
    let stop = () => undefined;
    stop = again(
      () =>
        till.code().then(setShown, (error) => {
          if (error.code === 'no_codes') stop();
        }),
      CODE_MS,
    );
    return () => stop();
  }, []);
  if (shown === undefined) return null;
  const typed = (event) => {
    if (event.key !== 'Enter') return;
    till.seen(event.target.value).then(setShown, () => undefined);
    event.target.value = '';
  };
  return html`<div class="codes">
    <figure>
      ${
        shown.picture === null
          ? html`<p class="quiet">${t("Scan the customer's code first")}</p>`
          : html`<img src=${shown.picture} alt=${t('Code for the customer to scan')} />`
      }
      <figcaption>${t('For the customer')}</figcaption>
    </figure>
    <figure>
      <${Camera} onSeen=${(text) => till.seen(text).then(setShown)} />
      <figcaption>${t("The customer's code")}</figcaption>
    </figure>
    <label class="field scanner">${t('Scanner')}
      <input autocomplete="off" spellcheck="false" onKeyDown=${typed} /></label>
  </div>`;
}
