// One visit from sign-in to sign-out: the calls that the front end makes, in
// the order of its pages, with its own Supabase client and a browser's cookies.
// Each step needs those before it, so the first that fails ends the visit.
//
//   SUPABASE_URL, EMAIL, PASSWORD, USER_ID, REPO_URL, GITHUB_TOKEN

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@supabase/supabase-js";
import { Browser } from "./browser.mjs";

const { SUPABASE_URL: url, EMAIL, PASSWORD, USER_ID, REPO_URL, GITHUB_TOKEN } = process.env;
const COLUMNS = "*,project:projects(id,name,repo_name,repo_owner)";
const POLL_MS = 500;
const POLLS = 120;

const browser = new Browser(url);
let client, events, api;

// A page load: a new client that finds what the last one has stored.
function load() {
  events = [];
  client = createClient(url, "an-anonymous-key", {
    auth: { autoRefreshToken: false, detectSessionInUrl: false, storage: browser.localStorage },
    global: { fetch: browser.fetch },
  });
  client.auth.onAuthStateChange((event) => { events.push(event); });
}

async function call(method, path, body, token = api?.access_token) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await browser.fetch(`${url}${path}`, {
    method, headers, body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

async function good(method, path, body) {
  const answer = await call(method, path, body);
  assert.equal(answer.status, 200, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

// On every sign-in event and page load: the cookie is all the proof there is.
const apiTokens = () => call("POST", "/api/auth/token", { user_id: USER_ID }, null);

async function listed() {
  const { data, error } = await client.from("tasks").select(COLUMNS)
    .eq("user_id", USER_ID).order("created_at", { ascending: false });
  assert.equal(error, null);
  return data;
}

async function single(id) {
  const { data, error } = await client.from("tasks").select(COLUMNS).eq("id", id).single();
  assert.equal(error, null);
  return data;
}

// The pages do new Date() with each, and show what comes of it.
function isNow(text) {
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00$/);
  assert(Math.abs(Date.now() - new Date(text)) < 120_000, text);
}

let steps = 0;
async function step(name, run) {
  steps++;
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error.stack}`);
    process.exit(1);
  }
}

let project, task;

await step("the sign-in page, not signed in", async () => {
  load();
  assert.equal((await client.auth.getSession()).data.session, null);
  assert.equal((await apiTokens()).status, 401);
  assert.equal((await call("GET", "/api/projects")).status, 401);
});

await step("sign in", async () => {
  const { data, error } = await client.auth.signInWithPassword({ email: EMAIL, password: PASSWORD });
  assert.equal(error, null);
  assert.equal(data.user.id, USER_ID);
  assert(events.includes("SIGNED_IN"));
  assert.deepEqual([...browser.cookies.keys()], ["__Host-taskmill-device", "__Host-taskmill"]);
});

await step("tokens for /api, by the cookie alone", async () => {
  const { status, body } = await apiTokens();
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(body).sort(), ["access_token", "expires_in", "refresh_token"]);
  assert.equal(body.expires_in, 3600);
  api = body;
});

await step("the home page of somebody new", async () => {
  const { data, error } = await client.auth.getUser();
  assert.equal(error, null);
  assert.equal(data.user.email, EMAIL);
  assert.deepEqual(await listed(), []);
  assert.deepEqual((await good("GET", "/api/projects")).projects, []);
});

await step("the projects page: a new one", async () => {
  await good("POST", "/api/projects", { name: "Mine", description: "of this visit", repo_url: REPO_URL });
  const { projects } = await good("GET", "/api/projects");
  assert.equal(projects.length, 1);
  [project] = projects;
  assert.equal(project.name, "Mine");
  assert.equal(project.repo_url, REPO_URL);
  assert.equal(`${project.repo_owner}/${project.repo_name}`, REPO_URL.split("/").slice(-2).join("/"));
  assert.equal(project.is_active, true);
  isNow(project.created_at);
  assert.equal((await good("GET", `/api/projects/${project.id}`)).project.id, project.id);
});

await step("the settings page: the GitHub token", async () => {
  const body = await good("POST", "/api/validate-token", { github_token: GITHUB_TOKEN, repo_url: REPO_URL });
  assert.equal(body.user, "octocat");
  assert.equal(body.repo.permissions.create_branches, true);
});

await step("start a task", async () => {
  const body = await good("POST", "/api/start-task", {
    prompt: "lines 3", repo_url: REPO_URL, branch: "main", github_token: GITHUB_TOKEN,
    model: "claude", project_id: project.id,
  });
  assert.equal(body.status, "success");
  task = body.task_id;
  assert(Number.isInteger(task));
});

await step("poll until it is completed", async () => {
  const seen = new Set();
  for (let i = 0; i < POLLS; i++) {
    const { task: now } = await good("GET", `/api/task-status/${task}`);
    assert.equal(now.id, task);
    assert.equal(now.prompt, "lines 3");
    seen.add(now.status);
    seen.add((await single(task)).status);
    if (now.status === "completed") break;
    assert(["pending", "running"].includes(now.status), `${now.status}: ${now.error}`);
    await sleep(POLL_MS);
  }
  assert(seen.has("completed"), `only ${[...seen]}`);
});

await step("the lists show it", async () => {
  const rows = await listed();
  assert.deepEqual(rows.map((row) => row.id), [task]);
  const { id, name, repo_name, repo_owner } = project;
  assert.deepEqual(rows[0].project, { id, name, repo_name, repo_owner });
  assert.equal(rows[0].status, "completed");
  assert.equal(rows[0].chat_messages[0].content, "lines 3");
  assert.deepEqual(await single(task), rows[0]);
  const { tasks } = await good("GET", `/api/projects/${project.id}/tasks`);
  const [mine] = Object.values(tasks);
  assert.equal(mine.id, task);
  assert.equal(mine.status, "completed");
  assert.match(mine.commit_hash, /^[0-9a-f]{40}$/);
});

await step("the task's page", async () => {
  const { task: row } = await good("GET", `/api/tasks/${task}`);
  assert.equal(row.status, "completed");
  assert.equal(row.agent, "claude");
  assert.equal(row.repo_url, REPO_URL);
  assert.equal(row.target_branch, "main");
  assert.equal(row.project_id, project.id);
  assert.equal(row.error, null);
  assert.equal(row.pr_url, null);
  assert.deepEqual(row.changed_files, ["AI_GENERATED.md"]);
  assert.deepEqual(row.chat_messages.map((message) => message.role), ["user", "assistant"]);
  for (const message of row.chat_messages) isNow(message.timestamp);
  for (const name of ["created_at", "started_at", "completed_at"]) isNow(row[name]);
  assert.deepEqual(row.execution_metadata.file_changes,
    [{ filename: "AI_GENERATED.md", before: "FILE_NOT_EXISTS", after: "prompt: lines 3\n" }]);
});

await step("its diff", async () => {
  const { git_diff: diff } = await good("GET", `/api/git-diff/${task}`);
  const lines = diff.split("\n");
  assert(lines.includes("+++ b/AI_GENERATED.md"));
  assert.equal(lines.filter((line) => line.startsWith("+") && !line.startsWith("+++")).length, 1);
});

await step("a word in its chat", async () => {
  await good("POST", `/api/tasks/${task}/chat`, { content: "Thanks! Grüße 🐝", role: "user" });
  const { task: row } = await good("GET", `/api/tasks/${task}`);
  const last = row.chat_messages.at(-1);
  assert.equal(row.chat_messages.length, 3);
  assert.equal(last.role, "user");
  assert.equal(last.content, "Thanks! Grüße 🐝");
  isNow(last.timestamp);
});

await step("its pull request, and a second click", async () => {
  const body = { title: "From a visit", body: "As asked.", github_token: GITHUB_TOKEN };
  const made = await good("POST", `/api/create-pr/${task}`, body);
  assert(Number.isInteger(made.pr_number));
  assert.equal(made.branch, `claude-code-${task}`);
  assert.equal(made.files_updated, 1);
  assert.equal(new URL(made.pr_url).protocol, "https:");
  assert.deepEqual(await good("POST", `/api/create-pr/${task}`, body), made);
  const { task: row } = await good("GET", `/api/tasks/${task}`);
  assert.equal(row.pr_number, made.pr_number);
  assert.equal(row.pr_url, made.pr_url);
  assert.equal((await single(task)).pr_number, made.pr_number);
  console.log(`pull request ${made.pr_number} of ${made.branch}`);
});

await step("what is not there is told from what fails", async () => {
  assert.equal((await call("GET", "/api/tasks/987654321")).status, 404);
  assert.equal((await call("GET", "/api/projects/987654321")).status, 404);
});

await step("a reload: still signed in", async () => {
  load();
  const { session } = (await client.auth.getSession()).data;
  assert.equal(session.user.id, USER_ID);
  const { status, body } = await apiTokens();
  assert.equal(status, 200);
  api = body;
  assert.deepEqual((await listed()).map((row) => row.id), [task]);
  assert.equal((await good("GET", "/api/projects")).projects.length, 1);
});

await step("both kinds of token are refreshed", async () => {
  const { data, error } = await client.auth.refreshSession();
  assert.equal(error, null);
  assert.equal(data.user.id, USER_ID);
  assert(events.includes("TOKEN_REFRESHED"));
  assert.equal((await single(task)).id, task);
  const { access_token } = await good("POST", "/api/auth/refresh", { refresh_token: api.refresh_token });
  assert.notEqual(access_token, api.access_token);
  api = { ...api, access_token };
  assert.equal((await good("GET", "/api/auth/verify")).user_id, USER_ID);
});

await step("a reload after the refresh", async () => {
  load();
  assert.equal((await client.auth.getUser()).data.user.id, USER_ID);
  assert.equal((await apiTokens()).status, 200);
});

await step("the projects page: one is deleted, with its task", async () => {
  await good("DELETE", `/api/projects/${project.id}`);
  assert.deepEqual((await good("GET", "/api/projects")).projects, []);
  for (const path of [`projects/${project.id}`, `tasks/${task}`, `task-status/${task}`])
    assert.equal((await call("GET", `/api/${path}`)).status, 404);
  assert.equal((await call("DELETE", `/api/projects/${project.id}`)).status, 404);
  assert.deepEqual(await listed(), []);
});

await step("sign out: nothing that was left behind opens the door", async () => {
  const left = { cookies: new Map(browser.cookies), session: (await client.auth.getSession()).data.session };
  assert.equal((await client.auth.signOut()).error, null);
  assert(events.includes("SIGNED_OUT"));
  assert.deepEqual([...browser.cookies.keys()], ["__Host-taskmill-device"]);
  assert.equal(browser.stored.size, 0);
  assert.equal((await apiTokens()).status, 401);

  browser.cookies = left.cookies;
  assert.equal((await apiTokens()).status, 401);
  browser.cookies = new Map();

  const again = await call("POST", "/api/auth/refresh", { refresh_token: api.refresh_token }, null);
  assert.equal(again.status, 401);
  assert.equal(again.body.error, "Token has been revoked");
  const { error } = await client.auth.refreshSession({ refresh_token: left.session.refresh_token });
  assert.equal(error.code, "refresh_token_not_found");
});

await step("a reload: the sign-in page again", async () => {
  load();
  assert.equal((await client.auth.getSession()).data.session, null);
  assert.equal((await client.auth.getUser()).error.name, "AuthSessionMissingError");
});

console.log(`done ${steps} steps`);
