// Keeps the page's own files, so that it opens while the till is away: a till that restarts, or a tablet that lost it for a
// moment. Nothing that the till says is kept here: what was sold is the till's to say. FILES, the list of them, is set above
// by the server. The till is asked first, so that a new version of the page shows at once.
const KEPT = 'till-page';
/** A till that does not answer is taken for away after so many milliseconds. */
const AWAY_MS = 3000;

self.addEventListener('install', (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)));
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

self.addEventListener('fetch', (event) => {
  const { method, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method === 'GET' && origin === location.origin && FILES.includes(pathname))
    event.respondWith(answer(pathname));
});

async function answer(path) {
  const cache = await caches.open(KEPT);
  try {
    const fresh = await fetch(path, { signal: AbortSignal.timeout(AWAY_MS) });
    if (fresh.ok) await cache.put(path, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await cache.match(path);
    if (kept === undefined) throw error;
    return kept;
  }
}
