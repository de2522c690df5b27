// A camera that looks for codes, for every page of ours that reads them. What it saw is told as text; nothing of a picture
// leaves the page. Each server hands this file out in the folder of its page, with jsQR and the view beside it.
import './jsqr.js';
import { html, useEffect, useRef, useState } from './view.js';

/** How often a picture of the camera is read, milliseconds. */
const LOOK_MS = 120;
/** Pixels of a picture that is searched: enough for the largest code at an arm's length. */
const SIDE_MAX = 640;

/** Calls `look` again and again, each when the one before is done; the answer ends it. */
export function again(look, ms) {
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

/**
 * A camera that is asked for once, and told to stop when it is shown no more. `onSeen` is given each text that it has not
 * seen just before; while what that returns rejects, the same text is told again. `label` says what is looked for, `none`
 * what to do where there is no camera.
 */
export function Camera({ onSeen, label, none }) {
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
    <video ref=${video} muted playsinline class=${state === 'looking' ? '' : 'dark'} aria-label=${label}></video>
    ${state === 'none' && html`<p class="quiet">${none}</p>`}
  </div>`;
}
