// The unmodified npm package "e2b" against the test server: every step prints
// "ok NAME" or "not ok NAME: why". Where to is told by E2B_API_KEY,
// E2B_API_URL and E2B_SANDBOX_URL, as for any user of the package.
import assert from 'node:assert/strict'
import * as e2b from 'e2b'

const { Sandbox } = e2b
const API = process.env.E2B_API_URL
const steps = []
const step = (name, run) => steps.push([name, run])
const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

async function admin(method, path, body) {
  const answer = await fetch(`${API}/_test${path}`, {
    method, body: body === undefined ? undefined : JSON.stringify(body),
  })
  const value = await answer.json()
  if (answer.status !== 200) throw new Error(JSON.stringify(value))
  return value
}
const fault = (rule) => admin('POST', '/faults', rule)
const named = (name) => (err) => {
  assert.equal(err.name, name, `${err.name}: ${err.message}`)
  return true
}

let sbx
const metadata = { app: 'demo', 'k ey&=': 'v/ä +%' }

step('create with metadata and envs', async () => {
  sbx = await Sandbox.create({ timeoutMs: 120_000, metadata, envs: { GREETING: 'hi there' } })
  assert.match(sbx.sandboxId, /^i[a-z0-9]{20}$/)
})
step('write and read: multipart', async () => {
  const info = await sbx.files.write('hello.txt', 'héllo\n')
  assert.equal(info.path, '/home/user/hello.txt')
  assert.equal(await sbx.files.read('hello.txt'), 'héllo\n')
})
step('write and read: octet-stream, as root', async () => {
  const bytes = new Uint8Array(200_000).map((_, i) => i % 251)
  await sbx.files.write('/data/o.bin', bytes.buffer, { user: 'root', useOctetStream: true })
  const back = await sbx.files.read('/data/o.bin', { format: 'bytes', user: 'root' })
  assert.deepEqual(Buffer.from(back), Buffer.from(bytes))
})
step('list, exists, info, makeDir, rename, remove', async () => {
  assert.ok((await sbx.files.list('/home/user')).some((entry) => entry.name === 'hello.txt'))
  assert.equal(await sbx.files.exists('hello.txt'), true)
  assert.equal(await sbx.files.exists('nope'), false)
  assert.equal((await sbx.files.getInfo('hello.txt')).size, 7)
  assert.equal(await sbx.files.makeDir('a/b'), true)
  assert.equal(await sbx.files.makeDir('a/b'), false)
  await sbx.files.rename('hello.txt', 'a/b/hello2.txt')
  assert.equal(await sbx.files.exists('a/b/hello2.txt'), true)
  await sbx.files.remove('a')
  assert.equal(await sbx.files.exists('a'), false)
})
step('read of a missing file', async () => {
  await assert.rejects(sbx.files.read('nope'), named('FileNotFoundError'))
})
step('run with streamed output', async () => {
  const seen = { out: '', err: '' }
  const result = await sbx.commands.run('echo "$GREETING $OWN"; echo bad >&2; pwd', {
    envs: { OWN: 'own' }, cwd: '/tmp',
    onStdout: (text) => { seen.out += text }, onStderr: (text) => { seen.err += text },
  })
  assert.equal(result.exitCode, 0)
  assert.equal(result.stdout, 'hi there own\n/tmp\n')
  assert.deepEqual(seen, { out: 'hi there own\n/tmp\n', err: 'bad\n' })
})
step('exit code 3', async () => {
  await assert.rejects(sbx.commands.run('echo x; exit 3'), (err) => {
    assert.equal(err.name, 'CommandExitError')
    assert.equal(err.exitCode, 3)
    assert.equal(err.stdout, 'x\n')
    return true
  })
})
step('bad cwd', async () => {
  await assert.rejects(sbx.commands.run('true', { cwd: '/nowhere' }), named('InvalidArgumentError'))
})
step('unknown user', async () => {
  await assert.rejects(sbx.commands.run('true', { user: 'ghost' }), named('AuthenticationError'))
})
step('missing program', async () => {
  await assert.rejects(sbx.commands.run('exec /no/such/program'), (err) => err.exitCode === 127)
})
step('timeout of 1 s', async () => {
  await assert.rejects(sbx.commands.run('sleep 30', { timeoutMs: 1000 }), named('TimeoutError'))
})
step('ten MiB of output', async () => {
  let bytes = 0
  await sbx.commands.run('head -c 10485760 /dev/zero | tr "\\0" a', {
    onStdout: (text) => { bytes += text.length },
  })
  assert.equal(bytes, 10485760)
})
step('background, disconnect, re-attach by pid', async () => {
  const handle = await sbx.commands.run('sleep 1; echo late; exit 5', { background: true, timeoutMs: 0 })
  await handle.disconnect()
  const again = await sbx.commands.connect(handle.pid)
  await assert.rejects(again.wait(), (err) => err.exitCode === 5 && err.stdout === 'late\n')
})
step('late attach to an ended process', async () => {
  const handle = await sbx.commands.run('exit 7', { background: true })
  await assert.rejects(handle.wait(), (err) => err.exitCode === 7)
  const late = await sbx.commands.connect(handle.pid)
  await assert.rejects(late.wait(), (err) => err.exitCode === 7)
  await admin('POST', '/clock', { advance: 31 })
  await assert.rejects(sbx.commands.connect(handle.pid), /not found/)
  await sbx.setTimeout(120_000)
})
step('SIGKILL, and false on the second', async () => {
  const handle = await sbx.commands.run('sleep 100', { background: true })
  assert.ok((await sbx.commands.list()).some((p) => p.pid === handle.pid))
  assert.equal(await handle.kill(), true)
  await assert.rejects(handle.wait(), (err) => err.exitCode === -1)
  assert.equal(await sbx.commands.kill(handle.pid), false)
})
step('stdin and its close', async () => {
  const handle = await sbx.commands.run('cat', { background: true, stdin: true })
  await sbx.commands.sendStdin(handle.pid, 'héllo\n')
  await sbx.commands.closeStdin(handle.pid)
  assert.equal((await handle.wait()).stdout, 'héllo\n')
})
step('pty', async () => {
  let text = ''
  const handle = await sbx.pty.create({
    cols: 80, rows: 24, onData: (data) => { text += Buffer.from(data).toString() },
  })
  await sbx.pty.resize(handle.pid, { cols: 101, rows: 31 })
  await sbx.pty.sendInput(handle.pid, new TextEncoder().encode('stty size; tty >/dev/null && exit 4\n'))
  await assert.rejects(handle.wait(), (err) => err.exitCode === 4)
  assert.match(text, /31 101/)
})
step('setTimeout, getInfo, isRunning, metrics', async () => {
  await sbx.setTimeout(60_000)
  const info = await sbx.getInfo()
  assert.equal(info.sandboxId, sbx.sandboxId)
  assert.deepEqual(info.metadata, metadata)
  assert.equal(info.state, 'running')
  assert.equal(await sbx.isRunning(), true)
  assert.equal((await sbx.getMetrics()).length, 1)
})
step('list by metadata and state, with pages', async () => {
  const more = [await Sandbox.create({ metadata: { app: 'demo' } }), await Sandbox.create()]
  const ids = async (query, limit) => {
    const pages = Sandbox.list({ query, limit })
    const found = []
    while (pages.hasNext) found.push(...(await pages.nextItems()).map((s) => s.sandboxId))
    return found
  }
  assert.deepEqual(await ids({ metadata }), [sbx.sandboxId])
  assert.deepEqual(await ids({ metadata: { app: 'demo' }, state: ['running'] }, 1),
    [more[0].sandboxId, sbx.sandboxId])
  assert.equal((await ids({}, 2)).length, 3)
  assert.deepEqual(await ids({ state: ['paused'] }), [])
  for (const one of more) assert.equal(await one.kill(), true)
})
step('pause cuts the stream; second pause is false; errors while paused', async () => {
  const handle = await sbx.commands.run('while date +%s%N > t; do mv t tick; sleep 0.1; done', {
    background: true, timeoutMs: 0,
  })
  const broken = assert.rejects(handle.wait())
  while (!(await sbx.files.exists('tick'))) await sleep(50)
  assert.equal(await sbx.pause(), true)
  await broken
  assert.equal(await sbx.pause(), false)
  assert.equal(await sbx.isRunning(), false)
  await assert.rejects(sbx.commands.run('true'), named('SandboxNotFoundError'))
  assert.equal((await sbx.getInfo()).state, 'paused')
  sbx = await Sandbox.connect(sbx.sandboxId, { timeoutMs: 60_000 })
  const first = await sbx.files.read('tick')
  await sleep(700)
  assert.notEqual(await sbx.files.read('tick'), first)
  assert.equal(await sbx.commands.kill(handle.pid), true)
})
step('connect while running', async () => {
  const again = await Sandbox.connect(sbx.sandboxId)
  assert.equal((await again.commands.run('echo same')).stdout, 'same\n')
})
step('kill, then false; errors on the dead sandbox', async () => {
  assert.equal(await sbx.kill(), true)
  assert.equal(await sbx.kill(), false)
  await assert.rejects(sbx.commands.run('true'), named('SandboxNotFoundError'))
  await assert.rejects(Sandbox.getInfo(sbx.sandboxId), named('SandboxNotFoundError'))
  await assert.rejects(sbx.setTimeout(1000), named('SandboxNotFoundError'))
})
step('429 of the quota, and of the rate', async () => {
  await admin('POST', '/settings', { max_sandboxes: 0 })
  await assert.rejects(Sandbox.create(), named('RateLimitError'))
  await admin('POST', '/settings', { max_sandboxes: 20 })
  await fault({ match: { path: '^/v2/sandboxes$' }, times: 2,
    answer: { status: 429, message: 'Rate limit exceeded', headers: { 'Retry-After': '1' } } })
  const began = Date.now()
  const one = await Sandbox.create()
  assert.ok(Date.now() - began >= 1900)
  await one.kill()
})
step('503', async () => {
  await fault({ match: { path: '^/v2/sandboxes$' }, times: 0,
    answer: { status: 503, message: 'busy', error_code: 'sandbox_capacity_unavailable' } })
  await assert.rejects(Sandbox.create(), named('ServiceBusyError'))
  await admin('DELETE', '/faults')
})
step('wrong key', async () => {
  await assert.rejects(Sandbox.create({ apiKey: 'e2b_abcdef' }), named('AuthenticationError'))
})
step('signed URL', async () => {
  const one = await Sandbox.create()
  await one.files.write('s.txt', 'signed')
  const url = new URL(await one.downloadUrl('s.txt', { useSignatureExpiration: 60_000 }))
  const answer = await fetch(url, {
    headers: { 'E2b-Sandbox-Id': one.sandboxId, 'E2b-Sandbox-Port': '49983' },
  })
  assert.equal(await answer.text(), 'signed')
  await one.kill()
})

let failed = 0
for (const [name, run] of steps) {
  try {
    await run()
    console.log(`ok ${name}`)
  } catch (err) {
    failed += 1
    console.log(`not ok ${name}: ${String(err.stack ?? err).replaceAll('\n', ' | ')}`)
    await admin('DELETE', '/faults')
  }
}
console.log(`done ${steps.length - failed} of ${steps.length}`)
process.exit(failed ? 1 : 0)
