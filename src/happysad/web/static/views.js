// The views of happysad serve, in the order of the page. A published site has no Teach.

import * as about from "./about.js";
import * as live from "./live.js";
import * as teach from "./teach.js";
import * as photos from "./try.js";

export const VIEWS = { try: photos, live, teach, about };
