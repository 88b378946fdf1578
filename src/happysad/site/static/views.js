// The views of a published site, in the order of the page.

import * as about from "./about.js";
import * as live from "./live.js";
import * as photos from "./try.js";

export const VIEWS = { try: photos, live, about };
