"""The control plane: REST over sandboxes.Registry, v1 and v2."""

import asyncio
import base64
import binascii
import datetime
import json
import os
import re
import urllib.parse

from sandboxes import CLIENT_ID, ENVD_VERSION, TEMPLATES, Trouble, stamp

ID = re.compile(r"[a-z0-9]+(-.*)?")
REFERENCE = re.compile(r"([a-z0-9_-]+/)?[a-z0-9_-]+(:[a-z0-9_.-]+)?")
KEY = re.compile(r"[a-z0-9-]{1,255}")
HEX = re.compile(r"[0-9a-f]+")
CPU, MEMORY_MB, DISK_MB = 2, 512, 1024
STATES = ("running", "paused")


async def body_of(request, required=True):
    """The JSON object of a request; {} when it may be missing and is."""
    data = await request.read()
    if not data and not required:
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as err:
        raise Trouble(400, f"validation error: request body has an error: {err}") from err
    if value is None and not required:
        return {}
    if not isinstance(value, dict):
        raise Trouble(400, "validation error: request body is not an object")
    return value


def number(body, name, default):
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Trouble(400, f"validation error: {name} must be an integer")
    return value


def strings(body, name):
    value = body.get(name) or {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise Trouble(400, f"validation error: {name} must map strings to strings")
    return value


def decode_metadata(value):
    """Decoded a second and a third time, as the service does it."""
    wanted = {}
    for pair in urllib.parse.unquote_plus(value).split("&"):
        parts = pair.split("=")
        if len(parts) != 2:
            raise Trouble(400, f"Invalid metadata query: {pair}")
        wanted[urllib.parse.unquote_plus(parts[0])] = urllib.parse.unquote_plus(parts[1])
    return wanted


def instant(text):
    try:
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError as err:
        raise Trouble(400, f"Invalid time: {text}") from err


class Control:
    def __init__(self, registry, options):
        self.registry = registry
        self.options = options
        self.repeats = {}
        one = r"/sandboxes/([^/]+)"
        self.routes = [
            ("POST", r"/sandboxes", "v1", self.create), ("POST", r"/v2/sandboxes", "v2", self.create),
            ("GET", r"/sandboxes", "v1", self.list_v1), ("GET", r"/v2/sandboxes", "", self.list_v2),
            ("GET", r"/sandboxes/metrics", "", self.all_metrics),
            ("GET", one, "", self.show), ("DELETE", one, "", self.kill),
            ("POST", one + "/timeout", "", self.timeout), ("POST", one + "/refreshes", "", self.refresh),
            ("POST", one + "/pause", "", self.pause), ("POST", one + "/resume", "v1", self.resume),
            ("POST", one + "/connect", "v1", self.connect),
            ("POST", "/v2" + one + "/connect", "v2", self.connect),
            ("GET", one + "/metrics", "", self.metrics)]

    async def handle(self, exchange):
        try:
            status, value, headers = await self._answer(exchange.request)
        except Trouble as err:
            status, headers = err.status, {}
            value = {"code": err.status, "message": err.message}
            if err.error_code:
                value["error_code"] = err.error_code
        if value is None:
            await exchange.send(status, headers=headers)
        else:
            await exchange.send_json(status, value, headers)

    async def _answer(self, request):
        path = request.target.partition("?")[0]
        for method, pattern, version, handler in self.routes:
            match = re.fullmatch(pattern, path)
            if match and method == request.method and version not in self.options.hide_versions:
                team = self._team(request)
                words = [self._sandbox_id(word) for word in match.groups()]
                return await handler(request, team, version, *words)
        raise Trouble(404, "no matching operation was found")

    def _team(self, request):
        key = request.headers.get("x-api-key")
        if not key:
            raise Trouble(401, "authorization header is missing")
        if not key.startswith("e2b_") or not HEX.fullmatch(key[4:]):
            raise Trouble(401, "authorization header is malformed")
        if key not in self.options.api_keys:
            raise Trouble(401, "Invalid API key, please visit the dashboard to get one.\n"
                          "Cannot get the team for the given API key")
        return self.options.api_keys.index(key)

    @staticmethod
    def _sandbox_id(word):
        word = urllib.parse.unquote(word)
        if not ID.fullmatch(word):
            raise Trouble(400, "Invalid sandbox ID")
        return word.partition("-")[0]

    def _checked_timeout(self, seconds):
        if seconds <= 0:
            raise Trouble(400, "Timeout must be greater than 0")
        if seconds > self.options.max_hours * 3600:
            raise Trouble(400, f"Timeout cannot be greater than {self.options.max_hours} hours")
        return seconds

    def _template(self, body):
        reference = body.get("templateID")
        if not isinstance(reference, str):
            raise Trouble(400, "validation error: templateID is required")
        reference = reference.strip().lower()
        if not REFERENCE.fullmatch(reference):
            raise Trouble(400, f"Invalid template reference: {reference}")
        name = reference.partition(":")[0].rpartition("/")[2]
        known = {**TEMPLATES, **{name: "t" + name for name in self.options.template}}
        for alias, template in known.items():
            if name in (alias, template):
                return template, alias
        raise Trouble(404, f"template '{name}' not found")

    def _options(self, body, version):
        template, alias = self._template(body)
        auto_resume = body.get("autoResume") or {}
        memory = body.get("autoPauseMemory", True)
        if memory is False and (not body.get("autoPause") or auto_resume.get("enabled")):
            raise Trouble(400, "autoPauseMemory: false needs autoPause and no autoResume")
        secure = version == "v2" or bool(body.get("secure", False))
        network = body.get("network")
        if (network or {}).get("allowPublicTraffic") is False and not secure:
            raise Trouble(400, "allowPublicTraffic: false needs a secure sandbox")
        default = 300 if version == "v2" else 15
        return {"template": template, "alias": alias, "metadata": strings(body, "metadata"),
                "env_vars": strings(body, "envVars"), "auto_pause": bool(body.get("autoPause")),
                "pause_memory": memory, "auto_resume": bool(auto_resume.get("enabled")),
                "network": network, "internet": body.get("allow_internet_access"),
                "timeout": self._checked_timeout(number(body, "timeout", default)),
                "secure": secure}

    def _created(self, sandbox):
        return {"sandboxID": sandbox.id, "templateID": sandbox.template, "alias": sandbox.alias,
                "clientID": CLIENT_ID, "envdVersion": self.options.envd_version or ENVD_VERSION,
                **({"envdAccessToken": sandbox.token} if sandbox.token else {}),
                "trafficAccessToken": sandbox.traffic_token, "domain": self.options.domain}

    def _listed(self, sandbox):
        return {"sandboxID": sandbox.id, "templateID": sandbox.template, "alias": sandbox.alias,
                "clientID": CLIENT_ID, "startedAt": stamp(sandbox.started),
                "endAt": stamp(sandbox.ends), "cpuCount": CPU, "memoryMB": MEMORY_MB,
                "diskSizeMB": DISK_MB,
                "state": "paused" if sandbox.state in ("paused", "pausing") else "running",
                "envdVersion": self.options.envd_version or ENVD_VERSION,
                "metadata": sandbox.metadata, "volumeMounts": []}

    async def create(self, request, team, version):
        options = self._options(await body_of(request), version)
        key = request.headers.get("idempotency-key")
        if key is None or not self.options.idempotency:
            return 201, self._created(await self.registry.create(team, options)), {}
        if not KEY.fullmatch(key):
            raise Trouble(400, "validation error: Idempotency-Key")
        making = self.repeats.get((team, key))
        if making is None:
            making = asyncio.ensure_future(self.registry.create(team, options))
            self.repeats[team, key] = making
        try:
            return 201, self._created(await asyncio.shield(making)), {}
        except Trouble:
            self.repeats.pop((team, key), None)  # nothing was made: the key is free again
            raise

    async def show(self, request, team, version, sandbox_id):
        sandbox = self.registry.get(sandbox_id, team)
        paused = sandbox.state != "running"
        return 200, {**self._listed(sandbox),
                     **({"envdAccessToken": sandbox.token} if sandbox.token else {}),
                     "allowInternetAccess": sandbox.internet,
                     "domain": None if paused else self.options.domain,
                     "network": sandbox.network or {"allowPublicTraffic": True},
                     "lifecycle": {"onTimeout": "pause" if sandbox.auto_pause else "kill",
                                   "autoResume": sandbox.auto_resume}}, {}

    async def kill(self, request, team, version, sandbox_id):
        sandbox = self.registry.all.get(sandbox_id)
        if sandbox is not None and sandbox.team == team and sandbox.state == "killing":
            return 204, None, {}
        await self.registry.end(self.registry.get(sandbox_id, team), "api")
        return 204, None, {}

    def _running(self, sandbox_id, team):
        sandbox = self.registry.get(sandbox_id, team)
        if sandbox.state == "pausing":
            raise Trouble(409, f"Sandbox \"{sandbox_id}\" is being paused")
        if sandbox.state != "running":
            raise Trouble(404, f"Sandbox \"{sandbox_id}\" doesn't exist or you don't have access to it")
        return sandbox

    async def timeout(self, request, team, version, sandbox_id):
        seconds = number(await body_of(request), "timeout", None)
        if seconds < 0:
            raise Trouble(400, "validation error: timeout must be at least 0")
        sandbox = self._running(sandbox_id, team)
        sandbox.set_end(self.registry.clock.now() + seconds)
        sandbox.note("sandbox.timeout", timeout=seconds)
        return 204, None, {}

    async def refresh(self, request, team, version, sandbox_id):
        seconds = number(await body_of(request, required=False), "duration", 15)
        if not 0 <= seconds <= 3600:
            raise Trouble(400, "validation error: duration must be 0 to 3600")
        sandbox = self._running(sandbox_id, team)
        end = self.registry.clock.now() + max(seconds, 15)
        if end > sandbox.ends:
            sandbox.set_end(end)
            sandbox.note("sandbox.timeout", timeout=max(seconds, 15))
        return 204, None, {}

    async def pause(self, request, team, version, sandbox_id):
        body = await body_of(request, required=False)
        await self.registry.pause(self.registry.get(sandbox_id, team), body.get("memory", True))
        return 204, None, {}

    async def resume(self, request, team, version, sandbox_id):
        body = await body_of(request, required=False)
        seconds = self._checked_timeout(number(body, "timeout", 15))
        sandbox = self.registry.get(sandbox_id, team)
        if sandbox.state == "running":
            raise Trouble(409, f"Sandbox {sandbox_id} is already running")
        if "autoPause" in body:
            sandbox.auto_pause = bool(body["autoPause"])
        await self.registry.resume(sandbox, seconds, body.get("memory", True))
        return 201, self._created(sandbox), {}

    async def connect(self, request, team, version, sandbox_id):
        body = await body_of(request, required=version == "v1")
        seconds = self._checked_timeout(number(body, "timeout", 300 if version == "v2" else None))
        killing = self.registry.all.get(sandbox_id)
        if killing is not None and killing.team == team and killing.state == "killing":
            raise Trouble(409, f"Sandbox \"{sandbox_id}\" is being killed")
        sandbox = self.registry.get(sandbox_id, team)
        if sandbox.state == "running":
            end = self.registry.clock.now() + seconds
            if end > sandbox.ends:
                sandbox.set_end(end)
                sandbox.note("sandbox.timeout", timeout=seconds)
            return 200, self._created(sandbox), {}
        await self.registry.resume(sandbox, seconds, body.get("memory", True))
        return 201, self._created(sandbox), {}

    def _matching(self, team, states, metadata):
        found = [s for s in self.registry.all.values()
                 if s.team == team and self._listed(s)["state"] in states
                 and s.state in ("running", "paused", "pausing")
                 and all(s.metadata.get(key) == value for key, value in metadata.items())]
        return sorted(found, key=lambda s: (s.started, s.id), reverse=True)

    async def list_v1(self, request, team, version):
        query = request.query()
        metadata = decode_metadata(query["metadata"]) if "metadata" in query else {}
        found = self._matching(team, ("running",), metadata)
        return 200, [self._listed(s) for s in found], {}

    async def list_v2(self, request, team, version):
        query = request.query()
        states = query.get("state", "running,paused").split(",")
        if not set(states) <= set(STATES):
            raise Trouble(400, "validation error: state")
        limit = query.get("limit", "100")
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise Trouble(400, "validation error: limit must be 1 to 100")
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise Trouble(400, "validation error: order")
        metadata = decode_metadata(query["metadata"]) if "metadata" in query else {}
        found = self._matching(team, states, metadata)
        headers = {}
        if "running" in states:
            headers["X-Total-Running"] = str(len(self._matching(team, ("running",), metadata)))
        found = self._filtered(found, query)
        if order == "asc":
            found.reverse()
        if "nextToken" in query:
            found = self._after(found, query["nextToken"], order)
        most = min(int(limit), self.options.page_size)
        if len(found) > most:
            found = found[:most]
            headers["X-Next-Token"] = self._cursor(found[-1], order)
        return 200, [self._listed(s) for s in found], headers

    @staticmethod
    def _filtered(found, query):
        if "startedAfter" in query:
            after = instant(query["startedAfter"])
            found = [s for s in found if s.started >= after]
        if "template" in query:
            found = [s for s in found if query["template"] in (s.template, s.alias)]
        return found

    @staticmethod
    def _cursor(sandbox, order):
        text = f"{sandbox.started!r}__{sandbox.id}" + ("__asc" if order == "asc" else "")
        return base64.urlsafe_b64encode(text.encode()).decode()

    @staticmethod
    def _after(found, token, order):
        try:
            parts = base64.urlsafe_b64decode(token.encode()).decode().split("__")
            place = (float(parts[0]), parts[1])
        except (ValueError, IndexError, binascii.Error) as err:
            raise Trouble(400, "Invalid next token") from err
        if (parts[2:] == ["asc"]) != (order == "asc"):
            raise Trouble(400, "Invalid next token")
        if order == "asc":
            return [s for s in found if (s.started, s.id) > place]
        return [s for s in found if (s.started, s.id) < place]

    def _sample(self, sandbox):
        now = self.registry.clock.now()
        disk = os.statvfs(sandbox.folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        return {"timestamp": stamp(now), "timestampUnix": int(now), "cpuCount": CPU,
                "cpuUsedPct": round(os.getloadavg()[0], 2), "memUsed": 64 << 20,
                "memTotal": MEMORY_MB << 20, "memCache": 0, "diskUsed": used,
                "diskTotal": disk.f_blocks * disk.f_frsize}

    async def metrics(self, request, team, version, sandbox_id):
        return 200, [self._sample(self.registry.get(sandbox_id, team))], {}

    async def all_metrics(self, request, team, version):
        ids = [word for word in request.query().get("sandbox_ids", "").split(",") if word]
        if not 1 <= len(ids) <= 100:
            raise Trouble(400, "validation error: sandbox_ids")
        found = {word: self.registry.all[word] for word in ids if word in self.registry.all}
        return 200, {"sandboxes": {word: self._sample(s) for word, s in found.items()
                                   if s.team == team}}, {}
