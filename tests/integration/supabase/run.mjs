// The official client, unmodified, as the front end uses it. Its fetch is
// Node's with a cookie jar, which is what a browser adds.
//
//   SUPABASE_URL, EMAIL, PASSWORD, NEW_EMAIL, USER_ID, OTHER_ID

import assert from "node:assert/strict";
import { createClient } from "@supabase/supabase-js";

const { SUPABASE_URL: url, EMAIL, PASSWORD, NEW_EMAIL, USER_ID, OTHER_ID } = process.env;
const jar = new Map();

async function browserFetch(input, init = {}) {
  const headers = new Headers(init.headers);
  if (jar.size) headers.set("Cookie", [...jar].map(([k, v]) => `${k}=${v}`).join("; "));
  const answer = await fetch(input, { ...init, headers });
  for (const line of answer.headers.getSetCookie()) {
    const [pair, ...attributes] = line.split("; ");
    const at = pair.indexOf("=");
    assert(attributes.includes("HttpOnly") && attributes.includes("Secure"));
    if (attributes.includes("Max-Age=0")) jar.delete(pair.slice(0, at));
    else jar.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return answer;
}

const client = createClient(url, "an-anonymous-key", {
  auth: { autoRefreshToken: false, persistSession: true, detectSessionInUrl: false },
  global: { fetch: browserFetch },
});
const events = [];
client.auth.onAuthStateChange((event) => { events.push(event); });

// What the front end's own client does after each sign-in event.
async function apiToken(user_id) {
  const answer = await browserFetch(`${url}/api/auth/token`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user_id }),
  });
  return { status: answer.status, body: await answer.json() };
}

let ran = 0, good = 0;
async function step(name, run) {
  ran++;
  try {
    await run();
    good++;
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error.stack}`);
  }
}

let session;

await step("nobody is signed in", async () => {
  const { data, error } = await client.auth.getUser();
  assert.equal(data.user, null);
  assert.equal(error.name, "AuthSessionMissingError");
  assert.equal((await apiToken(USER_ID)).status, 401);
});

await step("signInWithPassword: wrong", async () => {
  const { data, error } = await client.auth.signInWithPassword({ email: EMAIL, password: "wrong horse" });
  assert.equal(data.session, null);
  assert.equal(error.status, 400);
  assert.equal(error.code, "invalid_credentials");
  assert.equal(error.message, "Invalid login credentials");
  assert.equal(jar.size, 0);
});

await step("signInWithPassword", async () => {
  const { data, error } = await client.auth.signInWithPassword({ email: EMAIL, password: PASSWORD });
  assert.equal(error, null);
  session = data.session;
  assert.equal(data.user.id, USER_ID);
  assert.equal(data.user.email, EMAIL);
  assert.equal(session.token_type, "bearer");
  assert.equal(session.expires_in, 3600);
  assert(session.expires_at > Date.now() / 1000 + 3500);
  assert.deepEqual([...jar.keys()], ["__Host-taskmill-device", "__Host-taskmill"]);
  assert(events.includes("SIGNED_IN"));
});

await step("getUser and getSession", async () => {
  const { data, error } = await client.auth.getUser();
  assert.equal(error, null);
  assert.equal(data.user.id, USER_ID);
  assert.equal(data.user.aud, "authenticated");
  assert.equal((await client.auth.getSession()).data.session.access_token, session.access_token);
});

await step("getUser of a stranger's token", async () => {
  const { error } = await client.auth.getUser(session.access_token.slice(0, -4) + "AAAA");
  assert.equal(error.status, 401);
  assert.equal(error.code, "bad_jwt");
});

await step("the session is the proof for /api", async () => {
  const { status, body } = await apiToken(USER_ID);
  assert.equal(status, 200);
  const answer = await fetch(`${url}/api/auth/verify`, {
    headers: { Authorization: `Bearer ${body.access_token}` },
  });
  assert.deepEqual(await answer.json(), { valid: true, user_id: USER_ID });
  assert.equal((await apiToken(OTHER_ID)).status, 403);
});

await step("refreshSession", async () => {
  const { data, error } = await client.auth.refreshSession();
  assert.equal(error, null);
  assert.notEqual(data.session.access_token, session.access_token);
  assert.equal(data.user.id, USER_ID);
  assert(events.includes("TOKEN_REFRESHED"));
  session = data.session;
});

await step("a reload: the stored session in a new client", async () => {
  const again = createClient(url, "an-anonymous-key", {
    auth: { autoRefreshToken: false, persistSession: false }, global: { fetch: browserFetch },
  });
  const { data, error } = await again.auth.setSession(session);
  assert.equal(error, null);
  assert.equal(data.user.id, USER_ID);
  assert.equal((await apiToken(USER_ID)).status, 200);
});

await step("the list of the home page", async () => {
  const { data, error } = await client.from("tasks")
    .select("*,project:projects(id,name,repo_name,repo_owner)")
    .eq("user_id", USER_ID).order("created_at", { ascending: false });
  assert.equal(error, null);
  assert.deepEqual(data, []);
});

await step("a task that is not there", async () => {
  const { data, error } = await client.from("tasks")
    .select("*,project:projects(id,name,repo_name,repo_owner)").eq("id", 987654321).single();
  assert.equal(data, null);
  assert.equal(error.code, "PGRST116");
});

await step("resetPasswordForEmail and signInWithOtp", async () => {
  assert.equal((await client.auth.resetPasswordForEmail(EMAIL)).error, null);
  assert.equal((await client.auth.signInWithOtp({ email: EMAIL })).error, null);
});

await step("signInWithOAuth comes back with an error", async () => {
  const { data, error } = await client.auth.signInWithOAuth({
    provider: "github", options: { redirectTo: `${url}/signin`, skipBrowserRedirect: true },
  });
  assert.equal(error, null);
  const answer = await fetch(data.url, { redirect: "manual" });
  assert.equal(answer.status, 302);
  const [place, hash] = answer.headers.get("Location").split("#");
  assert.equal(place, "/signin");
  assert.equal(new URLSearchParams(hash).get("error_code"), "provider_disabled");
});

await step("signOut", async () => {
  const { refresh_token } = session;
  assert.equal((await client.auth.signOut()).error, null);
  assert.equal((await client.auth.getSession()).data.session, null);
  assert(events.includes("SIGNED_OUT"));
  assert.deepEqual([...jar.keys()], ["__Host-taskmill-device"]);
  assert.equal((await apiToken(USER_ID)).status, 401);
  const { error } = await client.auth.refreshSession({ refresh_token });
  assert.equal(error.code, "refresh_token_not_found");
});

await step("signUp", async () => {
  const { data, error } = await client.auth.signUp({ email: NEW_EMAIL, password: "a password of mine" });
  assert.equal(error, null);
  assert.equal(data.user.email, NEW_EMAIL);
  assert.equal((await client.auth.getUser()).data.user.id, data.user.id);
  assert.equal((await apiToken(data.user.id)).status, 200);
});

await step("signUp: again, and with a weak password", async () => {
  const again = await client.auth.signUp({ email: NEW_EMAIL, password: "a password of mine" });
  assert.equal(again.error.code, "user_already_exists");
  const weak = await client.auth.signUp({ email: `x${NEW_EMAIL}`, password: "short" });
  assert.equal(weak.error.code, "weak_password");
});

console.log(`done ${good} of ${ran}`);
process.exit(good === ran ? 0 : 1);
