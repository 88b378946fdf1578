// Keeps the site's files, so that it works without a network after the first visit. happysad publish
// writes NAME and FILES before these lines; a site with other files has another NAME.

const kept = `happysad ${registration.scope} `;

addEventListener("install", (event) => {
  event.waitUntil(keep());
});

async function keep() {
  const cache = await caches.open(kept + NAME);
  // Files that the browser has already loaded are only checked, not loaded again.
  await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
  await skipWaiting();
}

addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers());
});

/** Delete the files of earlier versions of this site, and no other site's. */
async function forgetOthers() {
  for (const name of await caches.keys())
    if (name.startsWith(kept) && name !== kept + NAME) await caches.delete(name);
  await clients.claim();
}

addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

async function answer(request) {
  const cache = await caches.open(kept + NAME);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}
