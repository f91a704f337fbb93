// Before a script (node --import): notes each answer that its fetch gets, a line
// of JSON each, in the file that ANSWERS names.

import { appendFileSync } from "node:fs";

const { fetch: real } = globalThis;

globalThis.fetch = async (input, init) => {
  const answer = await real(input, init);
  const copy = answer.clone();
  appendFileSync(process.env.ANSWERS, `${JSON.stringify({
    url: input.url ?? String(input),
    method: init?.method ?? input.method ?? "GET",
    status: answer.status,
    headers: Object.fromEntries(answer.headers),
    body: await copy.text(),
  })}\n`);
  return answer;
};
