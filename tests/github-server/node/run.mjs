// Drives the stand-in with GitHub's official client, unmodified, and prints
// what came back, one JSON object a line. URL and tokens are in the environment.
import { Octokit, RequestError } from "octokit";

const url = process.env.GITHUB_URL;

function client(auth, more = {}) {
  return new Octokit({
    auth,
    baseUrl: url,
    // One try each, and no pause: it would wait for limits, and seconds
    // between writes, to be kind to GitHub.
    retry: { enabled: false },
    throttle: { enabled: false },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...more,
  });
}

async function show(name, promise) {
  let said;
  try {
    const answer = await promise;
    said = { status: answer.status, data: answer.data, url: answer.url };
  } catch (e) {
    if (!(e instanceof RequestError)) throw e;
    said = { status: e.status, message: e.message, error: true };
  }
  console.log(JSON.stringify({ name, ...said }));
}

const mine = client(process.env.TOKEN_CLASSIC);
const fine = client(process.env.TOKEN_FINE);
const nobody = client("wrong");
const hello = { owner: "octo", repo: "hello" };
const pull = { ...hello, head: "feature/one", base: "main" };

await show("viewer", mine.rest.users.getAuthenticated());
await show("bad token", nobody.rest.users.getAuthenticated());
await show("repo", mine.rest.repos.get(hello));
await show("absent repo", mine.rest.repos.get({ ...hello, repo: "none" }));
await show("renamed repo", mine.rest.repos.get({
  owner: "octo", repo: "older" }));
await show("saml repo", mine.rest.repos.get({ owner: "corp", repo: "vault" }));
await show("ref", mine.rest.git.getRef({ ...hello, ref: "heads/feature/one" }));
await show("absent ref", mine.rest.git.getRef({ ...hello, ref: "heads/no" }));
await show("empty", mine.rest.git.getRef({
  owner: "octo", repo: "empty", ref: "heads/main" }));
await show("create", mine.rest.pulls.create({
  ...pull, title: "A title", body: "Words\n" }));
await show("create again", mine.rest.pulls.create({ ...pull, title: "B" }));
await show("no commits", mine.rest.pulls.create({
  ...pull, head: "main", title: "B" }));
await show("no base", mine.rest.pulls.create({
  ...pull, base: "none", title: "B" }));
await show("no permission", fine.rest.pulls.create({ ...pull, title: "B" }));
await show("archived", mine.rest.pulls.create({
  ...pull, repo: "museum", title: "B" }));
await show("list", mine.rest.pulls.list({
  ...hello, head: "octo:feature/one", base: "main", state: "all" }));
await show("get", mine.rest.pulls.get({ ...hello, pull_number: 1 }));
const all = await mine.paginate(mine.rest.pulls.list, hello);
console.log(JSON.stringify({ name: "all pages", count: all.length }));
