// What a browser adds to fetch: a jar of cookies kept by their own rules, the
// headers that a page cannot set, and a storage that outlives a reload.

import assert from "node:assert/strict";

export class Browser {
  constructor(url) {
    this.origin = new URL(url).origin;
    this.cookies = new Map();
    this.stored = new Map();
    this.fetch = this.fetch.bind(this);
  }

  // localStorage, as far as supabase-js uses it.
  get localStorage() {
    const { stored } = this;
    return {
      getItem: (name) => stored.get(name) ?? null,
      setItem: (name, value) => { stored.set(name, String(value)); },
      removeItem: (name) => { stored.delete(name); },
    };
  }

  async fetch(input, init = {}) {
    const asked = new URL(input, this.origin);
    assert.equal(asked.origin, this.origin, "the pages speak to their own origin only");
    const headers = new Headers(init.headers);
    headers.set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    headers.set("Accept-Language", "en-US,en;q=0.5");
    headers.set("Referer", `${this.origin}/`);
    headers.set("Sec-Fetch-Site", "same-origin");
    if (!["GET", "HEAD"].includes(init.method ?? "GET")) headers.set("Origin", this.origin);
    if (this.cookies.size) {
      headers.set("Cookie", [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    }
    const answer = await fetch(asked, { ...init, headers });
    for (const line of answer.headers.getSetCookie()) this.#keep(line);
    return answer;
  }

  // A __Host- cookie is thrown away by browsers unless all of this holds.
  #keep(line) {
    const [pair, ...rest] = line.split(";").map((part) => part.trim());
    const attributes = new Map(rest.map((part) => {
      const [name, value = ""] = part.split("=");
      return [name.toLowerCase(), value];
    }));
    const at = pair.indexOf("=");
    const name = pair.slice(0, at);
    if (name.startsWith("__Host-")) {
      assert(attributes.has("secure") && attributes.get("path") === "/" && !attributes.has("domain"), line);
    }
    assert(attributes.has("httponly"), "a script of the page could read it");
    assert.equal(attributes.get("samesite"), "Strict");
    if (Number(attributes.get("max-age")) === 0) this.cookies.delete(name);
    else this.cookies.set(name, pair.slice(at + 1));
  }
}
